# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses that containers on several networks use on the bridge of another of their networks. Pure.

A reply may leave by the network that holds the container's default route. The policy's table drops packets with a
source that does not belong to their bridge, unless the pair of MAC address and source is in its set.
"""

from __future__ import annotations

import re
import socket
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.interface_name import (
    DOCKER0,
    interface_name_problem,
)

# The name of the set, in the tables of both IP versions.
ENDPOINTS = "endpoints"
# IP version -> (type of its addresses in nft, address family, key of the address in the engine's answers)
_VERSIONS = {
    4: ("ipv4_addr", socket.AF_INET, "IPAddress"),
    6: ("ipv6_addr", socket.AF_INET6, "GlobalIPv6Address"),
}
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}\Z")

Json = t.Dict[str, t.Any]
# IP version -> elements of the set: bridge, MAC address, source.
Elements = t.Mapping[int, t.FrozenSet[str]]

NO_ELEMENTS: Elements = {4: frozenset(), 6: frozenset()}


def endpoints_set(version: int) -> list[str]:
    """The definition of the set in a table."""
    return [f"\tset {ENDPOINTS} {{", f"\t\ttype ifname . ether_addr . {_VERSIONS[version][0]}", "\t}"]


def endpoints_rule(version: int) -> str:
    """The rule that accepts what the set contains."""
    return f"iifname . ether saddr . {'ip' if version == 4 else 'ip6'} saddr @{ENDPOINTS} accept"


def endpoint_elements(containers: t.Iterable[Json], networks: t.Iterable[Json]) -> Elements:
    """The elements for running containers, from the engine's lists of containers and networks.

    Only bridge networks that are not internal count: no other bridge carries packets of an internal network.
    """
    bridges = {each["Id"]: _bridge(each) for each in networks if each["Driver"] == "bridge" and not each["Internal"]}
    found: dict[int, set[str]] = {4: set(), 6: set()}
    for container in containers:
        attached = (container.get("NetworkSettings") or {}).get("Networks") or {}
        ends = [end for end in attached.values() if bridges.get(end.get("NetworkID"))]
        for end in ends:
            bridge, mac = bridges[end["NetworkID"]], str(end.get("MacAddress") or "").lower()
            if not _MAC.match(mac):
                continue
            for version, (_type, family, key) in _VERSIONS.items():
                others = {str(other.get(key) or "") for other in ends if other is not end}
                found[version] |= {f'"{bridge}" . {mac} . {each}' for each in others if _is_address(family, each)}
    return {version: frozenset(elements) for version, elements in found.items()}


def elements_text(table: str, version: int, elements: Elements) -> str:
    """The commands that replace the elements of the set in a table (FAMILY NAME)."""
    text = f"flush set {table} {ENDPOINTS}\n"
    if elements[version]:
        text += f"add element {table} {ENDPOINTS} {{ {', '.join(sorted(elements[version]))} }}\n"
    return text


def _bridge(network: Json) -> str | None:
    """The name of a network's bridge; None if it is not one that a rule can name."""
    options = network.get("Options") or {}
    name = str(options.get("com.docker.network.bridge.name") or "")
    if not name:
        name = DOCKER0 if network["Name"] == "bridge" else f"br-{network['Id'][:12]}"
    return name if interface_name_problem(name) is None else None


def _is_address(family: int, text: str) -> bool:
    try:
        socket.inet_pton(family, text)
    except OSError:
        return False
    return True
