# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Parse the items of the module ``networks`` to :class:`Item` records."""

from __future__ import annotations

import dataclasses
import ipaddress
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.addressing import Prefix, format_address
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.constants import MTU
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import InvalidValue
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.fields import Fields, nearest
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.conflicts import (
    FinalNetwork,
    check_conflicts,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.model import (
    Block,
    Definition,
    IPAddress,
    IPNetwork,
    Item,
    Pairs,
    pairs,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.options import (
    BLOCK_TABLE,
    BY_NAME,
    DRIVER_OPTION_OF,
    ENGINE_OPTIONS,
    SHORT_OPTIONS,
    TABLE,
    Option,
    aliases,
    natural_scope,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.values import (
    block_problem,
    contradiction,
    driver_option_problem,
    driver_problem,
    label_problem,
    mtu_problem,
    name_problem,
    option_of,
)

_IN_BLOCK = "unknown key. Move it to ipam_config, a list of address blocks."
_OF_TASK = "unknown key. Move it to the task: it is not an option of a network."
_HINTS = {
    **{key: _IN_BLOCK for name, others in aliases(BLOCK_TABLE).items() for key in (name, *others)},
    **dict.fromkeys(("state", "prune", "strict", "on_drift", "allow_disconnect"), _OF_TASK),
    "force": "unknown key. Use on_drift and allow_disconnect of the task.",
}


def parse_items(raw: t.Any, variable: str = "networks") -> tuple[Item, ...]:
    """Parse all items. Raises InvalidValue if one is invalid, or if two cannot exist on one host."""
    if isinstance(raw, (str, bytes, t.Mapping)) or not isinstance(raw, t.Sequence):
        raise InvalidValue(variable, raw, "must be a list of networks.")
    items = tuple(parse_item(entry, f"{variable}[{index}]") for index, entry in enumerate(raw))
    first: dict[str, Item] = {}
    for item in items:
        if item.name in first:
            reason = f"is a duplicate of {first[item.name].path}. Remove one of them."
            raise InvalidValue(item.where("name"), item.name, reason)
        first[item.name] = item
    check_conflicts([FinalNetwork.declared(item, _sketch(item)) for item in items])
    return items


def _sketch(item: Item) -> Definition:
    """The network as far as the item alone describes it."""
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
    """Parse one item. Raises InvalidValue if it is invalid."""
    name = raw.get("name", raw.get("network_name")) if isinstance(raw, t.Mapping) else None
    named = f"{path} ({name})" if isinstance(name, str) and name_problem(name) is None else path
    fields = Fields(raw, named, aliases(TABLE), hints=_HINTS)
    name = fields.text("name")
    fields.check("name", name_problem(name))
    values = {option.key: read(fields, option) for option in ENGINE_OPTIONS}
    values["blocks"] = _blocks(fields)
    _check_driver(fields, values)
    values["driver_options"] = read_driver_options(fields, values["driver"])
    check_labels(fields, values["labels"])
    item = Item(
        path=fields.path,
        name=name,
        adopts_bridge=fields.raw("bridge_name") is None,
        connected=_connected(fields),
        appends=fields.boolean("appends", False),
        adopt=fields.boolean("adopt", False),
        adopt_keeps=_adopt_keeps(fields),
        **values,
    )
    return _consistent(item, fields)


def read(fields: Fields, option: Option) -> t.Any:
    """The value of an option by its type; None if it is not given."""
    if option.choices:
        return fields.choice(option.name, option.choices, None)
    if option.type == "bool":
        return fields.boolean(option.name, None)
    if option.type == "int":
        return fields.integer(option.name, None, option.low, option.high)
    if option.type == "dict":
        return fields.pairs(option.name)
    if option.type == "list":
        return fields.items(option.name, None)
    return fields.text(option.name, None)


def _check_driver(fields: Fields, values: t.Mapping[str, t.Any]) -> None:
    driver = values["driver"]
    if driver is not None and not (values["config_only"] and driver == "null"):
        fields.check("driver", driver_problem(driver))


def read_driver_options(fields: Fields, driver: str | None) -> Pairs | None:
    """The driver options, those with a short name included; None if none is given."""
    given = fields.pairs("driver_options")
    short: dict[str, str] = {}
    for option in SHORT_OPTIONS:
        value = read(fields, option) if fields.has(option.name) else None
        if value is not None:
            short[option.name] = str(value).lower() if isinstance(value, bool) else str(value)
    found = contradiction(dict(given or ()), short)
    if found is not None:
        raise fields.fail(*found)
    options = {**dict(given or ()), **{DRIVER_OPTION_OF[name]: value for name, value in short.items()}}
    for key, value in options.items():
        name = option_of(key, short)
        fields.check(name, driver_option_problem(key, value, driver), fields.raw(name, value))
    return pairs(options) if given is not None or short else None


def check_mtu(fields: Fields, options: Pairs | None, has_ipv6: bool) -> None:
    """Raise InvalidValue if the MTU among the driver options is too small for the network's IP versions."""
    mtu = dict(options or ()).get(MTU)
    if mtu is not None:
        name = "mtu" if fields.has("mtu") else option_of(MTU, ())
        fields.check(name, mtu_problem(int(mtu), has_ipv6), fields.raw(name, mtu))


def check_labels(fields: Fields, labels: Pairs | None) -> None:
    for key, value in labels or ():
        fields.check(f"labels.{key}", label_problem(key, value), value)


def _adopt_keeps(fields: Fields) -> tuple[str, ...]:
    """The driver options that an adopted network keeps."""
    names: tuple[str, ...] = fields.texts("adopt_keeps", ())
    for index, name in enumerate(names):
        if name not in DRIVER_OPTION_OF:
            reason = f"is not an option that an adopted network can keep. {nearest(name, DRIVER_OPTION_OF)}"
            raise fields.refuse(f"adopt_keeps[{index}]", name, reason)
    return tuple(DRIVER_OPTION_OF[name] for name in names)


def _connected(fields: Fields) -> tuple[str, ...] | None:
    connected: tuple[str, ...] | None = fields.texts("connected")
    for index, name in enumerate(connected or ()):
        if not name.strip("/ "):
            raise fields.refuse(f"connected[{index}]", name, "is not a valid name or id of a container.")
    return None if connected is None else tuple(name.lstrip("/") for name in connected)


def _blocks(fields: Fields) -> tuple[Block, ...] | None:
    raw = fields.items("ipam_config", None)
    if raw is None:
        return None
    readers = [Fields(entry, fields.at(f"ipam_config[{i}]"), aliases(BLOCK_TABLE)) for i, entry in enumerate(raw)]
    blocks = tuple(_block(reader) for reader in readers)
    for index, block in enumerate(blocks):
        for earlier in blocks[:index]:
            if block.subnet.overlaps(earlier.subnet):
                reason = f"overlaps {earlier.subnet} of the same network. Use another subnet."
                raise fields.refuse(f"ipam_config[{index}].subnet", str(block.subnet), reason)
    return blocks


def _block(fields: Fields) -> Block:
    subnet = fields.prefix("subnet")
    ip_range = fields.prefix("ip_range", None)
    gateway = fields.address("gateway", None)
    raw = fields.mapping("aux_addresses", None)
    aux = None if raw is None else {name: fields.parse_address(f"aux_addresses.{name}", raw[name]) for name in raw}
    block = make_block(subnet, ip_range, gateway, aux)
    problem = block_problem(block)
    if problem is not None:
        key, _dot, name = problem.option.partition(".")
        raise fields.refuse(problem.option, raw[name] if name else fields.raw(key), problem.reason)
    return block


def make_block(
    subnet: Prefix,
    ip_range: Prefix | None,
    gateway: tuple[int, int] | None,
    aux: t.Mapping[str, tuple[int, int]] | None,
) -> Block:
    """A block from values as :class:`Fields` reads them; addresses are (IP version, integer)."""
    return Block(
        _network(subnet),
        None if ip_range is None else _network(ip_range),
        None if gateway is None else _address(gateway),
        None if aux is None else tuple(sorted((name, _address(value)) for name, value in aux.items())),
    )


def _network(prefix: Prefix) -> IPNetwork:
    return ipaddress.ip_network(str(prefix))


def _address(address: tuple[int, int]) -> IPAddress:
    return ipaddress.ip_address(format_address(*address))


def _consistent(item: Item, fields: Fields) -> Item:
    """Reject options that contradict each other, and derive ``enable_ipv6`` from an IPv6 subnet."""
    listed = [block.family for block in item.blocks or ()]
    families = set(listed)
    if len(listed) > len(families) and item.driver in (None, "bridge") and not item.config_only:
        raise fields.fail("ipam_config", "contains two subnets of one IP version. Set at most one of each.")
    for family, flag in ((4, "enable_ipv4"), (6, "enable_ipv6")):
        if getattr(item, flag) is False and family in families:
            raise fields.fail(flag, f"contradicts the IPv{family} subnet in ipam_config. Remove one of them.")
    if item.enable_ipv4 is False and not item.enable_ipv6 and 6 not in families:
        raise fields.fail("enable_ipv4", "leaves the network without an IP version. Set enable_ipv6: true.")
    check_mtu(fields, item.driver_options, item.enable_ipv6 or 6 in families)
    if item.config_only:
        for option in TABLE:
            if option.needs_network and getattr(item, option.key):
                raise fields.fail(option.name, "is not an option of a network with config_only. Remove one of them.")
        if item.driver not in (None, "null"):
            raise fields.fail("driver", "is not an option of a network with config_only. Set it where config_from is.")
    if item.config_from is not None:
        for name, option in BY_NAME.items():
            if (option.inherited or option.driver_option) and fields.raw(name):
                raise fields.fail(name, f"comes from config_from ({item.config_from!r}). Declare it there.")
    if item.ingress and (item.attachable or item.internal):
        raise fields.fail("ingress", "cannot be combined with attachable or internal. Remove one of them.")
    if 6 in families and item.enable_ipv6 is None:
        return dataclasses.replace(item, enable_ipv6=True)
    return item
