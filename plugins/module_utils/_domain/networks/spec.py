# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The declaration: from the items as a user writes them to :class:`Item`, or an error that names what is wrong."""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import InvalidValue
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.checks import check_residents, declared
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.fields import Fields, parse_address
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.model import (
    BRIDGE_NAME,
    DRIVER_OPTION_OF,
    FLAG_OPTIONS,
    PREDEFINED,
    SHORT_NAME_OF,
    Block,
    Definition,
    IPAddress,
    Item,
    Pairs,
    pairs,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.wire import natural_scope

# Every option of an item with its aliases: names and meanings of community.docker.docker_network, then ours.
OPTIONS: dict[str, tuple[str, ...]] = {
    "name": ("network_name",),
    "driver": (),
    "driver_options": (),
    "ipam_driver": (),
    "ipam_driver_options": (),
    "ipam_config": (),
    "enable_ipv4": (),
    "enable_ipv6": (),
    "internal": (),
    "attachable": (),
    "ingress": (),
    "scope": (),
    "labels": (),
    "config_only": (),
    "config_from": (),
    "connected": ("containers",),
    "appends": ("incremental",),
    "mtu": (),
    "bridge_name": (),
    "masquerade": (),
    "gateway_mode_ipv4": (),
    "gateway_mode_ipv6": (),
}
BLOCK_OPTIONS: dict[str, tuple[str, ...]] = {
    "subnet": (),
    "ip_range": ("iprange",),
    "gateway": (),
    "aux_addresses": (),
}
SCOPES = ("local", "global", "swarm")
GATEWAY_MODES = ("nat", "nat-unprotected", "routed", "isolated")

_IN_BLOCK = "belongs into ipam_config, a list of address blocks"
_BESIDE = "is an option of the task, beside networks"
_HINTS = {
    **{option: _IN_BLOCK for name, aliases in BLOCK_OPTIONS.items() for option in (name, *aliases)},
    **dict.fromkeys(("state", "prune", "strict", "on_drift", "allow_disconnect"), _BESIDE),
    "force": "is not needed: see on_drift and allow_disconnect of the task",
}
_GATEWAY_MODE_OPTIONS = (DRIVER_OPTION_OF["gateway_mode_ipv4"], DRIVER_OPTION_OF["gateway_mode_ipv6"])

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*\Z")
_FULL_ID = re.compile(r"[0-9a-f]{64}\Z")
# What the engine takes from the configuration network, and so refuses on a network that names one.
_FROM_CONFIG = ("driver_options", "ipam_driver", "ipam_driver_options", "ipam_config", "enable_ipv6", "labels",
                *DRIVER_OPTION_OF)  # fmt: skip


def parse_items(raw: t.Any, variable: str = "networks") -> tuple[Item, ...]:
    """All items, valid each by itself and with distinct names."""
    if isinstance(raw, (str, bytes, t.Mapping)) or not isinstance(raw, t.Sequence):
        raise InvalidValue(variable, raw, "has to be a list of networks")
    items = tuple(parse_item(entry, f"{variable}[{index}]") for index, entry in enumerate(raw))
    first: dict[str, Item] = {}
    for item in items:
        if item.name in first:
            raise InvalidValue(item.where("name"), item.name, f"is declared twice, first as {first[item.name].path}")
        first[item.name] = item
    check_residents([declared(item, _sketch(item)) for item in items])
    return items


def _sketch(item: Item) -> Definition:
    """The network as far as the item alone tells."""
    driver = item.driver or "bridge"
    return Definition(
        name=item.name,
        driver=driver,
        driver_options=item.driver_options or (),
        ipam_driver=item.ipam_driver or "default",
        blocks=item.blocks or (),
        scope=item.scope or natural_scope(driver),
        config_only=bool(item.config_only),
    )


def parse_item(raw: t.Any, path: str) -> Item:
    name = raw.get("name", raw.get("network_name")) if isinstance(raw, t.Mapping) else None
    named = f"{path} ({name})" if isinstance(name, str) and _NAME.match(name) else path
    fields = Fields(named, raw, OPTIONS, _HINTS)
    name = _name(fields)
    item = Item(
        path=fields.path,
        name=name,
        driver=_driver(fields),
        driver_options=_driver_options(fields),
        ipam_driver=_filled(fields, "ipam_driver"),
        ipam_driver_options=fields.pairs("ipam_driver_options"),
        blocks=_blocks(fields),
        enable_ipv4=fields.flag("enable_ipv4"),
        enable_ipv6=fields.flag("enable_ipv6"),
        internal=fields.flag("internal"),
        attachable=fields.flag("attachable"),
        ingress=fields.flag("ingress"),
        scope=fields.choice("scope", SCOPES),
        labels=fields.pairs("labels"),
        config_only=fields.flag("config_only"),
        config_from=_filled(fields, "config_from"),
        adopts_bridge=fields.raw("bridge_name") is None,
        connected=_connected(fields),
        appends=bool(fields.flag("appends")),
    )
    return _consistent(item, fields)


def _name(fields: Fields) -> str:
    name = fields.text("name")
    if not name:
        raise fields.refuse("name", "every network needs a name")
    if name in PREDEFINED:
        raise fields.refuse("name", "is one of the engine's own networks, which cannot be changed: choose another name")
    if _FULL_ID.match(name):
        raise fields.refuse("name", "is a network's id: give the network's name")
    if not _NAME.match(name):
        raise fields.refuse("name", "has to start with a letter or digit and hold only letters, digits, '_', '.', '-'")
    return name


def _filled(fields: Fields, option: str) -> str | None:
    value = fields.text(option)
    if value is not None and not value.strip():
        raise fields.refuse(option, "is empty: leave the option out instead")
    return value


def _driver(fields: Fields) -> str | None:
    driver = _filled(fields, "driver")
    if driver in ("host", "null") and not fields.flag("config_only"):
        raise fields.refuse("driver", "the engine allows only its own network of this driver: choose another")
    return driver


def _driver_options(fields: Fields) -> Pairs | None:
    given = fields.pairs("driver_options")
    options = dict(given or ())
    ours: dict[str, str] = {}
    mtu = fields.number("mtu", 68, 65535)
    if mtu is not None:
        ours["mtu"] = str(mtu)
    masquerade = fields.flag("masquerade")
    if masquerade is not None:
        ours["masquerade"] = "true" if masquerade else "false"
    for option in ("gateway_mode_ipv4", "gateway_mode_ipv6"):
        mode = fields.choice(option, GATEWAY_MODES)
        if mode is not None:
            ours[option] = mode
    bridge = fields.text("bridge_name")
    if bridge is not None:
        ours["bridge_name"] = bridge
    for option, value in ours.items():
        key = DRIVER_OPTION_OF[option]
        if options.get(key, value) != value:
            raise fields.refuse(option, f"contradicts driver_options.{key}, which is {options[key]!r}: keep one")
        options[key] = value
    for key, value in options.items():
        _check_option_value(fields.at(_shown_as(key, ours)), key, value)
    driver = fields.text("driver")
    for option in ("bridge_name", "masquerade", "gateway_mode_ipv4", "gateway_mode_ipv6"):
        if option in ours and driver not in (None, "bridge"):
            raise fields.refuse(option, f"is an option of the bridge driver, and the driver is {driver}: remove one")
    return pairs(options) if given is not None or ours else None


def _shown_as(key: str, ours: t.Container[str]) -> str:
    """The option by which the user gave a driver option."""
    short = SHORT_NAME_OF.get(key, "")
    return short if short in ours else f"driver_options.{key}"


def _check_option_value(path: str, key: str, value: str) -> None:
    """Values that some engines refuse only when they create the network, and others quietly ignore."""
    if key == BRIDGE_NAME:
        _check_link_name(path, value)
    elif key == DRIVER_OPTION_OF["mtu"] and not (value.isdigit() and 68 <= int(value) <= 65535):
        raise InvalidValue(path, value, "has to be a whole number from 68 to 65535")
    elif key in FLAG_OPTIONS and value.lower() not in ("true", "false", "t", "f", "1", "0"):
        raise InvalidValue(path, value, "has to be true or false")
    elif key in _GATEWAY_MODE_OPTIONS and value not in GATEWAY_MODES:
        raise InvalidValue(path, value, f"has to be one of {', '.join(GATEWAY_MODES)}")


def _check_link_name(path: str, name: str) -> None:
    if not name:
        raise InvalidValue(path, name, "is empty: leave the option out, the engine then takes br- and the network's id")
    if len(name) > 15:
        raise InvalidValue(path, name, f"has {len(name)} characters; the kernel takes at most 15: shorten it")
    if name in (".", "..") or not all(33 <= ord(char) < 127 and char not in "/:" for char in name):
        raise InvalidValue(path, name, "is no name of a network device: use letters, digits, '_', '.', '-'")


def _connected(fields: Fields) -> tuple[str, ...] | None:
    connected = fields.texts("connected")
    for index, name in enumerate(connected or ()):
        if not name.strip("/ "):
            raise InvalidValue(fields.at(f"connected[{index}]"), name, "is no name or id of a container")
    return None if connected is None else tuple(name.lstrip("/") for name in connected)


def _blocks(fields: Fields) -> tuple[Block, ...] | None:
    raw = fields.items("ipam_config")
    if raw is None:
        return None
    blocks = tuple(_block(Fields(fields.at(f"ipam_config[{i}]"), entry, BLOCK_OPTIONS)) for i, entry in enumerate(raw))
    for index, block in enumerate(blocks):
        for earlier in blocks[:index]:
            if block.subnet.overlaps(earlier.subnet):
                where = fields.at(f"ipam_config[{index}].subnet")
                raise InvalidValue(where, str(block.subnet), f"overlaps {earlier.subnet} of the same network")
    return blocks


def _block(fields: Fields) -> Block:
    subnet = fields.subnet("subnet")
    if subnet is None:
        raise fields.refuse("subnet", "every block of ipam_config needs a subnet")
    if subnet.network_address.is_unspecified or subnet.is_multicast or subnet.is_loopback:
        raise fields.refuse("subnet", "cannot be given to containers: choose a private subnet, as in 10.64.1.0/24")
    if subnet.num_addresses < 4:
        raise fields.refuse("subnet", "has no room for a gateway and a container: choose a shorter prefix length")
    ip_range = fields.subnet("ip_range")
    if ip_range is not None and (ip_range.version != subnet.version or not ip_range.subnet_of(subnet)):  # type: ignore[arg-type]
        raise fields.refuse("ip_range", f"is not part of the subnet {subnet}")
    gateway = fields.address("gateway")
    aux = _aux(fields)
    for option, address in [("gateway", gateway), *((f"aux_addresses.{name}", value) for name, value in aux or ())]:
        if address is None:
            continue
        if address not in subnet:
            raise InvalidValue(fields.at(option), str(address), f"is not in the subnet {subnet}")
        if subnet.version == 4 and address in (subnet.network_address, subnet.broadcast_address):
            raise InvalidValue(fields.at(option), str(address), f"is the network or broadcast address of {subnet}")
    for name, address in aux or ():
        if address == gateway:
            where = fields.at(f"aux_addresses.{name}")
            raise InvalidValue(where, str(address), "is the gateway, which is reserved already: leave it out")
    return Block(subnet, ip_range, gateway, aux)


def _aux(fields: Fields) -> tuple[tuple[str, IPAddress], ...] | None:
    raw = fields.mapping("aux_addresses")
    if raw is None:
        return None
    parsed = {name: parse_address(fields.at(f"aux_addresses.{name}"), str(value)) for name, value in raw.items()}
    if len(set(parsed.values())) < len(parsed):
        raise fields.refuse("aux_addresses", "reserves one address twice")
    return tuple(sorted(parsed.items()))


def _consistent(item: Item, fields: Fields) -> Item:
    """Refuse options that contradict each other, and fill in the one that follows from another."""
    listed = [block.family for block in item.blocks or ()]
    if len(listed) > len(set(listed)) and item.driver in (None, "bridge") and not item.config_only:
        raise fields.refuse("ipam_config", "a bridge network has one subnet of each family: make more networks instead")
    families = set(listed)
    for family, flag in ((4, "enable_ipv4"), (6, "enable_ipv6")):
        if getattr(item, flag) is False and family in families:
            raise fields.refuse(flag, f"contradicts the IPv{family} subnet in ipam_config: remove one of them")
    if item.enable_ipv4 is False and not item.enable_ipv6 and 6 not in families:
        raise fields.refuse("enable_ipv4", "leaves the network without any address family: set enable_ipv6: true")
    if item.config_only:
        for option in ("internal", "attachable", "ingress", "scope", "config_from", "connected"):
            if getattr(item, option):
                raise fields.refuse(option, "has no meaning on a network with config_only: remove one of them")
        if item.driver not in (None, "null"):
            raise fields.refuse("driver", "a network with config_only has no driver: the networks made from it do")
    if item.config_from is not None:
        for option in _FROM_CONFIG:
            if fields.raw(option):
                raise fields.refuse(option, f"comes from config_from ({item.config_from!r}): declare it there")
    if item.ingress and (item.attachable or item.internal):
        raise fields.refuse("ingress", "cannot be combined with attachable or internal")
    if 6 in families and item.enable_ipv6 is None:
        return dataclasses.replace(item, enable_ipv6=True)
    return item
