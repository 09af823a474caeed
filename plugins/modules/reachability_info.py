#!/usr/bin/python
# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: reachability_info
short_description: Probe which addresses and ports containers reach
version_added: 0.1.0
author: The fleetnet maintainers (@fleetnet)
description:
  - Sends probes from containers' network namespaces, or from the host itself, and returns the result of each.
  - Requires nothing in a container's image, does not enter its file system, and does not start a process in it.
  - A task sends all its probes at the same time, so that probes without an answer are waited for only once. If they are
    to more neighbors than the kernel's neighbor table holds (C(net.ipv4.neigh.default.gc_thresh3), which all
    containers of a host share), they are sent in batches, and the new entries are deleted after each batch.
  - Each probe has a number, its token. M(fleetnet.docker.probe_observer) on the destination's host uses it to identify
    the probes that arrive.
extends_documentation_fragment:
  - fleetnet.docker.attributes.reading
  - fleetnet.docker.engine
  - fleetnet.docker.containers
attributes:
  check_mode:
    details:
      - Probes are also sent in check mode.
options:
  probes:
    description:
      - The probes to send, in no particular order.
    type: list
    elements: dict
    required: true
    suboptions:
      source:
        description:
          - Name or ID of the source container. It must run on this host. Without it, the probe is sent from the host
            itself.
        type: str
      source_address:
        description:
          - The source address, which must be one of the source's own. By default, the source's kernel chooses it.
        type: str
      destination:
        description:
          - The destination address, IPv4 or IPv6.
        type: str
        required: true
      required_source:
        description:
          - The address of a source with several addresses that this probe is about. If the source's kernel chooses
            another one for the destination, the probe is not sent, and the outcome is V(other_source).
        type: str
      protocol:
        description:
          - V(icmp) sends an echo request.
          - V(tcp) opens a connection and resets it immediately. With O(probes[].data) it sends data first.
          - V(udp) sends one datagram. Most servers ignore unknown datagrams, and the kernel limits the rate of answers
            from closed ports, so a missing answer proves nothing. Use M(fleetnet.docker.probe_observer) for arrivals.
          - V(dns) queries the name server at the destination over UDP for the IPv4 addresses of O(probes[].name).
        type: str
        choices: [icmp, tcp, udp, dns]
        default: icmp
      port:
        description:
          - The destination port. Required for V(tcp) and V(udp), 53 by default for V(dns), not allowed for V(icmp).
        type: int
      token:
        description:
          - The probe's number, from 0 to 39999. Probes that are otherwise equal should have different tokens, and so
            should probes from several sources to one destination and port.
          - The source port is V(20000) + token. The payload of ICMP and UDP also contains the token.
        type: int
        required: true
      name:
        description:
          - The name to query with V(dns), for its IPv4 addresses.
          - Docker's embedded name server at C(127.0.0.11) forwards unknown names to the host's name servers. A query
            for a name that no container has therefore sends a packet out of the host.
        type: str
      data:
        description:
          - Whether a V(tcp) probe that is connected sends 10 bytes of data, by which M(fleetnet.docker.probe_observer)
            identifies it behind a program that forwards connections, such as docker-proxy. A server receives them.
        type: bool
        default: false
      attempts:
        description:
          - How often to send this probe, at the same interval as the others. O(attempts) by default.
          - More attempts take no time for a probe that is answered.
        type: int
      size:
        description:
          - For V(icmp), the size of the payload in bytes, from 10 to 65507. The headers add 28 bytes for IPv4 and 48
            bytes for IPv6.
          - ICMP probes are not fragmented, so the size tests whether the path's MTU is large enough.
        type: int
  probe_timeout:
    description:
      - How long to wait for an answer, in seconds. The attempts are distributed evenly over this time.
    type: float
    default: 1.0
  attempts:
    description:
      - How often to send a probe before it counts as unanswered. One lost packet does not mean that it is denied.
    type: int
    default: 2
  concurrency:
    description:
      - How many probes may be in flight at the same time. The host's limit of open files may lower the number.
    type: int
    default: 4096
notes:
  - Requires root, on the host on which the engine runs.
seealso:
  - module: fleetnet.docker.probe_observer
  - module: fleetnet.docker.network_info
