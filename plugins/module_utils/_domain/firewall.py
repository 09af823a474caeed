# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The compiler: policy x engine -> rules. Pure; the same bytes for the same input.

Everything of ours is one nftables table, replaced in one transaction. Its forward chain runs before Docker's and drops
what is not declared (a drop is final in every chain); what it allows carries a packet mark, and where the engine's own
chains would drop it nevertheless, an accept for that mark stands in the hook points Docker leaves to its users
(``DOCKER-USER``, ``raw PREROUTING``). Should the table be lost, nothing carries the mark and Docker's isolation is what
remains: it fails closed.

The lookups are keyed by masked addresses (the bits that tell the network), so the table does not grow with the number
of hosts.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.addressing import Prefix, format_address
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration import PolicyLine
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declared_network import DEFAULT_BRIDGE
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import Unsupported
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.policy import Family, Member, Policy

TABLE = "fleetnet"
# One bit that neither Kubernetes (0x4000, 0x8000), Tailscale (0xff0000) nor Cilium (0x0f00) uses.
MARK = 0x2000000
FORWARD_CHAIN = "FLEETNET-FORWARD"
RAW_CHAIN = "FLEETNET-RAW"


@dataclasses.dataclass(frozen=True)
class Engine:
    """What of the engine decides the rules: release, and which firewall it writes (iptables, nftables or none)."""

    version: tuple[int, int, int]
    firewall: str = "iptables"


# dockerd switches forwarding on itself, but not where ip-forward is off, and the nftables backend never does.
_SYSCTL = {4: "net.ipv4.ip_forward = 1\n", 6: "net.ipv6.conf.all.forwarding = 1\n"}


@dataclasses.dataclass(frozen=True)
class Ruleset:
    """What a host has to load; an empty text is no file.

    ``nft`` is for ``nft -f``, ``iptables`` and ``ip6tables`` are for ``iptables-restore --noflush`` and its sister,
    ``sysctl`` is for ``sysctl -p``.
    """

    nft: str
    iptables: str
    ip6tables: str
    sysctl: str


def compile_rules(policy: Policy, own: t.Sequence[Prefix], engine: Engine) -> Ruleset:
    """Compile the policy for one host.

    ``own`` are the subnets of the host's declared networks that are not internal. Unsupported where this engine cannot
    do what the policy asks.
    """
    names_default_bridge = any(DEFAULT_BRIDGE in (*line.sources, *line.targets) for line in policy.lines)
    if names_default_bridge and engine.firewall == "nftables":
        raise Unsupported(
            f"policy names {DEFAULT_BRIDGE}, and an engine with the nftables firewall backend lets nothing be routed "
            "to the default bridge; use user-defined networks, or the iptables backend"
        )
    tables = [
        _Table(family, policy.lines, [subnet for subnet in own if subnet.version == family.version]).text()
        for family in policy.families
    ]
    accepts = {family.version: _iptables(family, engine) for family in policy.families}
    return Ruleset(
        nft="".join(tables),
        iptables=accepts.get(4, ""),
        ip6tables=accepts.get(6, ""),
        sysctl="# Written by fleetnet.docker: hosts of the fleet route between their bridges and to each other.\n"
        + "".join(_SYSCTL[family.version] for family in policy.families),
    )


# --- nftables ---------------------------------------------------------------------------------------------------------


