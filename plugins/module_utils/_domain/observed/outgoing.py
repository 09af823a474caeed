# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What rules let out of networks, and which subnets they give the host's address. Pure."""

from __future__ import annotations

import ipaddress
import re
import typing as t

# As iptables -S and nft print it.
_RULE = re.compile(r"(?:-s|\bip6? saddr) ([0-9a-fA-F.:]+/\d+)\b.*\b(?:MASQUERADE|masquerade|SNAT|snat to (?!ip6? ))")

_DROPS = "-P FORWARD DROP"
_JUMP = re.compile(r"-A (\S+) -j (\S+)$")
_ACCEPTS = re.compile(r"-A (\S+) -i (\S+)(?: ! -o \2)? -j ACCEPT$")


def masqueraded(rules: t.Iterable[str]) -> list[str]:
    """The subnets of rules like ``-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE``, each once."""
    found: dict[str, None] = {}
    for rule in rules:
        match = _RULE.search(rule)
        if match is not None and _is_block(match[1]):
            found[match[1]] = None
    return list(found)


def _is_block(text: str) -> bool:
    try:
        ipaddress.ip_network(text)
    except ValueError:
        return False
    return True


def forwarded(rules: t.Sequence[str]) -> list[str] | None:
    """The interfaces of ``iptables -S`` from which the chain FORWARD accepts packets to others, sorted.

    None if it accepts packets that no rule drops. Only rules without other conditions count, such as those of Docker:
    ``-A DOCKER-FORWARD -i docker0 ! -o docker0 -j ACCEPT``.
    """
    if _DROPS not in rules:
        return None
    chains = {rule.split()[1] for rule in rules if rule.startswith("-N ")}
    reached, found = ["FORWARD"], set()
    for chain in reached:  # grows
        for rule in rules:
            jump = _JUMP.match(rule)
            if jump is not None and jump[1] == chain:
                if jump[2] == "ACCEPT":
                    return None
                reached += [jump[2]] if jump[2] in chains and jump[2] not in reached else []
            accepts = _ACCEPTS.match(rule)
            if accepts is not None and accepts[1] == chain:
                found.add(accepts[2])
    return sorted(found)