"""

EXAMPLES = r"""
- name: Probe the database and its SSH port from web1
  fleetnet.docker.reachability_info:
    probes:
      - {source: web1, destination: 10.77.65.10, protocol: tcp, port: 5432, token: 0}
      - {source: web1, destination: 10.77.65.10, protocol: tcp, port: 22, token: 1}
  register: probed

- name: Fail unless web1 reaches the database and not its SSH port
  ansible.builtin.assert:
    that:
      - probed.results[0].reached
      - not probed.results[1].reached

- name: Probe whether full-sized packets pass on a path with an MTU of 1500 bytes
  fleetnet.docker.reachability_info:
    probes:
      - {source: web1, destination: 10.77.65.10, token: 2, size: 1472}
"""

RETURN = r"""
changed:
  description: Always V(false). The module changes nothing on the host.
  returned: success
  type: bool
  choices: [false]
results:
  description: The results of the probes, in the order of O(probes).
  returned: success
  type: list
  elements: dict
  contains:
    source:
      description: The container, as given. V(none) for the host itself.
      returned: success
      type: str
    destination:
      description: The destination address.
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
        - V(refused) if the destination answered that the port is closed. A firewall that rejects with a TCP reset
          looks the same.
        - V(timeout) if no answer arrived.
        - V(unreachable) if the source's own kernel or a router reported that the destination is unreachable.
        - V(error) if the probe could not be sent, for example because the container is not running.
        - V(other_source) if it was not sent because of O(probes[].required_source).
      returned: success
      type: str
    detail:
      description: Details of the outcome, with the address that reported it. Empty without details.
      returned: success
      type: str
      sample: ICMP administratively prohibited from 10.77.0.1
    rtt:
      description: The time from the attempt to its answer, in milliseconds. V(none) without an answer.
      returned: success
      type: float
    source_port:
      description:
        - The source port of TCP and UDP. It is V(20000) + token, or another port if something in the container uses
          that one.
      returned: success
      type: int
    name:
      description: The queried name, V(none) for other protocols than DNS.
      returned: success
      type: str
    answer:
      description: The addresses in the name server's answer. V(none) without an answer, and for other protocols.
      returned: success
      type: list
      elements: str
    mtu:
      description: For a packet that is too big, the MTU that the router reported, in bytes.
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
from ansible_collections.fleetnet.docker.plugins.module_utils._host.probes.batches import probe_all
from ansible_collections.fleetnet.docker.plugins.module_utils._host.probes.sender import ProbeRun
from ansible_collections.fleetnet.docker.plugins.module_utils._host.task import Task


def probe(module: AnsibleModule) -> dict[str, t.Any]:
    params = module.params
    for option, lowest in (("probe_timeout", 0.001), ("attempts", 1), ("concurrency", 1)):
        if params[option] < lowest:
            raise InvalidValue(option, params[option], f"must be at least {lowest}")
    probes = parse_probes(params["probes"])
    outcomes = probe_all(
        probes,
        ContainerNamespaces(Task.of(module, connect).engine, params["containers"]),
        lambda: ProbeRun(params["probe_timeout"], params["attempts"], params["concurrency"]),
        neighbours.pair_limit(),
    )
    results = [report(sent, outcome) for sent, outcome in zip(probes, outcomes)]
    invocation = invoked(params, probes=f"{len(probes)} probes, as in the results", containers="as given")
    return {"changed": False, "results": results, "invocation": invocation}


def main() -> None:
    suboptions = {
        "source": {"type": "str"},
        "source_address": {"type": "str"},
        "required_source": {"type": "str"},
        "destination": {"type": "str", "required": True},
        "protocol": {"type": "str", "choices": ["icmp", "tcp", "udp", "dns"], "default": "icmp"},
        "port": {"type": "int"},
        "token": {"type": "int", "required": True, "no_log": False},
        "size": {"type": "int"},
        "attempts": {"type": "int"},
        "data": {"type": "bool", "default": False},
        "name": {"type": "str"},
    }
    options = {
        "probes": {"type": "list", "elements": "dict", "required": True, "options": suboptions},
        "probe_timeout": {"type": "float", "default": 1.0},
        "attempts": {"type": "int", "default": 2},
        "concurrency": {"type": "int", "default": 4096},
    }
    run_module(probe, needs_root=True, argument_spec=dict(engine_argument_spec(), **OPTIONS, **options))


if __name__ == "__main__":
    main()
