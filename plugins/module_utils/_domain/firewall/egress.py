# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The source addresses that packets have when they leave the host, and the chain that sets them. Pure.

Networks use the outgoing interface's address for packets to the outside, or another one by subnet.
"""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.addressing import (
    Prefix,
    format_address,
    parse_address,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.constants import OWN_ADDRESS
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import InvalidValue
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.blocks import outside_blocks
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.nft_text import prefix_set
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.policy import Family, Policy

# Subnet -> address of the host, or OWN_ADDRESS.
EgressSources = t.Mapping[Prefix, str]


def parse_egress_sources(variable: str, value: t.Mapping[str, t.Any], own: t.Collection[Prefix]) -> dict[Prefix, str]:
    """Read the sources by subnet; ``own`` are the host's subnets. Raises InvalidValue."""
    by_text = {str(subnet): subnet for subnet in own}
    found = {}
    for text, source in value.items():
        subnet = by_text.get(str(text))
        if subnet is None:
            raise InvalidValue(f"{variable}.{text}", source, "is not for one of the subnets. Remove it.")
        if source != OWN_ADDRESS:
            try:
                version, number = parse_address(str(source))
            except ValueError:
                version, number = 0, 0
            if version != subnet.version:
                raise InvalidValue(
                    f"{variable}.{text}", source, f"must be an IPv{subnet.version} address, or {OWN_ADDRESS!r}."
                )
            source = format_address(version, number)
        found[subnet] = source
    return found


def postrouting_chain(
    policy: Policy, family: Family, own: t.Sequence[Prefix], fleet: str, sources: EgressSources
) -> list[str]:
    """The lines of the chain of one IP version.

    ``own`` are the host's subnets of this version, ``fleet`` is the set of the fleet's addresses, and ``sources`` are
    the sources of packets to the outside.
    """
    version = family.version
    ip = "ip" if version == 4 else "ip6"
    lines = [
        "\tchain postrouting {",
        "\t\ttype nat hook postrouting priority srcnat - 1; policy accept;",
        "\t\tct status dnat return",
        # Binds the flow to its own address, so that a MASQUERADE rule of Docker does not apply.
        f"\t\t{ip} saddr {fleet} {ip} daddr {fleet} snat to {ip} saddr",
    ]
    if family.hosts:
        # A peer may publish ports at its own address. With the source masqueraded, it would take packets of the fleet's
        # containers for packets of the world. The first address of their network identifies the network, and replies to
        # it reach this host. From engine 28 on, Docker drops replies that are routed to a container.
        source = f"{ip} saddr & {format_address(version, family.granule_mask)}"
        lines.append(f"\t\t{ip} saddr {family.supernet} {ip} daddr @hosts snat to {source}")
        lines += [
            f"\t\t{ip} saddr {subnet} {ip} daddr @hosts snat to {format_address(version, subnet.address)}"
            for subnet in own
            if not family.supernet.contains(subnet)
        ]
    blocks = outside_blocks(policy, version, sources_only=True)
    if blocks:
        lines.append(f"\t\t{ip} saddr {prefix_set(blocks)} {ip} daddr {fleet} snat to {ip} saddr")
    for subnets, statement in _source_rules(version, own, sources):
        lines.append(f"\t\t{ip} saddr {prefix_set(subnets)} {ip} daddr != {fleet} {statement}")
    return [*lines, "\t}"]


def _source_rules(version: int, own: t.Iterable[Prefix], sources: EgressSources) -> list[tuple[list[Prefix], str]]:
    """Subnets of an IP version with the NAT statement for their packets to the outside."""
    by_statement: dict[str, list[Prefix]] = {}
    for subnet in own:
        source = sources.get(subnet)
        if subnet.version == version and source != OWN_ADDRESS:
            by_statement.setdefault("masquerade" if source is None else f"snat to {source}", []).append(subnet)
    return [(subnets, statement) for statement, subnets in by_statement.items()]
