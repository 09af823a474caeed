# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The source addresses of packets to the outside, by subnet, for networks that do not use the outgoing interface's."""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.addressing import (
    Prefix,
    format_address,
    parse_address,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.constants import OWN_ADDRESS
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import InvalidValue

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


def source_rules(version: int, own: t.Iterable[Prefix], sources: EgressSources) -> list[tuple[list[Prefix], str]]:
    """Subnets of an IP version with the NAT statement for their packets to the outside."""
    by_statement: dict[str, list[Prefix]] = {}
    for subnet in own:
        source = sources.get(subnet)
        if subnet.version == version and source != OWN_ADDRESS:
            by_statement.setdefault("masquerade" if source is None else f"snat to {source}", []).append(subnet)
    return [(subnets, statement) for statement, subnets in by_statement.items()]