class _Table:
    """The table of one IP version."""

    def __init__(self, family: Family, lines: t.Sequence[PolicyLine], own: t.Sequence[Prefix]) -> None:
        self._family = family
        self._lines = lines
        self._own = own
        self._ip = "ip" if family.version == 4 else "ip6"
        self._pinned = sorted(subnet for member in family.members.values() for subnet in member.subnets)

    def text(self) -> str:
        """What ``nft -f`` takes: the old table goes and the new one comes in one transaction."""
        ip, fleet = self._ip, _set([self._family.supernet, *self._pinned])
        maps, lookups = self._maps()
        inside = f"{ip} saddr {fleet} {ip} daddr {fleet}"
        lines = [
            f"add table {ip} {TABLE}",
            f"delete table {ip} {TABLE}",
            f"table {ip} {TABLE} {{",
            *maps,
            "\tchain forward {",
            "\t\ttype filter hook forward priority filter - 2; policy accept;",
            # Only replies pass because of their flow: what goes forward is judged packet by packet, so that a line that
            # is taken out of the policy ends the flows that it allowed.
            f"\t\t{inside} ct state established ct direction reply goto allowed",
            f"\t\t{inside} ct state related goto allowed",
            f"\t\t{inside} goto between",
            "\t\tct state established,related accept",
            *self._inbound(),
            "\t}",
            "\tchain between {",
            # A source that would not be routed back to where it came from is forged.
            '\t\tct state new fib saddr . iif oif missing counter drop comment "forged source"',
            *self._pinned_rules(),
            *(self._guarded(lookup) for lookup in lookups),
            # br_netfilter shows frames within one bridge to this hook; they are not routed and not ours to judge.
            "\t\tfib daddr . iif oif exists accept",
            '\t\tcounter drop comment "not declared"',
            "\t}",
            "\tchain allowed {",
            f"\t\tmeta mark set meta mark or {MARK:#x} accept",
            "\t}",
            "\tchain postrouting {",
            "\t\ttype nat hook postrouting priority srcnat - 1; policy accept;",
            "\t\tct status dnat return",
            # Binds the flow to its own address, so that a MASQUERADE which Docker inserts later does not apply.
            f"\t\t{inside} snat to {ip} saddr",
            *([f"\t\t{ip} saddr {_set(self._own)} {ip} daddr != {fleet} masquerade"] if self._own else []),
            "\t}",
            "}",
        ]
        return "\n".join(lines) + "\n"

    def _inbound(self) -> list[str]:
        """From outside of the fleet: published ports only, as engines from 28 on do by themselves."""
        if not self._own:
            return []
        return [f'\t\t{self._ip} daddr {_set(self._own)} ct status ! dnat counter drop comment "not published"']

    def _address(self, number: int) -> str:
        return format_address(self._family.version, number)

    def _protocol(self, name: str) -> str:
        return "ipv6-icmp" if name == "icmp" and self._family.version == 6 else name

    def _maps(self) -> tuple[list[str], list[str]]:
        """The verdict maps (definition lines) and the expressions that look them up, most general first."""
        pairs: dict[str, str] = {}
        protocols: dict[str, str] = {}
        services: dict[str, str] = {}
        members = self._family.members
        for name, member in members.items():
            if name != DEFAULT_BRIDGE:
                for pair in self._value_pairs(member, member):
                    pairs.setdefault(pair, name)
        for line in self._lines:
            protocol = self._protocol(line.protocol)
            for source in line.sources:
                for target in line.targets:
                    why = f"{source} -> {target}"
                    for pair in self._value_pairs(members.get(source), members.get(target)):
                        if line.protocol == "any":
                            pairs.setdefault(pair, why)
                        elif not line.ports:
                            protocols.setdefault(f"{pair} . {protocol}", why)
                        for ports in line.ports:
                            services.setdefault(f"{pair} . {protocol} . {_port(ports)}", why)
        ranged = any(low != high for line in self._lines for low, high in line.ports)
        mask = self._address(self._family.mask)
        pair = f"ipv{self._family.version}_addr . ipv{self._family.version}_addr"
        key = f"{self._ip} saddr & {mask} . {self._ip} daddr & {mask}"
        definitions: list[str] = []
        lookups: list[str] = []
        for name, kind, expression, entries in (
            ("pairs", pair, key, pairs),
            ("protocols", f"{pair} . inet_proto", f"{key} . meta l4proto", protocols),
            ("services", f"{pair} . inet_proto . inet_service", f"{key} . meta l4proto . th dport", services),
        ):
            if entries:
                definitions += _map(name, kind, entries, interval=name == "services" and ranged)
                lookups.append(f"{expression} vmap @{name}")
        return definitions, lookups

    def _value_pairs(self, source: Member | None, target: Member | None) -> t.Iterator[str]:
        for first in source.values if source else ():
            for second in target.values if target else ():
                yield f"{self._address(first)} . {self._address(second)}"

    def _guarded(self, lookup: str) -> str:
        """Masked lookups are for addresses of the supernet; without pinned subnets there are no others here."""
        supernet = self._family.supernet
        guard = f"{self._ip} saddr {supernet} {self._ip} daddr {supernet} " if self._pinned else ""
        return f"\t\t{guard}{lookup}"

    def _pinned_rules(self) -> list[str]:
        """One rule a line and pair of networks of which one is pinned; there are few."""
        rules = []
        members = self._family.members
        for name, member in members.items():
            if member.subnets:
                subnets = _set(member.subnets)
                rules.append(f'\t\t{self._ip} saddr {subnets} {self._ip} daddr {subnets} goto allowed comment "{name}"')
        for line in self._lines:
            for source in line.sources:
                for target in line.targets:
                    first, second = members.get(source), members.get(target)
                    if first is None or second is None or not (first.subnets or second.subnets):
                        continue
                    match = f"{self._match(first, 'saddr')} {self._match(second, 'daddr')} {self._service(line)}"
                    rules.append(f'\t\t{match}goto allowed comment "{source} -> {target}"')
        return rules

    def _match(self, member: Member, end: str) -> str:
        field = f"{self._ip} {end}"
        if member.subnets:
            return f"{field} {_set(member.subnets)}"
        values = _braced([self._address(value) for value in member.values])
        return f"{field} {self._family.supernet} {field} & {self._address(self._family.mask)} {values}"

    def _service(self, line: PolicyLine) -> str:
        if line.protocol == "any":
            return ""
        if not line.ports:
            return f"meta l4proto {self._protocol(line.protocol)} "
        return f"{line.protocol} dport {{ {', '.join(_port(ports) for ports in line.ports)} }} "


