#!/usr/bin/python
# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: reachability_info
short_description: Probe what containers reach
version_added: 0.1.0
author: The fleetnet maintainers (@fleetnet)
description:
  - Sends probes from inside containers' network namespaces and tells what became of each.
  - Nothing is needed in a container's image, its file system is not entered, and no process is started in it.
  - All probes of a task are under way at the same time, so those that get no answer cost their time once for all. Only
    where they are to more neighbours than the kernel's table holds (C(net.ipv4.neigh.default.gc_thresh3), which all
    containers of a host share), they are sent in batches, and the entries that they made are deleted in between.
  - Each probe carries a number, its token, by which M(fleetnet.docker.probe_observer) on the destination's host tells
    which one it has seen arrive, and from which address.
extends_documentation_fragment:
  - fleetnet.docker.attributes.reading
  - fleetnet.docker.engine
  - fleetnet.docker.containers
attributes:
  check_mode:
    details:
      - Probes are sent in check mode too.
options:
  probes:
    description:
      - The probes to send. They are sent in no particular order.
    type: list
    elements: dict
    required: true
    suboptions:
      source:
        description:
          - Name or id of the container to send from. It has to run on this host.
        type: str
        required: true
      destination:
        description:
          - The address to send to, IPv4 or IPv6.
        type: str
        required: true
      protocol:
        description:
          - V(icmp) sends an echo request.
          - V(tcp) begins a connection and resets it at once.
          - V(udp) sends one datagram. Most servers do not answer what they do not understand, and closed ports answer
            only so often, so that no answer means little. M(fleetnet.docker.probe_observer) knows.
          - V(dns) asks the name server at the destination for the IPv4 addresses of O(probes[].name), by UDP.
        type: str
        choices: [icmp, tcp, udp, dns]
        default: icmp
      port:
        description:
          - The port to send to. Required for V(tcp) and V(udp), 53 by default for V(dns), not allowed for V(icmp).
        type: int
      token:
        description:
          - The probe's number, from 0 to 39999. Probes that differ in nothing else should have different ones, and so
            should those of several sources to one destination and port.
          - It becomes the source port, V(20000) + token, and is in the payload of ICMP and UDP.
        type: int
        required: true
      name:
        description:
          - For V(dns), the name whose IPv4 addresses are asked for.
          - Docker's embedded name server at C(127.0.0.11) forwards what it does not know to the host's name servers, so
            that asking it for a name that no container has sends a packet out of the host.
        type: str
      attempts:
        description:
          - How often to try this probe, in the intervals of the others. O(attempts) by default.
          - Patience with a probe that should pass costs nothing as long as it does.
        type: int
      size:
        description:
          - For V(icmp), the size of the payload in bytes, from 10 to 65507. The packet is larger by 28 bytes with IPv4
            and by 48 bytes with IPv6.
          - No ICMP probe may be fragmented, so that a size finds out whether the path's MTU is large enough.
        type: int
  probe_timeout:
    description:
      - How long to wait for an answer, in seconds. The attempts are spread evenly over this time.
    type: float
    default: 1.0
  attempts:
    description:
      - How often to try before a probe counts as unanswered. One lost packet is not a denial.
    type: int
    default: 2
  concurrency:
    description:
      - How many probes may be under way at the same time. The host's limit of open files may lower it.
    type: int
    default: 4096
notes:
  - Has to run as root, on the host that the engine runs on.
seealso:
  - module: fleetnet.docker.probe_observer
  - module: fleetnet.docker.network_info
"""

EXAMPLES = r"""
- name: Ask whether web1 reaches the database, and does not reach its SSH port
  fleetnet.docker.reachability_info:
    probes:
      - {source: web1, destination: 10.77.65.10, protocol: tcp, port: 5432, token: 0}
      - {source: web1, destination: 10.77.65.10, protocol: tcp, port: 22, token: 1}
  register: probed

- name: Fail where it is not so
  ansible.builtin.assert:
    that:
      - probed.results[0].reached
      - not probed.results[1].reached

- name: Ask whether full-sized packets pass on a path with an MTU of 1500 bytes
  fleetnet.docker.reachability_info:
    probes:
      - {source: web1, destination: 10.77.65.10, token: 2, size: 1472}
