# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Chains of nftables that no trace covers, and whether they drop a packet. Pure.

These are the chains in containers' network namespaces, and those for frames. Only rules whose conditions are all known
count: others prove nothing about a packet.
"""

from __future__ import annotations

import ipaddress
import re
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.path_state import ChainReport
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.readable import reads
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.trace import without_counters

# What is known about a packet: the possible values by the condition's name as nft prints it, none for a field that the
# packet does not have.
Facts = t.Mapping[str, t.AbstractSet[str]]

_HOOK = re.compile(r'type (\S+) hook (\S+)(?: devices? (?:= )?(?:\{ )?"?([^" ;}]+)"?[^;]*?)? priority ([^;]+);')
_OF_DEVICES, _NETDEV = ("ingress", "egress"), "netdev"
_POLICY = re.compile(r"policy (\w+);")
# Conditions, their names of two words first.
_CONDITIONS = (
    "arp saddr ip", "arp daddr ip", "arp operation", "ether saddr", "ether daddr", "ether type", "ip saddr",
    "ip daddr", "ip protocol", "ip6 saddr", "ip6 daddr", "ip6 nexthdr", "meta l4proto", "meta protocol",
    "meta nfproto", "tcp dport", "tcp sport", "udp dport", "udp sport", "icmp type", "icmpv6 type", "ct state",
    "iifname", "oifname", "iif", "oif",
)  # fmt: skip
_CONDITION = re.compile(
    rf"(?P<name>{'|'.join(_CONDITIONS)}) (?P<negated>!= )?(?P<value>\{{[^}}]*\}}|\"[^\"]*\"|\S+)(?: |$)"
)
# Statements that neither decide nor limit what a rule matches.
_STATEMENT = re.compile(r'(?:counter|log(?: prefix "[^"]*")?|comment "[^"]*")(?: |$)')
_COMMENT = re.compile(r'comment "[^"]*"$')
_DROPS = re.compile(r"(?:drop|reject(?: with .*)?)$")
_ACCEPTS = "accept"
_RETURNS = "return"  # the policy of the base chain decides
# nft prints nothing for a condition of iptables that it does not know, so that two blanks remain.
_INVISIBLE = "  "


class Chain(t.NamedTuple):
    """A base chain: where it is attached, and its rules in order."""

    table: str
    name: str
    hook: str
    device: str | None
    policy: str
    rules: tuple[str, ...]

    @property
    def family(self) -> str:
        """The family; at the hook of a device, a table of inet is like one of netdev."""
        return _NETDEV if self.hook in _OF_DEVICES else self.table.split()[0]

    @classmethod
    def from_data(cls, data: t.Mapping[str, t.Any]) -> Chain:
        """The inverse of :meth:`to_data`."""
        device = None if data["device"] is None else str(data["device"])
        table, name, hook, policy = (str(data[key]) for key in ("table", "name", "hook", "policy"))
        return cls(table, name, hook, device, policy, tuple(str(rule) for rule in data["rules"]))

    def to_data(self) -> ChainReport:
        """Plain data."""
        return {
            "table": self.table,
            "name": self.name,
            "hook": self.hook,
            "device": self.device,
            "policy": self.policy,
            "rules": list(self.rules),
        }


@reads("nft list ruleset")
def parse_chains(listing: str, families: t.Container[str], most: int) -> list[Chain]:
    """Parse ``nft -s list ruleset``: the base chains of ``families`` that filter. Those of devices are of netdev.

    A chain with more than ``most`` rules is left out, because what a part of it does is not known.
    """
    found: list[Chain] = []
    table = name = ""
    header: tuple[str, str | None, str] | None = None
    rules: list[str] = []
    for line in listing.splitlines():
        text = line.strip()
        words = text.split()
        if line.startswith("table "):
            table = f"{words[1]} {words[2]}"
        elif words[:1] == ["chain"]:
            name, header, rules = words[1], None, []
        elif text == "}":
            if header is not None and len(rules) <= most:
                chain = Chain(table, name, header[0], header[1], header[2], tuple(rules))
                found += [chain] if chain.family in families else []
            name, header, rules = "", None, []
        elif name:
            hook = _HOOK.match(text)
            if hook is None:
                rules.append(without_counters(text))
            elif hook[1] == "filter":
                policy = _POLICY.search(text)
                header = hook[2], hook[3], policy[1] if policy else "accept"
    return found


def dropping_rule(chain: Chain, facts: Facts) -> str | None:
    """Return the rule of a chain that drops a packet, empty for its policy; None if none does, or if it is unknown."""
    unknown = False
    for rule in chain.rules:
        matched, verdict = _match(rule, facts)
        if matched is None:
            unknown = True
        elif matched and _DROPS.match(verdict):
            return rule
        elif matched and verdict == _ACCEPTS:
            return None
        elif matched and verdict == _RETURNS:
            break
    return "" if chain.policy == "drop" and not unknown else None


def _match(rule: str, facts: Facts) -> tuple[bool | None, str]:
    """Whether a rule matches, and its verdict; None if one of them is unknown."""
    if _INVISIBLE in rule:
        return None, ""
    rest = rule
    while rest:
        statement = _STATEMENT.match(rest)
        if statement is not None:
            rest = rest[statement.end() :]
            continue
        condition = _CONDITION.match(rest)
        if condition is None:
            break
        known = facts.get(condition["name"])
        matched = _holds(known, condition["value"])
        if matched is None:
            return None, ""
        # A packet of another protocol has no such field, and does not match a negated condition either.
        if matched == bool(condition["negated"]) or not known:
            return False, ""
        rest = rest[condition.end() :]
    verdict = _COMMENT.sub("", rest).strip()
    return (True, verdict) if verdict in ("", _ACCEPTS, _RETURNS) or _DROPS.match(verdict) else (None, "")


def _holds(known: t.AbstractSet[str] | None, text: str) -> bool | None:
    """Whether one of the possible values is among those of a condition; None if that is unknown."""
    if known is None or text.startswith("@"):
        return None
    values = [value.strip().strip('"') for value in text.strip("{} ").split(",")]
    return any(_same(value, wanted) for value in known for wanted in values)


def _same(value: str, wanted: str) -> bool:
    if value == wanted:
        return True
    first, dash, last = wanted.partition("-")
    if dash and value.isdigit() and first.isdigit() and last.isdigit():
        return int(first) <= int(value) <= int(last)
    if wanted.endswith("*"):
        return value.startswith(wanted[:-1])
    try:
        return ipaddress.ip_address(value) in ipaddress.ip_network(wanted, strict=False)
    except ValueError:
        return False
