# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The nftables table of one IP version, as text for ``nft -f``. Pure; see compiler.py for the design.

Packets between networks are looked up in verdict maps, keyed by the masked addresses of both ends (the bits that
identify the network). A network that is limited has a chain per direction for packets from and to the outside, which is
also found by one masked lookup.
"""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.addressing import Prefix, format_address
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.policy_line import (
    DEFAULT_BRIDGE,
    HOST,
    WORLD,
    PolicyLine,
    is_block,
    merged,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.binding import (
    ERRORS,
    NEIGHBOR_DISCOVERY,
    Local,
    NetworkBits,
    error_chains,
    input_chain,
    isolation,
    source_chains,
    within_bridges,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.blocks import (
    named_blocks,
    outside_blocks,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.closed_targets import closed_targets
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.egress import postrouting_chain
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.filled_sets import bridges_of
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.kept_subnets import KeptSubnets
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.names import MARK, TABLE
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.nft_text import (
    PortRange,
    braced,
    comment,
    port_range,
    prefix_set,
    verdict_map,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.policy import (
    EGRESS,
    FROM_HOST,
    INGRESS,
    TO_HOST,
    Family,
    NetworkMatch,
    Policy,
    flow_text,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.published_chains import (
    Sources,
    published_chains,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.undeclared import (
    from_undeclared,
    to_undeclared,
)


class Table:
    """The table of one IP version."""

    def __init__(self, policy: Policy, family: Family, local: Local) -> None:
        self._policy = policy
        self._family = family
        self._own = [subnet for subnet in local.subnets if subnet.version == family.version]
        self._local = local
        self._ip = "ip" if family.version == 4 else "ip6"
        self._pinned = family.pinned
        self._fleet = prefix_set([family.supernet, *self._pinned])
        self._own_block = next(filter(None, map(family.host_block_of, self._own)), None)
        self._kept = KeptSubnets(family, self._own, local)

    def text(self) -> str:
        """The input of ``nft -f``, which replaces the table in one transaction."""
        ip, policy, family = self._ip, self._policy, self._family
        maps, lookups = self._maps()
        own_sources = [*filter(None, [self._own_block]), *self._kept.own]
        lines = [
            f"add table {ip} {TABLE}",
            f"delete table {ip} {TABLE}",
            f"table {ip} {TABLE} {{",
            *self._hosts(),
            *maps,
            *self._related(),
            *self._direction_chains(),
            *source_chains(
                ip, self._fleet, self._own_block, self._local, self._kept.definitions(), self._kept.source_rules()
            ),
            *self._forward(),
            *input_chain(family.version, self._fleet, own_sources, self._local.from_all, self._from_bridges()),
            *self._output(),
            "\tchain between {",
            *self._pinned_rules(),
            *(self._guarded(lookup) for lookup in lookups),
            # br_netfilter passes frames within one bridge to this hook. They are not routed and not filtered here.
            "\t\tfib daddr . iif oif exists accept",
            '\t\tcounter drop comment "not declared"',
            "\t}",
            "\tchain allowed {",
            f"\t\tmeta mark set meta mark or {MARK:#x} accept",
            "\t}",
            *published_chains(policy, self._sources(), self._local.by_network, self._local.adoptable),
            *closed_targets(policy, family, self._containers(), self._local.controller, self._match, self._service),
            *postrouting_chain(policy, family, self._own, self._fleet, self._local.sources),
            "}",
        ]
        return "\n".join(lines) + "\n"

    def _containers(self) -> list[str]:
        """Expressions for packets from the fleet's containers, which may have link-local addresses."""
        fleet = f"{self._ip} saddr {self._fleet}"
        return [fleet] if self._family.version == 4 else [fleet, *self._local.from_all]

    def _sources(self) -> Sources:
        """How sources of connections to published ports are matched."""
        ip, version = self._ip, self._family.version
        networks = {name: self._match(member, "saddr") for name, member in self._family.members.items()}
        blocks = {str(block): f"{ip} saddr {block}" for block in named_blocks(self._policy, version)}
        return Sources(version, f"{ip} saddr {self._fleet}", networks, blocks)

    # --- chains at the hooks ------------------------------------------------------------------------------------------

    def _forward(self) -> list[str]:
        """The forward chain. Only replies pass by connection state; other packets are filtered one by one, so that the
        removal of a policy line ends the flows that it allowed."""
        inside = f"{self._ip} saddr {self._fleet} {self._ip} daddr {self._fleet}"
        lines = [
            "\tchain forward {",
            "\t\ttype filter hook forward priority filter - 2; policy accept;",
            *(f"\t\t{rule}" for rule in within_bridges(self._local)),
            *(f"\t\t{rule}" for rule in (*isolation(self._local), *self._kept.target_rules())),
            f"\t\t{inside} ct state established ct direction reply goto allowed",
            "\t\tct state related jump related",
            f"\t\t{inside} goto between",
        ]
        blocks = outside_blocks(self._policy, self._family.version)
        if blocks:
            # A block may be that of an unmanaged network. Docker isolates these, including replies.
            named = prefix_set(blocks)
            for one, other in (("saddr", "daddr"), ("daddr", "saddr")):
                ends = f"{self._ip} {one} {self._fleet} {self._ip} {other} {named}"
                lines.append(f"\t\t{ends} ct state established ct direction reply goto allowed")
        lines.append("\t\tct state established ct direction reply accept")
        lines += [*self._dispatch(EGRESS, "saddr"), *self._dispatch(INGRESS, "daddr")]
        others, bridges = self._local.other_bridges, self._local.by_network.get(DEFAULT_BRIDGE, [])
        lines.append(f"\t\t{self._ip} saddr {self._fleet} {to_undeclared(others)}")
        lines += [f"\t\t{rule}" for rule in from_undeclared(f"{self._ip} daddr {self._fleet}", others, bridges)]
        if self._own:
            # From outside of the fleet only published ports, as with engines from 28 on.
            own = f"{self._ip} daddr {prefix_set(self._own)}"
            lines.append(_unpublished(own))
        docker0 = self._family.members.get(DEFAULT_BRIDGE)
        if docker0 and (self._family.version == 6 or self._local.routed is not None):
            # docker0 has IPv6 addresses because the fleet has. Engines before 27 write no IPv6 rules.
            lines.append(_unpublished(self._match(docker0, "daddr")))
        if routed := [each for each in self._local.routed or () if each.version == self._family.version]:
            # The engine would accept packets to the published ports of their containers from anywhere.
            lines.append(_unpublished(f"{self._ip} daddr {prefix_set(routed)}"))
        return [*lines, "\t}"]

    def _output(self) -> list[str]:
        """The chain from the host itself to its containers; none if no network is limited."""
        dispatch = self._dispatch(FROM_HOST, "daddr")
        if not dispatch:
            return []
        lines = [
            "\tchain output {",
            "\t\ttype filter hook output priority filter - 2; policy accept;",
            "\t\tct state established ct direction reply accept",
            f"\t\tct state related {ERRORS[self._family.version]} accept",
        ]
        if self._family.version == 6:
            lines.append(f"\t\t{NEIGHBOR_DISCOVERY} accept")
        return [*lines, *dispatch, "\t}"]

    def _from_bridges(self) -> list[str]:
        """The rule that sends what a limited network sends to the host to its chain: from any source, also link-local.

        Packets from containers of other hosts were filtered there, as packets to the world.
        """
        entries = sorted(
            f'"{bridge}" : goto {TO_HOST}_{name}'
            for name, _member in self._limited(TO_HOST)
            for bridge in self._local.by_network.get(name, ())
        )
        # Another program may create an adopted network again, which then has another bridge. Until the reconciler has
        # found that, its addresses show the network.
        again = [
            f"\t\t{match} goto {TO_HOST}_{name}"
            for name, _member in self._limited(TO_HOST)
            if name in self._local.adoptable
            for match in (f"iifname @{bridges_of(name)}", *self._from_own(name))
        ]
        return [*([f"\t\tiifname vmap {{ {', '.join(entries)} }}"] if entries else []), *again]

    def _from_own(self, network: str) -> list[str]:
        subnets = (each for each in self._own if self._family.network_of(each.address) == network)
        return [f'iifname != "lo" {self._ip} saddr {subnet}' for subnet in subnets]

    def _related(self) -> list[str]:
        """The chain for packets that are related to a flow."""
        family, members = self._family, self._family.members.values()
        values = tuple(self._address(value) for value in sorted({value for each in members for value in each.values}))
        networks = NetworkBits(family.supernet, self._address(family.mask), values)
        blocks = [
            *(each.subnets for each in members if each.subnets),
            *([block] for block in outside_blocks(self._policy, family.version)),
        ]
        return error_chains(family.version, networks, blocks, self._fleet, self._local)

    # --- between a network and the outside ----------------------------------------------------------------------------

    def _limited(self, direction: str) -> list[tuple[str, NetworkMatch]]:
        limited = self._policy.limited.get(direction, frozenset())
        return [(name, member) for name, member in self._family.members.items() if name in limited]

    def _dispatch(self, direction: str, end: str) -> list[str]:
        """Rules that send a limited network's packets to its chain. ``end`` is the network's end: saddr or daddr."""
        limited = self._limited(direction)
        lines = [
            f"\t\t{self._ip} {end} {prefix_set(member.subnets)} goto {direction}_{name}"
            for name, member in limited
            if member.subnets
        ]
        entries = [
            f"{self._address(value)} : goto {direction}_{name}" for name, member in limited for value in member.values
        ]
        if entries:
            field = f"{self._ip} {end}"
            key = f"{field} & {self._address(self._family.mask)}"
            lines.append(f"\t\t{field} {self._family.supernet} {key} vmap {{ {', '.join(entries)} }}")
        return lines

    def _direction_chains(self) -> list[str]:
        lines: list[str] = []
        for direction in (EGRESS, INGRESS, TO_HOST, FROM_HOST):
            for name, _member in self._limited(direction):
                lines += [
                    f"\tchain {direction}_{name} {{",
                    *self._outside_rules(direction, name),
                    f'\t\tcounter drop comment "{comment(f"not declared: {flow_text(direction, name)}")}"',
                    "\t}",
                ]
        return lines

    def _outside_rules(self, direction: str, network: str) -> list[str]:
        """The rules of lines between a network and the outside, in one direction.

        The world reaches only published ports, which Docker accepts. A block of addresses is also routed to containers.
        It may contain a host's own address, or be in an undeclared network. As a target, the world includes neither.
        """
        coming = direction in (INGRESS, FROM_HOST)
        both = ((line, line.sources, line.targets) for line in self._policy.lines)
        ends = ((line, targets, sources) if coming else (line, sources, targets) for line, sources, targets in both)
        concerned = [(line, others) for line, mine, others in ends if network in mine]
        to_blocks = [self._rule_of_blocks(direction, line, others) for line, others in concerned]
        name = HOST if direction in (TO_HOST, FROM_HOST) else WORLD
        scope = {INGRESS: "ct status dnat ", EGRESS: f"{self._ip} daddr != @hosts " if self._family.hosts else ""}
        to_name = [
            f'\t\t{scope.get(direction, "")}{self._service(line)}accept comment "{comment(f"{line.path}: {line}")}"'
            for line, others in concerned
            if name in others
        ]
        undeclared = [f"\t\t{to_undeclared(self._local.other_bridges)}"] if to_name and direction == EGRESS else []
        return [*filter(None, to_blocks), *undeclared, *to_name]

    def _rule_of_blocks(self, direction: str, line: PolicyLine, others: t.Iterable[str]) -> str | None:
        blocks = [block for block in map(Prefix.parse, filter(is_block, others)) if self._has_version(block)]
        if not blocks:
            return None
        end = "saddr" if direction in (INGRESS, FROM_HOST) else "daddr"
        verdict = "goto allowed" if direction in (INGRESS, EGRESS) else "accept"
        match = f"{self._ip} {end} {prefix_set(sorted(blocks))} {self._service(line)}"
        return f'\t\t{match}{verdict} comment "{comment(f"{line.path}: {line}")}"'

    def _has_version(self, block: Prefix) -> bool:
        return block.version == self._family.version

    # --- between networks ---------------------------------------------------------------------------------------------

    def _address(self, number: int) -> str:
        return format_address(self._family.version, number)

    def _protocol(self, name: str) -> str:
        return "ipv6-icmp" if name == "icmp" and self._family.version == 6 else name

    def _hosts(self) -> list[str]:
        """The set of the hosts' own addresses."""
        if not self._family.hosts:
            return []
        elements = ", ".join(self._address(host) for host in self._family.hosts)
        kind = f"ipv{self._family.version}_addr"
        return ["\tset hosts {", f"\t\ttype {kind}", f"\t\telements = {{ {elements} }}", "\t}"]

    def _maps(self) -> tuple[list[str], list[str]]:
        """The verdict maps (definition lines) and the expressions that look them up, most general first."""
        pairs: dict[str, str] = {}
        protocols: dict[str, str] = {}
        services: dict[str, dict[PortRange, str]] = {}
        members = self._family.members
        for name, member in members.items():
            if self._policy.spans_hosts(name):
                for pair in self._value_pairs(member, member):
                    pairs.setdefault(pair, name)
        for line in self._policy.lines:
            protocol = self._protocol(line.protocol)
            for source in line.sources:
                for target in line.targets:
                    why = f"{source} -> {target}"
                    for pair in self._value_pairs(members.get(source), members.get(target)):
                        if line.protocol == "any":
                            pairs.setdefault(pair, why)
                        elif not line.ports:
                            protocols.setdefault(f"{pair} . {protocol}", why)
                        else:
                            services.setdefault(f"{pair} . {protocol}", {}).update(dict.fromkeys(line.ports, why))
        ports = {
            # Ports that several lines name must occur once.
            f"{key} . {port_range(joined)}": next(iter(ranges.values()))
            for key, ranges in services.items()
            for joined in merged(ranges)
        }
        ranged = any(low != high for ranges in services.values() for low, high in merged(ranges))
        mask = self._address(self._family.mask)
        pair = f"ipv{self._family.version}_addr . ipv{self._family.version}_addr"
        key = f"{self._ip} saddr & {mask} . {self._ip} daddr & {mask}"
        definitions: list[str] = []
        lookups: list[str] = []
        for name, kind, expression, entries in (
            ("pairs", pair, key, pairs),
            ("protocols", f"{pair} . inet_proto", f"{key} . meta l4proto", protocols),
            ("services", f"{pair} . inet_proto . inet_service", f"{key} . meta l4proto . th dport", ports),
        ):
            if entries:
                definitions += verdict_map(name, kind, entries, interval=name == "services" and ranged)
                lookups.append(f"{expression} vmap @{name}")
        return definitions, lookups

    def _value_pairs(self, source: NetworkMatch | None, target: NetworkMatch | None) -> t.Iterator[str]:
        for first in source.values if source else ():
            for second in target.values if target else ():
                yield f"{self._address(first)} . {self._address(second)}"

    def _guarded(self, lookup: str) -> str:
        """Masked lookups are valid for addresses of the supernet. Without pinned subnets, only these occur here."""
        supernet = self._family.supernet
        guard = f"{self._ip} saddr {supernet} {self._ip} daddr {supernet} " if self._pinned else ""
        return f"\t\t{guard}{lookup}"

    def _pinned_rules(self) -> list[str]:
        """One rule per line and pair of networks of which one is pinned. These are few."""
        rules = []
        members = self._family.members
        for name, member in members.items():
            if member.subnets and self._policy.spans_hosts(name):
                subnets = prefix_set(member.subnets)
                rules.append(
                    f'\t\t{self._ip} saddr {subnets} {self._ip} daddr {subnets} goto allowed comment "{comment(name)}"'
                )
        for line in self._policy.lines:
            for source in line.sources:
                for target in line.targets:
                    first, second = members.get(source), members.get(target)
                    if first is None or second is None or not (first.subnets or second.subnets):
                        continue
                    match = f"{self._match(first, 'saddr')} {self._match(second, 'daddr')} {self._service(line)}"
                    rules.append(f'\t\t{match}goto allowed comment "{comment(f"{source} -> {target}")}"')
        return rules

    def _match(self, member: NetworkMatch, end: str) -> str:
        field = f"{self._ip} {end}"
        if member.subnets:
            return f"{field} {prefix_set(member.subnets)}"
        values = braced([self._address(value) for value in member.values])
        return f"{field} {self._family.supernet} {field} & {self._address(self._family.mask)} {values}"

    def _service(self, line: PolicyLine) -> str:
        if line.protocol == "any":
            return ""
        if not line.ports:
            return f"meta l4proto {self._protocol(line.protocol)} "
        return f"{line.protocol} dport {{ {', '.join(port_range(ports) for ports in line.ports)} }} "


def _unpublished(match: str) -> str:
    # Not frames within one bridge, which br_netfilter passes to this hook.
    return f'\t\t{match} ct status ! dnat fib daddr . iif oif missing counter drop comment "not published"'
