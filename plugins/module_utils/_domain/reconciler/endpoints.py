# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which addresses containers use at which bridges and ports, from the engine's lists. Pure.

A container on several networks may answer by another network than that of its address: a reply takes the default route.
"""

from __future__ import annotations

import re
import socket
import types
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.filled_sets import (
    BRIDGES,
    ENDPOINTS,
    MACS,
    NO_ELEMENTS,
    PORTS,
    SOURCES,
    TARGETS,
    WITHIN,
    Elements,
    kept_in,
    networks_of,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.published_services import (
    ProxiedPort,
    services_of,
    verdicts,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.interface_name import (
    DOCKER0,
    interface_name_problem,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.reconciler.ports import BridgePort

# IP version -> (family of its table, address family, key of the address in the engine's answers)
_VERSIONS = {
    4: ("ip", socket.AF_INET, "IPAddress"),
    6: ("ip6", socket.AF_INET6, "GlobalIPv6Address"),
}
_GATEWAYS = ("Gateway", "IPv6Gateway")
_ANY = {4: "0.0.0.0", 6: "::"}
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}\Z")

Json = t.Dict[str, t.Any]


class _Bridge(t.NamedTuple):
    name: str
    internal: bool


class _End(t.NamedTuple):
    """An end of a container at a bridge. ``addresses`` by IP version. The first of all ends has the default route.

    ``priority`` is that of the gateway, which the user sets.
    """

    bridge: _Bridge
    mac: str
    addresses: t.Mapping[int, str]
    priority: int


class _Kept(t.NamedTuple):
    """Subnets outside of the supernet, as (first address, bits after the prefix), and the bridges that have them."""

    subnets: t.Sequence[tuple[int, int]]
    bridges: t.Collection[str]

    @classmethod
    def of(cls, version: int, subnets: t.Iterable[str], bridges: t.Collection[str]) -> _Kept:
        bits = 32 if version == 4 else 128
        found = []
        for subnet in subnets:
            address, _separator, length = subnet.partition("/")
            found.append((_number(version, address), bits - int(length)))
        return cls(found, bridges)

    def allows(self, version: int, address: str, bridge: str) -> bool:
        """Whether a container may use its address at this bridge also at others."""
        number = _number(version, address)
        return bridge in self.bridges or all(number >> host != first >> host for first, host in self.subnets)


_NOTHING_KEPT = _Kept((), ())


def endpoint_elements(
    containers: t.Iterable[Json],
    networks: t.Iterable[Json],
    ports: t.Collection[BridgePort] = (),
    kept: t.Mapping[int, _Kept] = types.MappingProxyType({}),
) -> Elements:
    """The elements for running containers, from the engine's lists of containers and networks.

    Packets of an internal network leave by no other network. A container whose port is not in ``ports`` has no elements
    in the bridge table. Docker may give a ``kept`` subnet (by IP version) to an undeclared network, whose containers do
    not use its addresses at other bridges.
    """
    bridges = {each["Id"]: bridge for each in networks for bridge in [_bridge(each)] if bridge is not None}
    found: dict[tuple[str, str], set[str]] = {key: set() for key in NO_ELEMENTS}
    names: dict[tuple[str, str], list[str]] = {}
    for port in ports:
        names.setdefault((port.bridge, port.mac), []).append(port.name)
    for container in containers:
        ends = _ends(container, bridges)
        for end in ends:
            others = [
                other for other in ends if other is not end and not (other.bridge.internal or end.bridge.internal)
            ]
            for version, (family, _af, _key) in _VERSIONS.items():
                found[family, ENDPOINTS] |= {
                    f'"{end.bridge.name}" . {end.mac} . {other.addresses[version]}'
                    for other in others
                    if version in other.addresses
                    and kept.get(version, _NOTHING_KEPT).allows(version, other.addresses[version], other.bridge.name)
                }
            for name in names.get((end.bridge.name, end.mac), ()):
                _add_port(found, name, end.mac, [end, *others])
    return {key: frozenset(elements) for key, elements in found.items()}


def published_ports(containers: t.Iterable[Json], networks: t.Iterable[Json]) -> list[ProxiedPort]:
    """The published ports of running containers."""
    bridges = {each["Id"]: bridge for each in networks for bridge in [_bridge(each)] if bridge is not None}
    found = []
    for container in containers:
        ends = [end for end in _ends(container, bridges) if not end.bridge.internal]
        receivers = {version: tuple(end.bridge.name for end in _receivers(ends, version)) for version in _VERSIONS}
        for port in container.get("Ports") or () if ends else ():
            address = str(port.get("IP") or "")
            for version, (_family, number, _key) in _VERSIONS.items():
                everywhere = address in ("", _ANY[version])
                if port.get("PublicPort") and (everywhere or _is_address(number, address)):
                    where = "" if everywhere else address
                    numbers = int(port["PublicPort"]), receivers[version], int(port["PrivatePort"])
                    found.append(ProxiedPort(version, where, str(port["Type"]), *numbers))
    return found


def _receivers(ends: list[_End], version: int) -> list[_End]:
    """The ends to which the engine may forward a published port. It is certain only by the highest priority.

    An end without an address of this IP version leaves the port to another one that has one.
    """
    first = ends[:1]
    highest = first and all(first[0].priority > each.priority for each in ends[1:])
    has = [version in each.addresses for each in ends]
    return first if highest and (has[0] or not any(has)) else ends


def all_elements(
    containers: t.Sequence[Json],
    networks: t.Sequence[Json],
    ports: t.Collection[BridgePort],
    blocks: t.Mapping[str, str],
) -> Elements:
    """The elements of all sets and maps for these tables (contents by FAMILY NAME)."""
    bridges = _bridges_by_network(networks)
    found = dict(endpoint_elements(containers, networks, ports, _kept(bridges, blocks)))
    published = published_ports(containers, networks)
    for version, (family, _af, _key) in _VERSIONS.items():
        services = [
            each
            for table, block in blocks.items()
            if table.split()[0] == family
            for each in services_of(block, bridges)
        ]
        for name, elements in verdicts(version, services, published).items():
            found[family, name] = elements
        for table, block in blocks.items():
            for name, listed in networks_of(block).items() if table.split()[0] == family else ():
                quoted = [f'"{bridge}"' for network in listed for bridge in bridges.get(network, ())]
                found[family, name] = frozenset(f"{each} . {each}" if name == WITHIN else each for each in quoted)
    return found


def _bridges_by_network(networks: t.Iterable[Json]) -> dict[str, list[str]]:
    """The bridges of networks by name, which several networks may have on engines before 25."""
    found: dict[str, list[str]] = {}
    for network in networks:
        bridge = _bridge(network)
        if bridge is not None:
            found.setdefault(network["Name"], []).append(bridge.name)
    return found


def _kept(bridges: t.Mapping[str, t.Sequence[str]], blocks: t.Mapping[str, str]) -> dict[int, _Kept]:
    """The subnets outside of the supernet that tables list, with the bridges of declared networks and docker0."""
    return {
        version: _Kept.of(
            version,
            kept_in(block),
            {DOCKER0, *(name for network in networks_of(block).get(BRIDGES, ()) for name in bridges.get(network, ()))},
        )
        for version, (family, _af, _key) in _VERSIONS.items()
        for table, block in blocks.items()
        if table.split()[0] == family
    }


def _add_port(found: t.Mapping[tuple[str, str], set[str]], port: str, mac: str, ends: t.Iterable[_End]) -> None:
    found["bridge", PORTS].add(f'"{port}"')
    found["bridge", MACS].add(f'"{port}" . {mac}')
    for end in ends:
        for version, address in end.addresses.items():
            found["bridge", SOURCES[version]].add(f'"{port}" . {mac} . {address}')
            if version == 6:
                found["bridge", TARGETS].add(f'"{port}" . {_number(version, address):#034x}')


def _ends(container: Json, bridges: t.Mapping[str, _Bridge]) -> list[_End]:
    attached = (container.get("NetworkSettings") or {}).get("Networks") or {}
    found = []
    for name, end in attached.items():
        bridge, mac = bridges.get(end.get("NetworkID")), str(end.get("MacAddress") or "").lower()
        if bridge is not None and _MAC.match(mac):
            texts = {version: str(end.get(key) or "") for version, (_family, _af, key) in _VERSIONS.items()}
            addresses = {version: text for version, text in texts.items() if _is_address(_VERSIONS[version][1], text)}
            priority, gateways = int(end.get("GwPriority") or 0), sum(bool(end.get(key)) for key in _GATEWAYS)
            # The order in which engines from 28 on choose the default route. Older ones do not order by all of this.
            order = (-priority, bridge.internal, -gateways, name)
            found.append((order, _End(bridge, mac, addresses, priority)))
    return [end for _order, end in sorted(found, key=lambda each: each[0])]


def _bridge(network: Json) -> _Bridge | None:
    """A network's bridge; None if it has none that a rule can name."""
    if network["Driver"] != "bridge":
        return None
    options = network.get("Options") or {}
    name = str(options.get("com.docker.network.bridge.name") or "")
    if not name:
        name = DOCKER0 if network["Name"] == "bridge" else f"br-{network['Id'][:12]}"
    return _Bridge(name, bool(network["Internal"])) if interface_name_problem(name) is None else None


def _number(version: int, address: str) -> int:
    return int.from_bytes(socket.inet_pton(_VERSIONS[version][1], address), "big")


def _is_address(family: int, text: str) -> bool:
    try:
        socket.inet_pton(family, text)
    except OSError:
        return False
    return True
