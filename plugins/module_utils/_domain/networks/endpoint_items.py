# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Parse the items of the module ``network_endpoint`` to :class:`EndpointItem` records."""

from __future__ import annotations

import dataclasses
import ipaddress
import re
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.addressing import format_address
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import InvalidValue
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.fields import Fields
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.interface_name import interface_name_problem
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
    """One endpoint as declared. None means that the item does not set the option."""

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
        """The option's path in errors."""
        return f"{self.path}.{option}"


def parse_endpoints(raw: t.Any, variable: str = "networks") -> tuple[EndpointItem, ...]:
    """Parse all items. Raises InvalidValue if one is invalid, or if two name one network."""
    if isinstance(raw, (str, bytes, t.Mapping)) or not isinstance(raw, t.Sequence):
        raise InvalidValue(variable, raw, "must be a list of networks.")
    items = tuple(_parse(entry, f"{variable}[{index}]") for index, entry in enumerate(raw))
    first: dict[str, EndpointItem] = {}
    for item in items:
        if item.network in first:
            reason = f"is a duplicate of {first[item.network].path}. Remove one of them."
            raise InvalidValue(item.where("name"), item.network, reason)
        first[item.network] = item
    return items


def _parse(raw: t.Any, path: str) -> EndpointItem:
    name = raw.get("name") if isinstance(raw, t.Mapping) else None
    fields = Fields(raw, f"{path} ({name})" if isinstance(name, str) and name else path, ENDPOINT_OPTIONS)
    network = fields.text("name")
    return EndpointItem(
        path=fields.path,
        network=network,
        ipv4=_address(fields, "ipv4_address", 4),
        ipv6=_address(fields, "ipv6_address", 6),
        aliases=fields.texts("aliases"),
        links=_links(fields),
        mac=_mac(fields),
        driver_opts=_driver_opts(fields),
        gw_priority=fields.integer("gw_priority", None, -(2**31), 2**31 - 1),
    )


def _address(fields: Fields, option: str, version: int) -> IPAddress | None:
    address = fields.address(option, None)
    if address is None:
        return None
    if address[0] != version:
        raise fields.fail(option, f"is not an IPv{version} address.")
    return ipaddress.ip_address(format_address(*address))


def _links(fields: Fields) -> tuple[str, ...] | None:
    links: tuple[str, ...] | None = fields.texts("links")
    if links is None:
        return None
    # Docker reads "container" as "container:container".
    return tuple(link if ":" in link else f"{link}:{link}" for link in links)


def _mac(fields: Fields) -> str | None:
    mac: str | None = fields.text("mac_address", None)
    if mac is None:
        return None
    mac = mac.lower().replace("-", ":")
    if not _MAC.match(mac) or int(mac[:2], 16) & 1:
        raise fields.fail("mac_address", "is not a valid unicast MAC address, for example 02:42:0a:40:01:02.")
    return mac


def _driver_opts(fields: Fields) -> Pairs | None:
    given: Pairs | None = fields.pairs("driver_opts")
    name = fields.text("interface_name", None)
    if name is None:
        return given
    fields.check("interface_name", interface_name_problem(name))
    options = dict(given or ())
    if options.get(INTERFACE_NAME, name) != name:
        raise fields.fail("interface_name", f"contradicts driver_opts.{INTERFACE_NAME}. Remove one of them.")
    return pairs({**options, INTERFACE_NAME: name})
