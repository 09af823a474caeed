# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parse ``nft monitor trace``: the rules that packets matched and their verdicts, by flow. Pure.

The rules of iptables-nft are included: the kernel stores them in tables of nftables (``ip filter``, ``ip raw``).
"""

from __future__ import annotations

import re
import typing as t

# The tables that mark packets for tracing; their steps are ignored. Without the second, rules that drop frames before
# the rules of IP are not traced.
TRACE_TABLES = ("inet fleetnet_trace", "bridge fleetnet_trace")

_LINE = re.compile(r"trace id (\w+) (\w+ \S+) (\S+) (packet:|rule|unknown rule handle|policy|verdict) ?(.*)")
_VERDICT = re.compile(r"(.*?) ?\(verdict (.*)\)$")
_ENDS = re.compile(r"\bip6? saddr (\S+) ip6? daddr (\S+)")
_LINKS = {"iif": re.compile(r'\biif "([^"]+)"'), "oif": re.compile(r'\boif "([^"]+)"')}
_MARK = re.compile(r"\bmark set (0x[0-9a-fA-F]+|\d+)(?: |$)")
# Without connection tracking. The kernel shows the packet of such a rule as the rule leaves it.
SETS_SOURCE, SETS_DESTINATION = re.compile(r"\bip6? saddr set "), re.compile(r"\bip6? daddr set ")
_COUNTERS = re.compile(r"counter packets \d+ bytes \d+ ?")


class Flow(t.NamedTuple):
    """Source and destination address of packets."""

    source: str
    destination: str

    @property
    def version(self) -> int:
        """4 or 6."""
        return 6 if ":" in self.source else 4


class TraceStep(t.NamedTuple):
    """A rule or policy that a packet matched. ``verdict`` is nftables', with its target if it has one."""

    table: str
    chain: str
    rule: str
    verdict: str
    iif: str | None
    oif: str | None

    @property
    def drops(self) -> bool:
        return self.verdict.split()[:1] == ["drop"]

    @property
    def accepts(self) -> bool:
        """Whether the verdict is to accept, or to continue in a chain for allowed packets."""
        return self.verdict.split()[:1] in (["accept"], ["goto"])

    @property
    def of_frames(self) -> bool:
        """Whether the rule belongs to a bridge, which does not route the packet."""
        return self.table.startswith("bridge ")

    @property
    def marks(self) -> str | None:
        """The firewall mark that the rule sets, as a number."""
        match = _MARK.search(self.rule)
        return match[1] if match else None

    def place(self) -> dict[str, str]:
        """The step as the values of a cause."""
        return {"table": self.table, "chain": self.chain, "rule": self.rule}


def parse_trace(text: str, handles: t.Mapping[tuple[str, str, str], str]) -> dict[Flow, list[TraceStep]]:
    """Return the steps of each flow in order, of all its packets.

    nft prints only the handle of a rule that was added after the monitor started; ``handles`` has the text of rules by
    table, chain and handle. A flow whose packets matched no rule has an empty list. A rule that sets an address belongs
    to the flow before it.
    """
    flows: dict[str, Flow] = {}
    before: dict[str, Flow] = {}
    links: dict[str, dict[str, str | None]] = {}
    found: dict[Flow, list[TraceStep]] = {}
    for line in text.splitlines():
        match = _LINE.match(line.strip())
        if match is None:
            continue
        number, table, chain, kind, rest = match.groups()
        if kind == "packet:":
            ends = _ENDS.search(rest)
            if ends is not None:
                before[number] = flows.get(number, Flow(*ends.groups()))
                flows[number] = Flow(*ends.groups())
                links[number] = {name: _first(pattern, rest) for name, pattern in _LINKS.items()}
                if not table.startswith("bridge "):  # a bridge may forward the frame, and IP does not see it
                    found.setdefault(flows[number], [])
        elif number in flows and table not in TRACE_TABLES:
            rule, verdict = _rule_and_verdict(kind, rest)
            if kind == "unknown rule handle":
                rule = handles.get((table, chain, rule), f"handle {rule}")
            sets = SETS_SOURCE.search(rule) or SETS_DESTINATION.search(rule)
            flow = before[number] if sets else flows[number]
            found.setdefault(flow, []).append(TraceStep(table, chain, rule, verdict, **links[number]))
    return found


def _rule_and_verdict(kind: str, rest: str) -> tuple[str, str]:
    """Return the rule, empty for a policy, and its verdict."""
    if kind in ("policy", "verdict"):
        return "", rest.strip()
    match = _VERDICT.match(rest)
    rule, verdict = match.groups() if match else (rest, "")
    return without_counters(rule), verdict


def without_counters(rule: str) -> str:
    """The text of a rule without the values of its counter."""
    return _COUNTERS.sub("", rule).strip()


def _first(pattern: t.Pattern[str], text: str) -> str | None:
    match = pattern.search(text)
    return match[1] if match else None


def parse_handles(listing: str) -> dict[tuple[str, str, str], str]:
    """Parse ``nft -a list ruleset``: the text of rules by table, chain and handle."""
    found = {}
    table = chain = ""
    for line in listing.splitlines():
        words = line.split()
        if line.startswith("table "):
            table = f"{words[1]} {words[2]}"
        elif words[:1] == ["chain"]:
            chain = words[1]
        elif " # handle " in line and chain:
            rule, _sign, handle = line.strip().rpartition(" # handle ")
            found[table, chain, handle] = without_counters(rule)
    return found
