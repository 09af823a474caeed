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
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration import DEFAULT_BRIDGE, PolicyLine
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import Unsupported
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.policy import Member, Policy

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
SYSCTL = """\
# Written by fleetnet.docker: hosts of the fleet route between their bridges and to each other.
net.ipv4.ip_forward = 1
"""


@dataclasses.dataclass(frozen=True)
class Ruleset:
    """``nft`` is for ``nft -f``, ``iptables`` for ``iptables-restore --noflush`` (empty: nothing to do there)."""

    nft: str
    iptables: str


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
    return Ruleset(_nft(policy, own), _iptables(policy, engine))


# --- nftables ---------------------------------------------------------------------------------------------------------


def _nft(policy: Policy, own: t.Sequence[Prefix]) -> str:
    pinned = sorted(subnet for member in policy.members.values() for subnet in member.subnets)
    fleet = _set([policy.supernet, *pinned])
    maps, lookups = _maps(policy)
    lines = [
        f"add table ip {TABLE}",
        f"delete table ip {TABLE}",
        f"table ip {TABLE} {{",
        *maps,
        "\tchain forward {",
        "\t\ttype filter hook forward priority filter - 2; policy accept;",
        f"\t\tip saddr {fleet} ip daddr {fleet} ct state established,related goto allowed",
        "\t\tct state established,related accept",
        # br_netfilter shows frames within one bridge to this hook; they are not routed and not ours to judge.
        "\t\tfib daddr . iif oif exists accept",
        f"\t\tip saddr {fleet} ip daddr {fleet} goto between",
        *_inbound(own),
        "\t}",
        "\tchain between {",
        # A source that would not be routed back to where it came from is forged.
        '\t\tfib saddr . iif oif missing counter drop comment "forged source"',
        *_pinned_rules(policy),
        *(_guarded(policy, bool(pinned), lookup) for lookup in lookups),
        '\t\tcounter drop comment "not declared"',
        "\t}",
        "\tchain allowed {",
        f"\t\tmeta mark set meta mark or {MARK:#x} accept",
        "\t}",
        "\tchain postrouting {",
        "\t\ttype nat hook postrouting priority srcnat - 1; policy accept;",
        "\t\tct status dnat return",
        # Binds the flow to its own address, so that a MASQUERADE which Docker inserts later does not apply.
        f"\t\tip saddr {fleet} ip daddr {fleet} snat to ip saddr",
        *([f"\t\tip saddr {_set(own)} ip daddr != {fleet} masquerade"] if own else []),
        "\t}",
        "}",
    ]
    return "\n".join(lines) + "\n"


def _inbound(own: t.Sequence[Prefix]) -> list[str]:
    """From outside of the fleet: published ports only, as engines from 28 on do by themselves."""
    if not own:
        return []
    return [f'\t\tip daddr {_set(own)} ct status ! dnat counter drop comment "not published"']


def _set(prefixes: t.Sequence[Prefix]) -> str:
    texts = [str(prefix) for prefix in prefixes]
    return texts[0] if len(texts) == 1 else "{ " + ", ".join(texts) + " }"


def _pair() -> str:
    return "ipv4_addr . ipv4_addr"


def _maps(policy: Policy) -> tuple[list[str], list[str]]:
    """The verdict maps (definition lines) and the rules that look them up, most general first."""
    pairs: dict[str, str] = {}
    protocols: dict[str, str] = {}
    services: dict[str, str] = {}
    ranged = False
    for name, member in policy.members.items():
        if name != DEFAULT_BRIDGE:
            for pair in _value_pairs(member, member):
                pairs.setdefault(pair, name)
    for line in policy.lines:
        for source in line.sources:
            for target in line.targets:
                for pair in _value_pairs(policy.members.get(source), policy.members.get(target)):
                    if line.protocol == "any":
                        pairs.setdefault(pair, f"{source} -> {target}")
                    elif not line.ports:
                        protocols.setdefault(f"{pair} . {line.protocol}", f"{source} -> {target}")
                    for low, high in line.ports:
                        ranged = ranged or low != high
                        port = str(low) if low == high else f"{low}-{high}"
                        services.setdefault(f"{pair} . {line.protocol} . {port}", f"{source} -> {target}")
    mask = format_address(4, policy.mask)
    key = f"ip saddr & {mask} . ip daddr & {mask}"
    definitions: list[str] = []
    lookups: list[str] = []
    for name, kind, expression, entries in (
        ("pairs", _pair(), key, pairs),
        ("protocols", f"{_pair()} . inet_proto", f"{key} . meta l4proto", protocols),
        ("services", f"{_pair()} . inet_proto . inet_service", f"{key} . meta l4proto . th dport", services),
    ):
        if entries:
            definitions += _map(name, kind, entries, interval=name == "services" and ranged)
            lookups.append(f"{expression} vmap @{name}")
    return definitions, lookups


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


def _value_pairs(source: Member | None, target: Member | None) -> t.Iterator[str]:
    for first in source.values if source else ():
        for second in target.values if target else ():
            yield f"{format_address(4, first)} . {format_address(4, second)}"


def _guarded(policy: Policy, pinned: bool, lookup: str) -> str:
    """Masked lookups are for addresses of the supernet; without pinned subnets there are no others here."""
    guard = f"ip saddr {policy.supernet} ip daddr {policy.supernet} " if pinned else ""
    return f"\t\t{guard}{lookup}"


def _pinned_rules(policy: Policy) -> list[str]:
    """One rule a line and pair of networks of which one is pinned; there are few."""
    rules = []
    for name, member in policy.members.items():
        if member.subnets:
            rules.append(
                f'\t\tip saddr {_set(member.subnets)} ip daddr {_set(member.subnets)} goto allowed comment "{name}"'
            )
    for line in policy.lines:
        for source in line.sources:
            for target in line.targets:
                ends = (policy.members.get(source), policy.members.get(target))
                if not all(ends) or not any(end.subnets for end in ends if end):
                    continue
                matches = [
                    _address_match(policy, end, field)
                    for end, field in zip(ends, ("ip saddr", "ip daddr"))  # two and two
                    if end is not None
                ]
                rules.append(
                    f'\t\t{" ".join(matches)} {_service_match(line)}goto allowed comment "{source} -> {target}"'
                )
    return rules


def _address_match(policy: Policy, member: Member, field: str) -> str:
    if member.subnets:
        return f"{field} {_set(member.subnets)}"
    values = [format_address(4, value) for value in member.values]
    chosen = values[0] if len(values) == 1 else "{ " + ", ".join(values) + " }"
    return f"{field} {policy.supernet} {field} & {format_address(4, policy.mask)} {chosen}"


def _service_match(line: PolicyLine) -> str:
    if line.protocol == "any":
        return ""
    if not line.ports:
        return f"meta l4proto {line.protocol} "
    ports = ", ".join(str(low) if low == high else f"{low}-{high}" for low, high in line.ports)
    return f"{line.protocol} dport {{ {ports} }} "


# --- iptables ---------------------------------------------------------------------------------------------------------


def _iptables(policy: Policy, engine: Engine) -> str:
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
        fleet = f"-s {policy.supernet} -d {policy.supernet}"
        lines += [
            "*raw",
            f":{RAW_CHAIN} - [0:0]",
            f'-A {RAW_CHAIN} {fleet} -m comment --comment "judged by nft table {TABLE}" -j ACCEPT',
            "COMMIT",
        ]
    return "\n".join(lines) + "\n"
