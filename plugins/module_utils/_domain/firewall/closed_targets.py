# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The chains of the nftables table that filter connections to the remote API of engines. Pure.

They are separate base chains: a drop is final, and the table's other chains still filter what these accept.
"""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.addressing import Prefix, parse_address
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.api_access import HOSTS, ApiAccess
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.policy_line import WORLD
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import InvalidValue
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.nft_text import prefix_set


def parse_controller(address: str | None) -> str | None:
    """The controller's address as it is, None if it is missing. Raises InvalidValue if it is not an address."""
    try:
        parse_address(address or "::")
    except ValueError:
        raise InvalidValue("controller", address, "is not a valid IP address") from None
    return address or None


def api_chains(access: ApiAccess, ip: str, fleet: str, blocks: t.Sequence[Prefix], has_hosts: bool) -> list[str]:
    """The lines of the chains of one IP version: ``ip`` or ``ip6``.

    ``fleet`` are the addresses of the fleet's containers, as an nftables expression, ``blocks`` the sources that are
    addresses. ``has_hosts`` is whether the table has the set of the hosts' addresses.
    """
    service = f"tcp dport {access.port}"
    lines = [
        "\tchain remote_api {",
        "\t\tct direction reply accept",
        # On its own host with its own address, on other hosts with the first address of its network.
        f'\t\t{ip} saddr {fleet} counter drop comment "containers -> remote API"',
    ]
    if HOSTS in access.sources and has_hosts:
        # Only to addresses for which hosts do not masquerade the fleet's containers.
        lines.append(f"\t\t{ip} saddr @hosts {ip} daddr @hosts accept")
    if blocks:
        lines.append(f"\t\t{ip} saddr {prefix_set(blocks)} accept")
    if WORLD in access.sources:
        # A link-local address may be that of a container.
        lines.append("\t\tip6 saddr != fe80::/10 accept" if ip == "ip6" else "\t\taccept")
    lines += [
        '\t\tcounter drop comment "not declared: -> remote API"',
        "\t}",
        "\tchain remote_api_input {",
        "\t\ttype filter hook input priority filter - 2; policy accept;",
        f'\t\tiifname != "lo" {service} goto remote_api',
        "\t}",
    ]
    if has_hosts:
        # Packets that this host masquerades have its address on the other host, also those of unmanaged networks.
        lines += [
            "\tchain remote_api_forward {",
            "\t\ttype filter hook forward priority filter - 2; policy accept;",
            f"\t\t{ip} daddr @hosts {service} goto remote_api",
            "\t}",
        ]
    return lines