"""

RETURN = r"""
results:
  description: What became of the probes, in the order of O(probes).
  returned: success
  type: list
  elements: dict
  contains:
    source:
      description: The container, as it was given.
      returned: success
      type: str
    destination:
      description: The address that the probe was sent to.
      returned: success
      type: str
    protocol:
      description: The probe's protocol.
      returned: success
      type: str
    port:
      description: The port, V(none) for ICMP.
      returned: success
      type: int
    token:
      description: The probe's number.
      returned: success
      type: int
    size:
      description: The payload's size in bytes, V(none) for the smallest.
      returned: success
      type: int
    reached:
      description: Whether the destination answered. True for the outcomes V(reply) and V(refused).
      returned: success
      type: bool
    outcome:
      description:
        - V(reply) for an answer.
        - V(refused) where the destination answered that the port is closed. A firewall that rejects by a TCP reset
          looks the same.
        - V(timeout) where nothing came back.
        - V(unreachable) where the source's own kernel, or somebody on the path, said that there is no way.
        - V(error) where the probe could not be sent, because the container does not run, for example.
      returned: success
      type: str
    detail:
      description: What was said, by whom. Empty where there is nothing to tell.
      returned: success
      type: str
      sample: ICMP administratively prohibited from 10.77.0.1
    rtt:
      description: Milliseconds from the attempt to its answer. V(none) without an answer.
      returned: success
      type: float
    source_port:
      description:
        - The source port of TCP and UDP. It is V(20000) + token, or another one where something in the container
          uses that.
      returned: success
      type: int
    name:
      description: The name that was asked for, V(none) for all but DNS.
      returned: success
      type: str
    answer:
      description: The addresses that a name server told. V(none) where there was no answer, or no question.
      returned: success
      type: list
      elements: str
    mtu:
      description: For a packet that was too big, the MTU that the router told, in bytes.
      returned: success
      type: int
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import InvalidValue
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.probes.request import parse_probes, report
from ansible_collections.fleetnet.docker.plugins.module_utils._host.engine.connection import (
    connect,
    engine_argument_spec,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.module import invoked, run_module
from ansible_collections.fleetnet.docker.plugins.module_utils._host.netns import neighbours
from ansible_collections.fleetnet.docker.plugins.module_utils._host.netns.containers import OPTIONS, ContainerNamespaces
from ansible_collections.fleetnet.docker.plugins.module_utils._host.netns.namespace import require_root
from ansible_collections.fleetnet.docker.plugins.module_utils._host.probes.batches import probe_all
from ansible_collections.fleetnet.docker.plugins.module_utils._host.probes.sender import ProbeRun
from ansible_collections.fleetnet.docker.plugins.module_utils._host.task import Task


def probe(module: AnsibleModule) -> dict[str, t.Any]:
    params = module.params
    for option, lowest in (("probe_timeout", 0.001), ("attempts", 1), ("concurrency", 1)):
        if params[option] < lowest:
            raise InvalidValue(option, params[option], f"has to be at least {lowest}")
    probes = parse_probes(params["probes"])
    require_root()
    verdicts = probe_all(
        probes,
        ContainerNamespaces(Task.of(module, connect).engine, params["containers"]),
        lambda: ProbeRun(params["probe_timeout"], params["attempts"], params["concurrency"]),
        neighbours.room(),
    )
    results = [report(sent, verdict) for sent, verdict in zip(probes, verdicts)]
    invocation = invoked(params, probes=f"{len(probes)} probes, those of the results", containers="as they were told")
    return {"changed": False, "results": results, "invocation": invocation}


def main() -> None:
    suboptions = {
        "source": {"type": "str", "required": True},
        "destination": {"type": "str", "required": True},
        "protocol": {"type": "str", "choices": ["icmp", "tcp", "udp", "dns"], "default": "icmp"},
        "port": {"type": "int"},
        "token": {"type": "int", "required": True, "no_log": False},
        "size": {"type": "int"},
        "attempts": {"type": "int"},
        "name": {"type": "str"},
    }
    options = {
        "probes": {"type": "list", "elements": "dict", "required": True, "options": suboptions},
        "probe_timeout": {"type": "float", "default": 1.0},
        "attempts": {"type": "int", "default": 2},
        "concurrency": {"type": "int", "default": 4096},
    }
    run_module(probe, argument_spec=dict(engine_argument_spec(), **OPTIONS, **options))


if __name__ == "__main__":
    main()
