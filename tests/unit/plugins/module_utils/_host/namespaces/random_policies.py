# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Random declarations, random packets, and what the policy says about them. Pure."""

from __future__ import annotations

import ipaddress
import random
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.policy_line import WORLD, is_block
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.policy import Policy

from . import packets
from .bridges import FLEET, address, compiled

SENDERS = ("web1", "web2", "db1", "lab1", "inner1", "other1", "peer", "peer_web", "peer_db", "world")
TARGETS = ("web1", "db1", "lab1", "inner1", "peer_web", "peer_db", "world", "host")
_FLAGS: tuple[dict[str, t.Any], ...] = (
    {}, {}, {"ingress": "policy"}, {"egress": "policy"}, {"ingress": "policy", "egress": "policy"},
    {"open": True}, {"local": True},
)  # fmt: skip
_ENDS = (
    "web", "db", "lab", "web", "db", "lab", "docker0", "host", "world", "198.51.100.0/24", "198.51.100.1",
    "198.18.0.2", "2001:db8::/32", "172.29.0.0/24", "fd00:29::2",
)  # fmt: skip
_PORTS: tuple[t.Any, ...] = (80, 443, 5432, "5000-5010", [80, "5000-5004"], [443, 5010])
PORTS = (80, 443, 5000, 5005, 5010, 5432, 9999)


class Packet(t.NamedTuple):
    """A packet that opens a flow. ``number`` makes its flow unique; ``port`` is None for a ping."""

    number: int
    version: int
    sender: str
    target: str
    protocol: str
    port: int | None

    @property
    def ends(self) -> tuple[str, str]:
        return address(self.sender, self.version), address(self.target, self.version)

    def data(self, mark: bytes, *, reply: bool = False) -> bytes:
        """The packet, or the answer to it."""
        client, port = 20000 + self.number, self.port or 0
        if reply:
            ends, numbers, flags, kind = self.ends[::-1], (port, client), 18, {4: (0, 0), 6: (129, 0)}
        else:
            ends, numbers, flags, kind = self.ends, (client, port), 2, {4: (8, 0), 6: (128, 0)}
        if self.protocol == "tcp":
            return packets.tcp(*ends, *numbers, mark, flags)
        if self.protocol == "udp":
            return packets.udp(*ends, *numbers, mark)
        return packets.icmp(*ends, kind[self.version], client << 16 | 1, mark)

    @property
    def answer(self) -> Packet:
        """The flow that an answer would open if there were no flow."""
        port = None if self.port is None else 20000 + self.number
        return Packet(self.number, self.version, self.target, self.sender, self.protocol, port)


def random_declaration(source: random.Random) -> tuple[dict[str, t.Any], Policy, str]:
    """A declaration that is valid, its policy and the host's rules."""
    while True:
        names = ("web", "db", "lab")
        networks = [{"name": name, **source.choice(_FLAGS), **_random_subnets(source, name)} for name in names]
        lines = [_random_line(source) for _number in range(source.randrange(6))]
        fleet = {**FLEET, "networks": [*networks, {"name": "inner", "internal": True}], "policy": lines}
        try:
            return fleet, *compiled(fleet, adopted=[name for name in names if source.random() < 0.2])
        except FleetnetError:  # for example a line between two ends outside
            continue


def _random_subnets(source: random.Random, name: str) -> dict[str, t.Any]:
    """Mostly none. A network that keeps the subnet of one host has all its subnets in the rules."""
    kept = {"web": ["172.26.0.0/16", "fd00:26::/64"], "db": "172.27.0.0/16", "lab": "fd00:28::/64"}
    return {"subnets": {"h3": kept[name]}} if source.random() < 0.3 else {}


def _random_line(source: random.Random) -> dict[str, t.Any]:
    ends = {end: source.sample(_ENDS, source.choice((1, 1, 2))) for end in ("from", "to")}
    protocol = source.choice(("any", "tcp", "udp", "icmp"))
    ports = {"ports": source.choice(_PORTS)} if protocol in ("tcp", "udp") and source.random() < 0.8 else {}
    return {**ends, "protocol": protocol, **ports}


def random_packet(source: random.Random, number: int) -> Packet:
    """A packet between two ends, of which at least one is a container of this host."""
    while True:
        sender, target = source.choice(SENDERS), source.choice(TARGETS)
        outside = sender in ("peer", "world") or sender.startswith("peer")
        same = sender.rstrip("12") == target.rstrip("12")
        if same or (outside and (target in ("world", "host") or target.startswith("peer"))):
            continue
        if sender == "other1" and target.startswith("peer"):
            continue  # the other host filters it
        protocol = source.choice(("tcp", "udp", "icmp"))
        port = None if protocol == "icmp" else source.choice(PORTS)
        return Packet(number, source.choice((4, 6)), sender, target, protocol, port)


def passes(policy: Policy, packet: Packet) -> bool:
    """Whether the policy allows the flow, by its own answer. Docker's rules let everything pass that it allows."""
    if "inner1" in (packet.sender, packet.target):
        return packet.target == "host"  # an internal network reaches its host only
    ends = packet.ends
    source, target = (policy.network_of(end) for end in ends)
    if packet.target == "host":
        return source is None or policy.allowing(source, "host", packet.protocol, packet.port) is not None
    if source is None and target is None:
        return True
    if source is not None and target is not None:
        return policy.allowing(source, target, packet.protocol, packet.port) is not None
    if target is not None:
        # From outside, only lines with addresses open ports that are not published.
        lines = [line for line in policy.lines if target in line.targets and line.covers(packet.protocol, packet.port)]
        return any(_contains(end, ends[0]) for line in lines for end in line.sources)
    if packet.target == "other1":
        # Docker isolates its networks from each other: only lines with addresses open one that is not declared.
        lines = [line for line in policy.lines if source in line.sources and line.covers(packet.protocol, packet.port)]
        return any(_contains(end, ends[1]) for line in lines for end in line.targets)
    return policy.allowing(source, ends[1], packet.protocol, packet.port) is not None


def _contains(end: str, single: str) -> bool:
    if end == WORLD or not is_block(end):
        return False
    block, found = ipaddress.ip_network(end), ipaddress.ip_address(single)
    return found.version == block.version and found in block
