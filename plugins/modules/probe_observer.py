#!/usr/bin/python
# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: probe_observer
short_description: Record which probes arrive at containers
version_added: 0.1.0
author: The fleetnet maintainers (@fleetnet)
description:
  - Records which probes of M(fleetnet.docker.reachability_info) arrive in the network namespaces of a host's
    containers, and from which address, whether their destination port is open or closed.
  - The observer is a process on the host that listens on packet sockets with a filter that accepts only probes. It
    requires nothing in a container, sends nothing, and opens no ports except those in O(listen).
  - A TCP probe with data is also recognized by its data, which a program that forwards connections sends on.
  - This distinguishes a probe that arrived but whose answer was dropped, or whose source address was translated, from
    one that never arrived.
extends_documentation_fragment:
  - fleetnet.docker.attributes.reading
  - fleetnet.docker.engine
  - fleetnet.docker.containers
attributes:
  check_mode:
    details:
      - In check mode, nothing is started or stopped, and there are no arrivals. A task with C(check_mode=false) also
        observes in check mode.
  diff_mode:
    details:
      - This module changes nothing of the host's configuration.
  idempotent:
    details:
      - RV(ignore:changed) is always V(false). The observer is a temporary process that ends by itself, and not part of
        the host's configuration.
options:
  state:
    description:
      - V(started) starts the observer, and returns when it records. A running observer is stopped first, and its
        record is deleted.
      - V(stopped) stops it and returns what it recorded. This does not query the engine.
    type: str
    choices: [started, stopped]
    required: true
  listen:
    description:
      - Ports to listen on while the observer runs, in the network namespace that has the address. Probes to a port
        without a server then get an answer. The observer accepts and closes TCP connections, and sends UDP datagrams
        back.
      - A port on which the container itself listens is not used.
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
      - The number of seconds after which the observer ends by itself.
    type: int
    default: 120
notes:
  - Requires root, on the host on which the engine runs.
  - Containers that start after the observer are not observed. Containers in network mode V(host) are never observed,
    because a packet socket receives probes there before the host's firewall filters them.
  - A host has at most one observer. Its state is in C(/run/fleetnet).
  - If the host ends a user's processes with the session (C(KillUserProcesses=yes) of systemd-logind), the observer ends
    with it, and RV(complete) is V(false).
seealso:
  - module: fleetnet.docker.reachability_info
"""

EXAMPLES = r"""
- name: Start the observer
  fleetnet.docker.probe_observer:
    state: started

- name: Send a probe
  fleetnet.docker.reachability_info:
    probes:
      - {source: web1, destination: 10.77.65.10, protocol: tcp, port: 5432, token: 7}

- name: Stop the observer and get the arrivals
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
changed:
  description: Always V(false). The module changes nothing on the host.
  returned: success
  type: bool
  choices: [false]
observed:
  description: The names of the observed containers. Of containers that share a namespace, only the owner.
  returned: if O(state=started)
  type: list
  elements: str
  sample: [db1, web1]
pid:
  description: The observer's process ID. V(none) in check mode.
  returned: if O(state=started)
  type: int
arrivals:
  description: The probes that arrived, each once.
  returned: if O(state=stopped)
  type: list
  elements: dict
  contains:
    container:
      description: The container at which the probe arrived.
      returned: success
      type: str
    protocol:
      description: V(icmp), V(tcp) or V(udp).
      returned: success
      type: str
    source:
      description: The source address, as the container sees it.
      returned: success
      type: str
    destination:
      description: The destination address, as the container sees it.
      returned: success
      type: str
    port:
      description: The destination port. V(none) for ICMP.
      returned: success
      type: int
    source_port:
      description: The source port. V(none) for ICMP.
      returned: success
      type: int
    token:
      description:
        - The probe's number.
        - For TCP it is derived from the source port, and V(none) if NAT changed that to a port that no probe has. Data
          contains it.
      returned: success
      type: int
complete:
  description: Whether the observer ran without interruption. If V(false), a missing probe may have arrived.
  returned: if O(state=stopped)
  type: bool
overflowed:
  description:
    - The containers that received more probes than the observer records, for example because another container
      floods them. A missing probe may have arrived there. Of other containers no probe is missing.
  returned: if O(state=stopped)
  type: list
  elements: str
"""

import dataclasses
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import InvalidValue
from ansible_collections.fleetnet.docker.plugins.module_utils._host.engine.connection import (
    connect,
    engine_argument_spec,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.module import invoked, run_module
from ansible_collections.fleetnet.docker.plugins.module_utils._host.netns.containers import OPTIONS, ContainerNamespaces
from ansible_collections.fleetnet.docker.plugins.module_utils._host.probes.observer import Observer
from ansible_collections.fleetnet.docker.plugins.module_utils._host.task import Task


def start(module: AnsibleModule) -> dict[str, t.Any]:
    lifetime = module.params["lifetime"]
    if lifetime < 1:
        raise InvalidValue("lifetime", lifetime, "must be at least 1 second")
    ports = [(each["address"], each["protocol"], each["port"]) for each in module.params["listen"]]
    containers = ContainerNamespaces(Task.of(module, connect).engine, module.params["containers"]).observable()
    pid = None if module.check_mode else Observer().start(containers, lifetime, ports)
    invocation = invoked(module.params, containers="as given")
    return {"changed": False, "pid": pid, "observed": sorted(containers), "invocation": invocation}


def stop(module: AnsibleModule) -> dict[str, t.Any]:
    if module.check_mode:
        return {"changed": False, "arrivals": [], "complete": False, "overflowed": []}
    record = Observer().stop()
    if not record.complete:
        module.warn(
            "the probe observer is no longer running on this host: its lifetime is over, or its process was killed"
        )
    return {"changed": False, **dataclasses.asdict(record)}


def observe(module: AnsibleModule) -> dict[str, t.Any]:
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
    run_module(observe, needs_root=True, argument_spec=dict(engine_argument_spec(), **OPTIONS, **options))


if __name__ == "__main__":
    main()
