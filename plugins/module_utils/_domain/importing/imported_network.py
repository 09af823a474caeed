# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A network that hosts have, as an item of the declaration. Pure."""

from __future__ import annotations

import dataclasses
import ipaddress
import re
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.addressing import (
    Prefix,
    format_address,
    parse_address,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.constants import BRIDGE_NAME, MTU, OWNER_LABEL
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.network import BRIDGE_PREFIX
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.policy_line import ANY
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.importing.places import (
    PROTOCOLS,
    HostNetwork,
    is_certain,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.differences import KEPT, OPTION_DEFAULTS
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.model import (
    ENABLE_IPV4,
    ENABLE_IPV6,
    Block,
    Definition,
    ObservedNetwork,
    pairs,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.values import canonical_option

#: Keys of an item without which a network can still be adopted, since it keeps what the item does not set.
OPTIONAL = ("aux_addresses", "ip_range", "attachable", "mtu", "bridge_name", "driver_options", "labels")
# Options that are copies of others, or that have keys of their own.
_ELSEWHERE = (ENABLE_IPV4, ENABLE_IPV6, MTU, BRIDGE_NAME)
_FIRST = 1  # the engine's choice for a gateway
_NUMBER = re.compile(r"[0-9]{1,10}\Z")
_OWNER_PREFIX = OWNER_LABEL.rpartition(".")[0] + "."

Item = t.Dict[str, t.Any]


class ImportedLine(t.NamedTuple):
    """A line of the policy, and the containers behind it with their ports."""

    item: Item
    publishers: str


@dataclasses.dataclass(frozen=True)
class ImportedNetwork:
    """A network with the places where it is declared as it is, in the order of the inventory.

    ``without`` are optional keys that are left out.
    """

    name: str
    places: tuple[HostNetwork, ...]
    without: frozenset[str] = frozenset()

    def item(self, hosts: t.Sequence[str]) -> Item:
        """The item of the declaration, in a fleet of these hosts. What differs between places is left out."""
        places = {place.host: place for place in self.places}
        carriers = [host for host in hosts if host in places]
        first = self.places[0]
        item: Item = {"name": self.name}
        if carriers != list(hosts) or len(hosts) == 1:
            item["hosts"] = carriers
        if first.network["driver"] != "bridge":
            item["driver"] = first.network["driver"]
        if len(carriers) == 1 or first.on_the_lan:
            item["subnet"] = _one_or_list(list(map(str, first.subnets)))
            item.update(_inside_pinned(first))
        else:
            item["subnets"] = {host: _one_or_list(list(map(str, places[host].subnets))) for host in carriers}
            item.update(self._inside_each())
        if first.network["internal"]:
            item["internal"] = True
        if all(place.network["attachable"] for place in self.places):
            item["attachable"] = True
        item.update(self._options())
        labels = self._labels()
        if labels:
            item["labels"] = labels
        if first.routed:
            item["local"] = True
        item["adopt"] = True
        return {key: value for key, value in item.items() if key not in self.without}

    def lines(self) -> list[ImportedLine]:
        """The lines of the policy that keep its published ports open to the containers of other hosts.

        A line applies to all hosts of the network. So it has only ports that each of them publishes: no host opens a
        port of another one.
        """
        found = []
        for protocol in PROTOCOLS:
            ports = sorted(port for name, port in self._common_services() if name == protocol)
            if ports:
                who = ", ".join(
                    f"{service.port} {service.container} on {place.host}"
                    for place in self.places
                    for service in place.services
                    if service.protocol == protocol and service.port in ports
                )
                item = {"from": ANY, "to": self.name, "protocol": protocol, "ports": ports}
                found.append(ImportedLine(item, who))
        return found

    def without_lines(self) -> list[HostNetwork]:
        """Its places with the services that have no line, since other hosts of the network do not publish the port."""
        common = self._common_services()
        found = []
        for place in self.places:
            services = tuple(each for each in place.services if each[:2] not in common)
            if services and place.routed:
                found.append(dataclasses.replace(place, services=services))
        return found

    def _common_services(self) -> set[tuple[str, int]]:
        """Protocol and port of what each place publishes."""
        each = [{(service.protocol, service.port) for service in place.services} for place in self.places]
        return set.intersection(*each) if each and self.places[0].routed else set()

    def _inside_each(self) -> Item:
        """Gateway, range and reserved addresses, counted from the first address of each subnet."""
        found: Item = {}
        gateway = next(iter(offsets(self.places[0]).values()), _FIRST)
        if gateway != _FIRST:
            found["gateway"] = gateway
        ranges = [_ranges(place) for place in self.places]
        if ranges[0] and all(each == ranges[0] for each in ranges):
            found["ip_range"] = _one_or_list(ranges[0])
        reserved = [_reserved(place) for place in self.places]
        if reserved[0] and all(each == reserved[0] for each in reserved):
            found["aux_addresses"] = reserved[0]
        return found

    def _options(self) -> Item:
        common = _common([place.network["options"] for place in self.places])
        found: Item = {}
        if _NUMBER.match(str(common.get(MTU))):
            found["mtu"] = int(common[MTU])
        # with such a name, it would be the bridge of another network that declares none
        if common.get(BRIDGE_NAME) and not common[BRIDGE_NAME].startswith(BRIDGE_PREFIX):
            found["bridge_name"] = common[BRIDGE_NAME]
        options = {key: value for key, value in sorted(common.items()) if _is_declared(key, value)}
        if options:
            found["driver_options"] = options
        return found

    def _labels(self) -> dict[str, str]:
        common = _common([place.network["labels"] for place in self.places])
        return {key: value for key, value in sorted(common.items()) if _is_clean(key) and _is_clean(value)}

    @property
    def odd_labels(self) -> list[str]:
        """The labels that are left out since their text may not be the one that the engine has."""
        common = _common([place.network["labels"] for place in self.places])
        return [
            key
            for key, value in sorted(common.items())
            if not key.startswith(_OWNER_PREFIX) and not (_is_clean(key) and _is_clean(value))
        ]


def shape(place: HostNetwork) -> tuple[t.Any, ...]:
    """What places of one network must have in common, since the declaration has one value for all hosts."""
    network = place.network
    versions = tuple(subnet.version for subnet in place.subnets)
    base = (network["driver"], bool(network["internal"]), versions)
    if place.on_the_lan:
        blocks = tuple((each["subnet"], each["gateway"], each["ip_range"]) for each in network["subnets"])
        return (*base, blocks, tuple(sorted(network["options"].items())))
    return (*base, tuple(sorted(set(offsets(place).values()))))


def offsets(place: HostNetwork) -> dict[int, int]:
    """The numbers of the gateways' addresses in the subnets by IP version; from the end if they are nearer to it."""
    found = {}
    for subnet, block in _blocks(place):
        if block["gateway"] is not None:
            found[subnet.version] = _offset(subnet, block["gateway"])
    return found


def observed_network(place: HostNetwork) -> ObservedNetwork:
    """The network as the code that compares networks takes it."""
    network = place.network
    blocks = tuple(
        Block(
            ipaddress.ip_network(block["subnet"], strict=False),
            None if block["ip_range"] is None else ipaddress.ip_network(block["ip_range"], strict=False),
            None if block["gateway"] is None else ipaddress.ip_address(block["gateway"]),
            tuple(sorted((name, ipaddress.ip_address(each)) for name, each in block["aux_addresses"].items())) or None,
        )
        for block in network["subnets"]
    )
    definition = Definition(
        name=place.name,
        driver=network["driver"],
        driver_options=pairs(network["options"]),
        blocks=blocks,
        enable_ipv4=any(subnet.version == 4 for subnet in place.subnets),
        enable_ipv6=network["ipv6"],
        internal=network["internal"],
        attachable=network["attachable"],
        scope=network["scope"],
        labels=pairs(network["labels"]),
    )
    return ObservedNetwork(str(network["id"]), definition)


def addresses_in_use(place: HostNetwork) -> int:
    """The addresses that a subnet of the network must have: those of containers, the gateway's and reserved ones."""
    reserved = sum(len(block["aux_addresses"]) for block in place.network["subnets"])
    return max(len(place.containers) + reserved + 1, abs(offsets(place).get(4, 0)))


def moved(place: HostNetwork, to: t.Mapping[int, Prefix]) -> HostNetwork:
    """The network with another subnet of each IP version. Gateway, range and reserved addresses keep their numbers.

    Ranges and reserved addresses that are not in the new subnet are left out.
    """
    blocks = []
    for old, block in _blocks(place):
        new = to[old.version]
        found: Item = {"subnet": str(new), "gateway": None, "ip_range": None, "aux_addresses": {}}
        if block["gateway"] is not None:
            number = _offset(old, block["gateway"])
            found["gateway"] = new.host(number if abs(number) < new.size else _FIRST)
        if block["ip_range"] is not None:
            inside = Prefix.holding(block["ip_range"])
            if inside.last - old.address < new.size and inside.length > new.length:
                found["ip_range"] = str(new.at(inside.address - old.address, inside.length))
        for name, address in block["aux_addresses"].items():
            if _is_ip(address) and old.has(parse_address(address)[1]) and abs(_offset(old, address)) < new.size:
                found["aux_addresses"][name] = new.host(_offset(old, address))
        blocks.append(found)
    return dataclasses.replace(place, network={**place.network, "subnets": blocks})


def _offset(subnet: Prefix, address: str) -> int:
    number = parse_address(address)[1] - subnet.address
    return number if number < subnet.size // 2 else number - subnet.size


def _blocks(place: HostNetwork) -> list[tuple[Prefix, t.Mapping[str, t.Any]]]:
    found = [(Prefix.parse(block["subnet"]), block) for block in place.network["subnets"] if block["subnet"]]
    return sorted(found, key=lambda pair: pair[0])


def _inside_pinned(place: HostNetwork) -> Item:
    """Gateway, range and reserved addresses of a pinned network, as they are."""
    found: Item = {}
    first = place.network["driver"] == "bridge"
    gateways = [
        block["gateway"]
        for subnet, block in _blocks(place)
        if block["gateway"] is not None and not (first and _offset(subnet, block["gateway"]) == _FIRST)
    ]
    ranges = [block["ip_range"] for _subnet, block in _blocks(place) if block["ip_range"] is not None]
    reserved: dict[str, t.Any] = {}
    for _subnet, block in _blocks(place):
        for name, address in block["aux_addresses"].items():
            if _is_clean(name) and _is_ip(address):
                reserved.setdefault(name, []).append(address)
    if gateways:
        found["gateway"] = _one_or_list(gateways)
    if ranges:
        found["ip_range"] = _one_or_list([str(ipaddress.ip_network(each, strict=False)) for each in ranges])
    if reserved:
        found["aux_addresses"] = {name: _one_or_list(each) for name, each in sorted(reserved.items())}
    return found


def _ranges(place: HostNetwork) -> list[str]:
    found = []
    for subnet, block in _blocks(place):
        if block["ip_range"] is not None:
            inside = Prefix.holding(block["ip_range"])
            found.append(f"{format_address(subnet.version, inside.address - subnet.address)}/{inside.length}")
    return found


def _reserved(place: HostNetwork) -> dict[str, int]:
    """Reserved addresses as numbers in the subnets; none that is another number in each IP version."""
    found: dict[str, set[int]] = {}
    for subnet, block in _blocks(place):
        for name, address in block["aux_addresses"].items():
            if _is_clean(name) and _is_ip(address) and subnet.has(parse_address(address)[1]):
                found.setdefault(name, set()).add(_offset(subnet, address))
    return {name: numbers.pop() for name, numbers in sorted(found.items()) if len(numbers) == 1}


def _is_declared(key: str, value: str) -> bool:
    """Whether an option is declared. Defaults are not, and what adopted networks keep is not."""
    current = canonical_option(key, value)
    return key not in _ELSEWHERE and current not in (OPTION_DEFAULTS.get(key), *KEPT.get(key, ()))


def _is_clean(text: t.Any) -> bool:
    """Whether a text is certainly that of the engine, no template, and no mark of this collection."""
    return is_certain(text) and not text.startswith(_OWNER_PREFIX)


def _is_ip(text: t.Any) -> bool:
    try:
        parse_address(text)
    except ValueError:
        return False
    return True


def _common(mappings: t.Sequence[t.Mapping[str, t.Any]]) -> dict[str, t.Any]:
    return {key: value for key, value in mappings[0].items() if all(each.get(key) == value for each in mappings)}


def _one_or_list(values: list[t.Any]) -> t.Any:
    return values[0] if len(values) == 1 else values
