# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The chains of the nftables table that close what containers need not reach, wherever they send it from. Pure.

These are the remote API of engines, and the metadata address of clouds.

They are separate base chains: a drop is final, and the table's other chains still filter what these accept.
"""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.addressing import parse_address, single
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.api_access import HOSTS, ApiAccess
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.policy_line import (
    CLOUD_METADATA,
    WORLD,
    PolicyLine,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import InvalidValue
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.nft_text import comment, prefix_set
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.policy import (
    Family,
    NetworkMatch,
    Policy,
)


def parse_controller(address: str | None) -> str | None:
    """The controller's address as it is, None if it is missing. Raises InvalidValue if it is not an address."""
    if not address:
        return None
    try:
        parse_address(address)
    except ValueError:
        raise InvalidValue("controller", address, "is not a valid IP address") from None
    return address


def closed_targets(
    policy: Policy,
    family: Family,
    containers: t.Sequence[str],
    controller: str | None,
    match: t.Callable[[NetworkMatch, str], str],
    service: t.Callable[[PolicyLine], str],
) -> list[str]:
    """The lines of the chains of one IP version.

    ``containers`` are expressions for packets from the fleet's containers, ``controller`` is the address of the Ansible
    controller as the host sees it. ``match`` returns the expression for a network at an end (``saddr``), ``service``
    that for the protocol and ports of a line.
    """
    lines: list[str] = []
    if policy.api_access:
        ip = _ip(family)
        hosts = f"{ip} saddr @hosts {ip} daddr @hosts" if family.hosts else ""
        lines += _api_chains(policy.api_access, family.version, containers, hosts, controller)
        if family.hosts:
            # Packets that this host masquerades have its address on the other host, also those of unmanaged networks.
            lines += [
                "\tchain remote_api_forward {",
                "\t\ttype filter hook forward priority filter - 2; policy accept;",
                f"\t\t{ip} daddr @hosts tcp dport {policy.api_access.port} goto remote_api",
                "\t}",
            ]
    if policy.closes_metadata:
        target = single(*parse_address(CLOUD_METADATA[family.version]))
        accepts = [
            f'{match(family.members[name], "saddr")} {service(line)}accept comment "{comment(line.path)}"'
            for line in policy.lines
            if str(target) in line.targets
            for name in line.sources
            if name in family.members
        ]
        lines += _metadata_chain(f"{_ip(family)} daddr != {target}", accepts)
    return lines


def _ip(family: Family) -> str:
    return "ip" if family.version == 4 else "ip6"


def closed_without_ipv6(policy: Policy, containers: t.Sequence[str], controller: str | None) -> list[str]:
    """The same for IPv6 in a fleet without IPv6. ``containers`` are expressions for packets from them.

    Containers reach their host by link-local addresses in any case.
    """
    lines: list[str] = []
    if policy.api_access:
        lines += _api_chains(policy.api_access, 6, containers, "", controller)
    if policy.closes_metadata:
        target = single(*parse_address(CLOUD_METADATA[6]))
        lines += _metadata_chain(f"ip6 daddr != {target}", [])
    return lines


def _api_chains(
    access: ApiAccess, version: int, containers: t.Sequence[str], hosts: str, controller: str | None
) -> list[str]:
    """``containers`` are expressions for packets from containers, ``hosts`` is one for packets from host to host."""
    ip, blocks = "ip" if version == 4 else "ip6", access.blocks(version, controller)
    service = f"tcp dport {access.port}"
    lines = [
        "\tchain remote_api {",
        "\t\tct direction reply accept",
        # On its own host with its own address, on other hosts with the first address of its network.
        *(f'\t\t{each} counter drop comment "containers -> remote API"' for each in containers),
    ]
    if HOSTS in access.sources and hosts:
        # Only to addresses for which hosts do not masquerade the fleet's containers.
        lines.append(f"\t\t{hosts} accept")
    if blocks:
        lines.append(f"\t\t{ip} saddr {prefix_set(blocks)} accept")
    if WORLD in access.sources:
        lines.append("\t\taccept")
    lines += [
        '\t\tcounter drop comment "not declared: -> remote API"',
        "\t}",
        "\tchain remote_api_input {",
        "\t\ttype filter hook input priority filter - 2; policy accept;",
        f'\t\tiifname != "lo" {service} goto remote_api',
        "\t}",
    ]
    return lines


def _metadata_chain(elsewhere: str, accepts: t.Sequence[str]) -> list[str]:
    """``elsewhere`` matches packets to other addresses, ``accepts`` are rules for packets that a line allows.

    The chain sees packets before NAT and routing, so that it also applies to a server on the host itself.
    """
    return [
        "\tchain cloud_metadata {",
        "\t\ttype filter hook prerouting priority mangle; policy accept;",
        f"\t\t{elsewhere} accept",
        *(f"\t\t{rule}" for rule in accepts),
        # Not the host's own packets, and not frames within a bridge, which br_netfilter passes to this hook.
        '\t\tiifname != "lo" fib daddr . iif oif missing counter drop comment "closed: cloud metadata"',
        "\t}",
    ]
