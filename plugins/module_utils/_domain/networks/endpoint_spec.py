# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A container's endpoints as declared: from the items as a user writes them, or an error that names what is wrong."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import InvalidValue
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.fields import Fields
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.model import (
    IPAddress,
    Pairs,
    pairs,
)

# Every option of an item with its aliases, named as community.docker.docker_container names them in its `networks`.
ENDPOINT_OPTIONS: dict[str, tuple[str, ...]] = {
    "name": (),
    "ipv4_address": (),
    "ipv6_address": (),
    "aliases": (),
    "links": (),
    "mac_address": (),
    "driver_opts": (),
    "gw_priority": (),
    "interface_name": (),
}
INTERFACE_NAME = "com.docker.network.endpoint.ifname"

_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}\Z")


@dataclasses.dataclass(frozen=True)
class EndpointItem:
    """One endpoint as declared. None means that the item does not give the option."""

    path: str
    network: str
    ipv4: IPAddress | None = None
    ipv6: IPAddress | None = None
    aliases: tuple[str, ...] | None = None
    links: tuple[str, ...] | None = None
    mac: str | None = None
    driver_opts: Pairs | None = None
    gw_priority: int | None = None

    def where(self, option: str) -> str:
        """The option as an error names it."""
        return f"{self.path}.{option}"


def parse_endpoints(raw: t.Any, variable: str = "networks") -> tuple[EndpointItem, ...]:
    """All items, valid each by itself and each for another network."""
    if isinstance(raw, (str, bytes, t.Mapping)) or not isinstance(raw, t.Sequence):
        raise InvalidValue(variable, raw, "has to be a list of networks")
    items = tuple(_parse(entry, f"{variable}[{index}]") for index, entry in enumerate(raw))
    first: dict[str, EndpointItem] = {}
    for item in items:
        if item.network in first:
            raise InvalidValue(item.where("name"), item.network, f"is given twice, first as {first[item.network].path}")
        first[item.network] = item
    return items


def _parse(raw: t.Any, path: str) -> EndpointItem:
    name = raw.get("name") if isinstance(raw, t.Mapping) else None
    fields = Fields(f"{path} ({name})" if isinstance(name, str) and name else path, raw, ENDPOINT_OPTIONS)
    network = fields.text("name")
    if not network:
        raise fields.refuse("name", "every item needs the name of a network")
    return EndpointItem(
        path=fields.path,
        network=network,
        ipv4=_address(fields, "ipv4_address", 4),
        ipv6=_address(fields, "ipv6_address", 6),
        aliases=fields.texts("aliases"),
        links=_links(fields),
        mac=_mac(fields),
        driver_opts=_driver_opts(fields),
        gw_priority=fields.number("gw_priority", -(2**31), 2**31 - 1),
    )


def _address(fields: Fields, option: str, version: int) -> IPAddress | None:
    address = fields.address(option)
    if address is not None and address.version != version:
        raise fields.refuse(option, f"is not an IPv{version} address")
    return address


def _links(fields: Fields) -> tuple[str, ...] | None:
    links = fields.texts("links")
    if links is None:
        return None
    # Docker takes "container" for "container:container".
    return tuple(link if ":" in link else f"{link}:{link}" for link in links)


def _mac(fields: Fields) -> str | None:
    mac = fields.text("mac_address")
    if mac is None:
        return None
    mac = mac.lower().replace("-", ":")
    if not _MAC.match(mac) or int(mac[:2], 16) & 1:
        raise fields.refuse("mac_address", "is no MAC address of one device, as in 02:42:0a:40:01:02")
    return mac


def _driver_opts(fields: Fields) -> Pairs | None:
    given = fields.pairs("driver_opts")
    name = fields.text("interface_name")
    if name is None:
        return given
    if not name or len(name) > 15 or not all(33 <= ord(char) < 127 and char not in "/:" for char in name):
        raise fields.refuse("interface_name", "is no name of a network device of at most 15 characters")
    options = dict(given or ())
    if options.get(INTERFACE_NAME, name) != name:
        raise fields.refuse("interface_name", f"contradicts driver_opts.{INTERFACE_NAME}: keep one")
    return pairs({**options, INTERFACE_NAME: name})
