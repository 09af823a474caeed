# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The subnets whose packets NAT rules give the host's address. Pure."""

from __future__ import annotations

import ipaddress
import re
import typing as t

# As iptables -S and nft print it.
_RULE = re.compile(r"(?:-s|\bip6? saddr) ([0-9a-fA-F.:]+/\d+)\b.*\b(?:MASQUERADE|masquerade|SNAT|snat to (?!ip6? ))")


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
