#!/usr/bin/python
# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: probe_observer
short_description: See which probes arrive at containers
version_added: 0.1.0
author: The fleetnet maintainers (@fleetnet)
description:
  - Observes which probes of M(fleetnet.docker.reachability_info) arrive in the network namespaces of a host's
    containers, and from which address, whether the port that they go to is open or closed.
  - It is a process on the host that only listens, by packet sockets with a filter that lets nothing but probes through.
    It needs nothing in a container, sends nothing, and opens no port but those of O(listen).
  - A probe that arrived without an answer getting back, or whose source address was rewritten on its way, is told from
    one that never arrived.
extends_documentation_fragment:
  - fleetnet.docker.attributes.reading
  - fleetnet.docker.engine
  - fleetnet.docker.containers
attributes:
  check_mode:
    details:
      - In check mode nothing is started or ended, and there are no arrivals. A task with C(check_mode=false) observes
        in check mode too.
  diff_mode:
    details:
      - This module changes nothing of the host's configuration.
  idempotent:
    details:
      - RV(ignore:changed) is always V(false). The observer is a passing process that ends by itself, no part of the
        host's configuration.
options:
  state:
    description:
      - V(started) starts the observer, and returns when it hears. One that runs already is ended first and what it has
        seen is forgotten.
      - V(stopped) ends it and returns what it has seen. It does not ask the engine.
    type: str
    choices: [started, stopped]
    required: true
  listen:
    description:
      - Ports to listen on for as long as the observer runs, in the network namespace that has the address, so that
        probes to a port without a server get a whole answer. TCP connections are accepted and closed, UDP datagrams
        sent back.
      - A port that the container itself listens on is left to it.
    type: list
    elements: dict
    default: []
    suboptions:
      address:
        description: The address of a container.
        type: str
        required: true
      protocol:
        description: The protocol.
        type: str
        choices: [tcp, udp]
        required: true
      port:
        description: The port.
        type: int
        required: true
  lifetime:
    description:
      - The observer ends by itself after so many seconds.
    type: int
    default: 120
notes:
  - Has to run as root, on the host that the engine runs on.
  - Containers that start after the observer are not observed. Those in network mode V(host) are never, since probes are
    heard there before the host's firewall decides about them.
  - There is one observer on a host. Its state is in C(/run/fleetnet).
  - Where the host ends a user's processes with the session (C(KillUserProcesses=yes) of systemd-logind), the observer
    ends with it, and RV(complete) is V(false).
seealso:
  - module: fleetnet.docker.reachability_info
"""

EXAMPLES = r"""
- name: Observe
  fleetnet.docker.probe_observer:
    state: started

- name: Probe
  fleetnet.docker.reachability_info:
    probes:
      - {source: web1, destination: 10.77.65.10, protocol: tcp, port: 5432, token: 7}

- name: See what arrived
  fleetnet.docker.probe_observer:
    state: stopped
  register: observed

- name: Fail unless the probe arrived with the address of web1
  ansible.builtin.assert:
    that:
      - observed.complete
      - observed.arrivals | selectattr('token', 'eq', 7) | map(attribute='source') | unique == ['10.77.64.10']
"""

RETURN = r"""
observed:
  description: The containers that are observed, by name. Of those that share a namespace only its owner.
  returned: if O(state=started)
  type: list
  elements: str
  sample: [db1, web1]
pid:
  description: The observer's process id. V(none) in check mode.
  returned: if O(state=started)
  type: int
arrivals:
  description: The probes that have arrived, each once.
  returned: if O(state=stopped)
  type: list
  elements: dict
  contains:
    container:
      description: The container that the probe has arrived at.
      returned: success
      type: str
    protocol:
      description: V(icmp), V(tcp) or V(udp).
      returned: success
      type: str
    source:
      description: The address that the probe has come from, as the container sees it.
      returned: success
      type: str
    destination:
      description: The address that it has come to, as the container sees it.
      returned: success
      type: str
    port:
      description: The port that it has come to. V(none) for ICMP.
      returned: success
      type: int
    source_port:
      description: The port that it has come from. V(none) for ICMP.
      returned: success
      type: int
    token:
      description:
        - The probe's number.
        - For TCP it is read off the source port, and V(none) where that was rewritten to one that no probe has.
      returned: success
      type: int
complete:
  description: Whether the observer ran from its start until now. If not, a probe that is missing may have arrived.
  returned: if O(state=stopped)
  type: bool
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import InvalidValue
from ansible_collections.fleetnet.docker.plugins.module_utils._host.engine.connection import (
    connect,
    engine_argument_spec,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.module import invoked, run_module
from ansible_collections.fleetnet.docker.plugins.module_utils._host.netns.containers import OPTIONS, ContainerNamespaces
from ansible_collections.fleetnet.docker.plugins.module_utils._host.netns.namespace import require_root
from ansible_collections.fleetnet.docker.plugins.module_utils._host.probes.observer import Observer
from ansible_collections.fleetnet.docker.plugins.module_utils._host.task import Task


def start(module: AnsibleModule) -> dict[str, t.Any]:
    lifetime = module.params["lifetime"]
    if lifetime < 1:
        raise InvalidValue("lifetime", lifetime, "has to be at least 1 second")
    ports = [(each["address"], each["protocol"], each["port"]) for each in module.params["listen"]]
    containers = ContainerNamespaces(Task.of(module, connect).engine, module.params["containers"]).observable()
    pid = None if module.check_mode else Observer().start(containers, lifetime, ports)
    invocation = invoked(module.params, containers="as they were told")
    return {"changed": False, "pid": pid, "observed": sorted(containers), "invocation": invocation}


def stop(module: AnsibleModule) -> dict[str, t.Any]:
    if module.check_mode:
        return {"changed": False, "arrivals": [], "complete": False}
    record = Observer().stop()
    if not record.complete:
        module.warn("no observer of probes ran on this host until now: its lifetime was over, or somebody ended it")
    return {"changed": False, "arrivals": record.arrivals, "complete": record.complete}


def observe(module: AnsibleModule) -> dict[str, t.Any]:
    require_root()
    return start(module) if module.params["state"] == "started" else stop(module)


def main() -> None:
    options = {
        "state": {"type": "str", "choices": ["started", "stopped"], "required": True},
        "listen": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {
                "address": {"type": "str", "required": True},
                "protocol": {"type": "str", "choices": ["tcp", "udp"], "required": True},
                "port": {"type": "int", "required": True},
            },
        },
        "lifetime": {"type": "int", "default": 120},
    }
    run_module(observe, argument_spec=dict(engine_argument_spec(), **OPTIONS, **options))


if __name__ == "__main__":
    main()