def _port(ports: tuple[int, int]) -> str:
    return str(ports[0]) if ports[0] == ports[1] else f"{ports[0]}-{ports[1]}"


def _braced(texts: t.Sequence[str]) -> str:
    return texts[0] if len(texts) == 1 else "{ " + ", ".join(texts) + " }"


def _set(prefixes: t.Sequence[Prefix]) -> str:
    return _braced([str(prefix) for prefix in prefixes])


def _map(name: str, kind: str, entries: t.Mapping[str, str], interval: bool) -> list[str]:
    elements = [f'\t\t\t{key} comment "{why}" : goto allowed,' for key, why in sorted(entries.items())]
    return [
        f"\tmap {name} {{",
        f"\t\ttype {kind} : verdict",
        *(["\t\tflags interval"] if interval else []),
        "\t\telements = {",
        *elements,
        "\t\t}",
        "\t}",
    ]


# --- iptables ---------------------------------------------------------------------------------------------------------


def _iptables(family: Family, engine: Engine) -> str:
    """Our chains; the jumps into them (DOCKER-USER, raw PREROUTING) are the business of whoever loads them."""
    if engine.firewall != "iptables":
        return ""
    mark = f"{MARK:#x}/{MARK:#x}"
    lines = [
        "*filter",
        f":{FORWARD_CHAIN} - [0:0]",
        f'-A {FORWARD_CHAIN} -m mark --mark {mark} -m comment --comment "declared, see nft table {TABLE}" -j ACCEPT',
        "COMMIT",
    ]
    # From 28.2 on, raw PREROUTING drops what comes for a container from another link than its bridge, on docker0 and on
    # networks without gateway mode nat-unprotected: such as one of ours that somebody made anew by hand.
    if engine.version >= (28, 2, 0):
        fleet = f"-s {family.supernet} -d {family.supernet}"
        lines += [
            "*raw",
            f":{RAW_CHAIN} - [0:0]",
            f'-A {RAW_CHAIN} {fleet} -m comment --comment "judged by nft table {TABLE}" -j ACCEPT',
            "COMMIT",
        ]
    return "\n".join(lines) + "\n"
