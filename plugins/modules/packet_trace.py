#!/usr/bin/python
# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: packet_trace
short_description: Trace the rules and routes that apply to packets on a host
version_added: 0.1.0
author: The fleetnet maintainers (@fleetnet)
description:
  - Traces the packets of flows on a host while something else sends them. Returns the rules of nftables and iptables
    that each packet matched, with their verdicts, how the kernel routes the packets, and what else may drop them.
  - Role P(fleetnet.docker.docker_network_verify#role) uses it to explain probes whose result differs from the policy.
  - When the trace stops, the module also reads what no trace shows, on the host and in the network namespaces of the
    containers that send the flows. In these it runs programs of the host only.
  - During the trace, the tables C(inet fleetnet_trace) and C(bridge fleetnet_trace) mark the flows, and a transient
    unit C(fleetnet-trace.service) runs. All are removed when the trace stops or its lifetime is over. Packets are not
    changed, dropped or recorded.
extends_documentation_fragment:
  - fleetnet.docker.attributes.reading
  - fleetnet.docker.engine
attributes:
  check_mode:
    details:
      - In check mode, nothing is traced.
  diff_mode:
    details:
      - This module changes nothing of the host's configuration.
  idempotent:
    details:
      - RV(ignore:changed) is always V(false). The trace is temporary and not part of the host's configuration.
options:
  state:
    description:
      - V(started) starts the trace. A running trace is stopped first.
      - V(stopped) stops the trace and returns its results.
    type: str
    choices: [started, stopped]
    required: true
  flows:
    description: The flows to trace, in both directions.
    type: list
    elements: dict
    required: true
    suboptions:
      source:
        description: The source address of the packets, IPv4 or IPv6.
        type: str
        required: true
      destination:
        description: The destination address of the packets.
        type: str
        required: true
  names_of:
    description: Containers that do not resolve names. With O(state=stopped), their network namespaces are read, too.
    type: list
    elements: str
    default: []
  lifetime:
    description: The number of seconds after which the trace ends by itself.
    type: int
    default: 60
notes:
  - Requires root, and nftables and systemd on the host.
seealso:
  - module: fleetnet.docker.reachability_info
"""

EXAMPLES = r"""
- name: Trace the packets from one container to another
  fleetnet.docker.packet_trace:
    state: started
    flows: [{source: 10.64.1.2, destination: 10.64.17.2}]

- name: Send a packet
  fleetnet.docker.reachability_info:
    probes: [{source: web, destination: 10.64.17.2, token: 0}]

- name: Stop the trace and get the rules that applied
  fleetnet.docker.packet_trace:
    state: stopped
    flows: [{source: 10.64.1.2, destination: 10.64.17.2}]
  register: traced
"""

RETURN = r"""
changed:
  description: Always V(false). The module changes nothing on the host.
  returned: success
  type: bool
  choices: [false]
flows:
  description: The flows and their return flows, with the rules and routes that apply to their packets.
  returned: if O(state=stopped)
  type: list
  elements: dict
  contains:
    source:
      description: The source address of the packets.
      returned: success
      type: str
    destination:
      description: The destination address of the packets.
      returned: success
      type: str
    steps:
      description:
        - The rules and policies that the packets matched, with C(table), C(chain), C(rule), C(verdict), C(iif) and
          C(oif).
        - V(none) if no packet of the flow was seen.
      returned: success
      type: list
      elements: dict
      contains:
        table:
          description: The table, with its family.
          returned: success
          type: str
        chain:
          description: The chain.
          returned: success
          type: str
        rule:
          description: The rule. Empty for the policy of the chain.
          returned: success
          type: str
        verdict:
          description: The verdict of nftables, with its target if it has one.
          returned: success
          type: str
        iif:
          description: The interface at which the packet arrived. V(none) without one.
          returned: success
          type: str
        oif:
          description: The interface through which the packet leaves. V(none) without one.
          returned: success
          type: str
    lookup:
      description: How the kernel routes the flow, the output of C(ip route get), or C(error).
      returned: success
      type: dict
checks:
  description: How the kernel of the host differs from the files of this collection.
  returned: if O(state=stopped)
  type: list
  elements: dict
  contains:
    kind:
      description: Kind of the thing that differs, for example V(route) or V(chain).
      type: str
    name:
      description: The thing that differs.
      type: str
    key:
      description: What of it differs.
      type: str
    declared:
      description: The declared value; V(none) for a thing that must be absent.
      type: raw
    observed:
      description: The observed value; V(none) for a thing that is absent.
      type: raw
neighbours:
  description: The host's neighbor table, the output of C(ip -json neigh).
  returned: if O(state=stopped)
  type: list
  elements: dict
state:
  description:
    - What else decides about packets on the host. C(routing_rules) and C(routes) of all tables, C(bridge_ports) with
      C(state) and C(isolated), C(disabled_bridges), which are set down, C(forwarding) by interface, C(connections) with
      the number, the maximum and how many packets connection tracking dropped during the trace, C(queues) with the
      packets that they dropped during the trace, C(frame_chains) of nftables for bridges, devices and ARP and for the
      ICMP by which IPv6 resolves addresses, and C(listeners) with their processes.
  returned: if O(state=stopped)
  type: dict
namespaces:
  description:
    - What decides about packets in the network namespace of each C(container) that sends a flow. C(chains) of
      nftables, C(embedded_dns) for whether the rules of Docker's DNS server exist, C(neighbours), C(queues), and
      C(lookups) with the routes to the destinations.
  returned: if O(state=stopped)
  type: list
  elements: dict
network_info:
  description: Some parts of what M(fleetnet.docker.network_info) returns.
  returned: if O(state=stopped)
  type: dict
"""

import ipaddress
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import InvalidValue
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.trace import (
    Flow,
    TraceStep,
    parse_handles,
    parse_trace,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.engine.connection import (
    connect,
    engine_argument_spec,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.module import run_module
from ansible_collections.fleetnet.docker.plugins.module_utils._host.observe.packet_trace import Incoming, PacketTrace
from ansible_collections.fleetnet.docker.plugins.module_utils._host.observe.path_state import read_namespaces
from ansible_collections.fleetnet.docker.plugins.module_utils._host.observe.survey import survey
from ansible_collections.fleetnet.docker.plugins.module_utils._host.programs.commands import ModuleCommands

PARTS = ("networks", "interfaces", "ports", "links", "forwarding", "firewall")


def parse_flows(items: t.Sequence[dict[str, str]]) -> list[Flow]:
    return [
        Flow(*(_address(f"flows[{position}].{end}", item[end]) for end in ("source", "destination")))
        for position, item in enumerate(items)
    ]


def _address(option: str, text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise InvalidValue(option, text, "is not an IP address") from None


def stop(module: AnsibleModule, trace: PacketTrace, flows: t.Sequence[Flow]) -> dict[str, t.Any]:
    text, rules = trace.stop()
    found = parse_trace(text, parse_handles(rules))
    both = list(dict.fromkeys([*flows, *(Flow(flow.destination, flow.source) for flow in flows)]))
    reported = []
    for flow, lookup in zip(both, trace.lookups({flow: incoming_of(found.get(flow, ())) for flow in both})):
        steps = found.get(flow)
        reported.append(
            {
                "source": flow.source,
                "destination": flow.destination,
                "steps": None if steps is None else [step._asdict() for step in steps],
                "lookup": lookup,
            }
        )
    commands = ModuleCommands(module)
    info = survey(PARTS, commands, connect(module.params))
    return {
        "changed": False,
        "flows": reported,
        "checks": trace.checks(),
        "neighbours": trace.neighbours(),
        "state": trace.state(),
        "namespaces": read_namespaces(
            commands, info["containers"], destinations(info["containers"], both, module.params["names_of"])
        ),
        "network_info": info,
    }


def incoming_of(steps: t.Sequence[TraceStep]) -> Incoming:
    """The incoming interface as IP sees it, and the last mark, by the rules that a packet matched."""
    routed = [step for step in steps if not step.of_frames]
    links = [step.iif for step in routed if step.iif]
    marks = [step.marks for step in routed if step.marks and not step.oif]
    return Incoming(links[0] if links else None, marks[-1] if marks else None)


def destinations(
    containers: t.Sequence[t.Mapping[str, t.Any]], flows: t.Sequence[Flow], names_of: t.Sequence[str]
) -> dict[str, list[str]]:
    """The addresses that each container of this host sends to; none for those that only resolve names."""
    owners = {
        address.partition("/")[0]: container["name"]
        for container in containers
        for attached in container["networks"]
        for address in (attached["ipv4"], attached["ipv6"])
        if address
    }
    found: dict[str, list[str]] = {name: [] for name in names_of}
    for flow in flows:
        if flow.source in owners:
            found.setdefault(owners[flow.source], []).append(flow.destination)
    return found


def trace_packets(module: AnsibleModule) -> dict[str, t.Any]:
    flows = parse_flows(module.params["flows"])
    if module.params["lifetime"] < 1:
        raise InvalidValue("lifetime", module.params["lifetime"], "must be at least 1 second")
    if module.check_mode:
        return {"changed": False}
    trace = PacketTrace(ModuleCommands(module))
    if module.params["state"] == "stopped":
        return stop(module, trace, flows)
    trace.start(flows, module.params["lifetime"])
    return {"changed": False}


def main() -> None:
    ends = {"source": {"type": "str", "required": True}, "destination": {"type": "str", "required": True}}
    options = {
        "state": {"type": "str", "choices": ["started", "stopped"], "required": True},
        "flows": {"type": "list", "elements": "dict", "required": True, "options": ends},
        "lifetime": {"type": "int", "default": 60},
        "names_of": {"type": "list", "elements": "str", "default": []},
    }
    run_module(trace_packets, needs_root=True, argument_spec=dict(engine_argument_spec(), **options))


if __name__ == "__main__":
    main()
