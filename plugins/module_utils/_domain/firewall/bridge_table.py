# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The nftables table of bridges, which binds the port of each container to its addresses. Pure.

The tables of the IP versions filter what the host routes. Frames within one bridge do not pass them.
"""

from __future__ import annotations

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.filled_sets import (
    MACS,
    PORTS,
    SOURCES,
    TARGETS,
    set_definitions,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.names import BRIDGE_TABLE


def bridge_table() -> str:
    """The table, as text for ``nft -f``. The reconciler fills its sets. A port that is in none is not filtered."""
    port, forged = "iifname . ether saddr", 'counter drop comment "forged'
    rules = (
        f"iifname != @{PORTS} accept",
        f'{port} != @{MACS} {forged} MAC address"',
        'udp sport { 67, 547 } counter drop comment "DHCP answer"',
        'icmpv6 type { nd-router-advert, nd-redirect } counter drop comment "router"',
        # an address that it claims, in a probe for duplicates
        "arp saddr ip 0.0.0.0 accept",
        f"{port[:7]} . arp saddr ether . arp saddr ip @{SOURCES[4]} accept",
        f"{port} . ip saddr @{SOURCES[4]} accept",
        # fe80::/10
        f'icmpv6 type nd-neighbor-advert @th,64,10 != 0x3fa iifname . @th,64,128 != @{TARGETS} {forged} neighbor"',
        "ip6 saddr { ::, fe80::/10 } accept",
        f"{port} . ip6 saddr @{SOURCES[6]} accept",
        f'{forged} source"',
    )
    lines = [
        f"add table {BRIDGE_TABLE}",
        f"delete table {BRIDGE_TABLE}",
        f"table {BRIDGE_TABLE} {{",
        *set_definitions("bridge"),
        "\tchain prerouting {",
        "\t\ttype filter hook prerouting priority -300; policy accept;",
        *(f"\t\t{rule}" for rule in rules),
        "\t}",
        "}",
    ]
    return "\n".join(lines) + "\n"
