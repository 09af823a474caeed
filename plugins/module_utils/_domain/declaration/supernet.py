# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which blocks can be a fleet's supernet."""

from __future__ import annotations

import ipaddress

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.addressing import Prefix
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.keys import PREFIX
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.values import unusable_space

PUBLIC = PREFIX + "public_supernet"
_EXAMPLE = {4: "10.64.0.0/12 or 172.16.0.0/12", 6: "fd00:64::/48"}
# Single networks can have these addresses on some engines, but a fleet cannot route them.
_UNROUTED = (
    (
        Prefix.parse("169.254.0.0/16"),
        "link-local addresses, among them the metadata service of clouds (169.254.169.254)",
    ),
    (Prefix.parse("240.0.0.0/4"), "reserved addresses, which many systems drop"),
)
# Private, shared, benchmark and documentation addresses (RFC 1918, 6598, 2544, 5737).
_NOT_PUBLIC = tuple(
    Prefix.parse(text)
    for text in (
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",
        "198.18.0.0/15",
        "192.0.2.0/24",
        "198.51.100.0/24",
        "203.0.113.0/24",
    )
)
_UNIQUE_LOCAL = Prefix.parse("fc00::/7")


def is_public(block: Prefix) -> bool:
    """Whether a block contains public IPv4 addresses, or global IPv6 ones."""
    if block.version == 6:
        return not _UNIQUE_LOCAL.contains(block)
    return not any(private.contains(block) for private in _NOT_PUBLIC)


def supernet_problem(supernet: Prefix, public: bool) -> str | None:
    """Why a fleet cannot have this supernet; None if it can. ``public`` is the consent to public IPv4 addresses.

    Global IPv6 addresses require no consent: networks usually have them.
    """
    example = _EXAMPLE[supernet.version]
    found = unusable_space(ipaddress.ip_network(str(supernet)))
    for block, what in _UNROUTED:
        if found is None and block.overlaps(supernet):
            found = what
    if found is not None:
        return f"contains {found}. Use a private block, for example {example}."
    if supernet.version == 4 and not public and is_public(supernet):
        return (
            "contains public addresses, and containers could not reach their owners. Use a private block, for example "
            f"{example}. If the addresses are yours, set {PUBLIC} to true."
        )
    return None
