# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A network of the declaration: what a person wrote about it, parsed to a frozen record.

What lies *within* a network's subnet (gateway, range, reserved addresses) is kept as an offset from the subnet's first
address, since the same network has another subnet on every host.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.addressing import (
    Prefix,
    block_size,
    format_address,
    parse_address,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.fields import Fields
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import InvalidValue

# The name that policy and lock file use for the default bridge; Docker's own name for that network is "bridge".
DEFAULT_BRIDGE = "docker0"
ANY = "any"
# The ends of policy lines that are no networks. Cilium calls them so, too.
HOST = "host"
WORLD = "world"
RESERVED_NAMES = (ANY, DEFAULT_BRIDGE, "bridge", HOST, "none", "default", WORLD, "ingress", "docker_gwbridge")
# Docker's own rule for names (moby, daemon/names).
_NAME = re.compile(r"^[a-zA-Z0-9][a-zA-Z0-9_.-]*$")
NETWORK_KEYS = (
    "attachable",
    "aux_addresses",
    "bridge_name",
    "driver",
    "driver_options",
    "egress",
    "gateway",
    "hosts",
    "ingress",
    "internal",
    "ip_range",
    "labels",
    "local",
    "mtu",
    "name",
    "open",
    "prefix_length",
    "subnet",
)
# Linux's limit: IFNAMSIZ - 1.
BRIDGE_NAME_MAX = 15
# A network's share of an IPv6 block: what address autoconfiguration and everybody's habits expect.
LENGTH_V6 = 64
# What decides about traffic with the outside: Docker's ways alone, or policy lines alone.
_OUTSIDE = ("docker", "policy")
# Drivers that put containers on the host's own segment: their subnet is the LAN's, on as many hosts as wanted.
ON_THE_LAN = ("ipvlan", "macvlan")


@dataclasses.dataclass(frozen=True)
class Network:
    """A declared network. ``hosts`` are names of hosts or groups that carry it, None: every host of the fleet.

    ``prefix_length`` is that of its IPv4 slot; in IPv6 every slot is a /64. ``subnets`` are pinned ones, at most one of
    each IP version, instead of slots. ``gateways``, ``ip_ranges`` and ``aux`` (by name) are offsets by IP version,
    negative ones counted from the subnet's end.

    Any declared network may open flows to one that is ``open``. Containers on one that is ``local`` reach those on the
    same host only. ``ingress_by_policy`` and ``egress_by_policy``: nothing comes in from, or goes out to, what is
    outside of the fleet's networks unless a policy line says so.
    """

    name: str
    path: str
    bridge_name: str
    prefix_length: int
    driver: str = "bridge"
    subnets: tuple[Prefix, ...] = ()
    gateways: t.Mapping[int, int] = dataclasses.field(default_factory=dict)
    ip_ranges: t.Mapping[int, Prefix] = dataclasses.field(default_factory=dict)
    aux: t.Mapping[str, t.Mapping[int, int]] = dataclasses.field(default_factory=dict)
    internal: bool = False
    attachable: bool = False
    mtu: int | None = None
    labels: tuple[tuple[str, str], ...] = ()
    driver_options: tuple[tuple[str, str], ...] = ()
    hosts: tuple[str, ...] | None = None
    open: bool = False
    local: bool = False
    ingress_by_policy: bool = False
    egress_by_policy: bool = False

    @property
    def subnet(self) -> Prefix | None:
        """The pinned IPv4 subnet; None where it has a slot in every host's block, or is pinned in IPv6 alone."""
        return self.pinned(4)

    def pinned(self, version: int) -> Prefix | None:
        """The pinned subnet of an IP version."""
        return next((subnet for subnet in self.subnets if subnet.version == version), None)

    @property
    def routed(self) -> bool:
        """Whether the other hosts and networks may reach it, by our routes and policy."""
        return self.driver == "bridge" and not self.internal


def default_bridge_name(network: str) -> str:
    """``fn-NAME``; a name that is too long for a link keeps its beginning and a hash."""
    name = f"fn-{network}"
    if len(name) <= BRIDGE_NAME_MAX:
        return name
    return f"fn-{network[:6]}-{hashlib.sha256(network.encode()).hexdigest()[:5]}"


def parse_networks(
    items: list[t.Any],
    path: str,
    default_length: t.Callable[[str], int],
    versions: t.Sequence[int] = (4, 6),
    host: str | None = None,
) -> tuple[Network, ...]:
    """A list of networks. ``versions`` are those of the fleet's supernets; ``host`` has the list to itself.

    ``default_length`` gives the IPv4 prefix length of a network that names none.
    """
    networks: list[Network] = []
    names: dict[str, str] = {}
    bridges: dict[str, str] = {}
    for number, item in enumerate(items):
        network = _parse_network(item, f"{path}[{number}]", default_length, versions, host)
        for seen, value, what in ((names, network.name, "name"), (bridges, network.bridge_name, "bridge_name")):
            if value in seen:
                raise InvalidValue(
                    f"{network.path}.{what}", value, f"is taken already by {seen[value]}; give it another", host
                )
            if value:
                seen[value] = network.path
        networks.append(network)
    return tuple(networks)


def _parse_network(
    item: t.Any, path: str, default_length: t.Callable[[str], int], versions: t.Sequence[int], host: str | None
) -> Network:
    if isinstance(item, str):  # the name alone is a complete declaration
        item = {"name": item}
    fields = Fields(item, path, NETWORK_KEYS, host)
    name = fields.text("name")
    if not _NAME.match(name):
        raise fields.fail("name", "has to begin with a letter or digit and hold only letters, digits, '_', '.', '-'")
    if name in RESERVED_NAMES:
        raise fields.fail("name", "is reserved; choose another name")
    if _is_address(name):
        raise fields.fail("name", "is an address, and policy lines name outside addresses so; choose another name")
    driver = fields.text("driver", "bridge")
    if driver in ("host", "null", "none"):
        raise fields.fail("driver", "is the engine's own and has one network only; choose another")
    subnets = _parse_subnets(fields)
    if subnets and fields.has("prefix_length"):
        raise fields.fail(
            "prefix_length", f"the pinned subnet {subnets[0]} has a length already; leave one of the two out"
        )
    if not subnets and host:
        raise fields.fail("subnet", "is required for a network of one host")
    if not subnets and driver != "bridge":
        raise fields.fail("subnet", f"is required: hosts' blocks hold bridge networks, and the driver is {driver}")
    pinned = next((subnet for subnet in subnets if subnet.version == 4), None)
    length = pinned.length if pinned else fields.integer("prefix_length", default_length(name), 9, 30)
    internal = fields.boolean("internal", False)
    _check_policed(fields, driver, internal, host)
    return Network(
        name=name,
        path=path,
        bridge_name=_parse_bridge_name(fields, name, driver),
        prefix_length=length,
        driver=driver,
        subnets=subnets,
        gateways=_parse_places(fields, "gateway", fields.raw("gateway"), subnets, length),
        ip_ranges=_parse_ranges(fields, subnets, length, versions),
        aux={
            str(key): _parse_places(fields, f"aux_addresses.{key}", value, subnets, length)
            for key, value in sorted(fields.mapping("aux_addresses").items())
        },
        internal=internal,
        attachable=fields.boolean("attachable", False),
        mtu=fields.integer("mtu", None, 68, 65535),
        labels=_texts(fields, "labels"),
        driver_options=_texts(fields, "driver_options"),
        hosts=(host,) if host else fields.names("hosts", None),
        open=fields.boolean("open", False),
        local=fields.boolean("local", False),
        ingress_by_policy=fields.choice("ingress", _OUTSIDE, "docker") == "policy",
        egress_by_policy=fields.choice("egress", _OUTSIDE, "docker") == "policy",
    )


def _check_policed(fields: Fields, driver: str, internal: bool, host: str | None) -> None:
    """The keys that our rules bring about are for networks that these rules are made for."""
    for key in ("open", "local", "ingress", "egress"):
        if fields.raw(key) in (None, False, "docker"):
            continue
        if driver != "bridge":
            raise fields.fail(key, f"goes with driver bridge, and the driver is {driver}; leave it out")
        if internal:
            raise fields.fail(key, "does not go with internal: the engine itself cuts such a network off; leave it out")
        if host:
            raise fields.fail(key, "is for networks of the whole fleet; declare it there, with this host in hosts")


def _is_address(name: str) -> bool:
    try:
        parse_address(name)
    except ValueError:
        return False
    return True


def _parse_bridge_name(fields: Fields, name: str, driver: str) -> str:
    """The Linux bridge's name; empty for other drivers."""
    if driver != "bridge":
        if fields.has("bridge_name"):
            raise fields.fail("bridge_name", f"goes with driver bridge, and the driver is {driver}; leave it out")
        return ""
    bridge_name: str = fields.text("bridge_name", None) or default_bridge_name(name)
    if len(bridge_name) > BRIDGE_NAME_MAX or "/" in bridge_name or bridge_name.split() != [bridge_name]:
        raise fields.fail(
            "bridge_name", f"is no name of a link: at most {BRIDGE_NAME_MAX} characters, no '/', no space"
        )
    return bridge_name


def _parse_subnets(fields: Fields) -> tuple[Prefix, ...]:
    subnets = fields.prefixes("subnet")
    if len({subnet.version for subnet in subnets}) < len(subnets):
        raise fields.fail("subnet", "holds two blocks of one IP version; a network has one of each at most")
    return tuple(sorted(subnets))


def _parse_places(fields: Fields, key: str, value: t.Any, subnets: tuple[Prefix, ...], length: int) -> dict[int, int]:
    """Addresses in the subnet as offsets by IP version: one number for both, or addresses of pinned subnets."""
    places: dict[int, int] = {}
    if value is None:
        return places
    if isinstance(value, int) and not isinstance(value, bool):
        # the IPv4 subnet is the narrow one
        size = block_size(4, length)
        if not (1 <= value <= size - 2 or 1 - size <= value <= -2):
            raise fields.refuse(
                key, value, f"a subnet of /{length} has host addresses 1 to {size - 2}, or -2 downwards"
            )
        return {4: value, 6: value}
    what = "gateway" if key == "gateway" else "address"
    for text in value if isinstance(value, (list, tuple)) else [value]:
        try:
            version, address = parse_address(text)
        except ValueError:
            raise fields.refuse(key, text, "is not an IP address") from None
        if not subnets:
            raise fields.refuse(
                key,
                text,
                f"the network has a subnet of its own on every host; give the {what}'s number in it (1, or -2 for the "
                "last but one), or pin the network's subnet",
            )
        subnet = next((pinned for pinned in subnets if pinned.version == version and pinned.has(address)), None)
        if subnet is None:
            raise fields.refuse(
                key, text, f"lies outside of its subnet {' and '.join(str(pinned) for pinned in subnets)}"
            )
        if address == subnet.address or (version == 4 and address == subnet.last):
            raise fields.refuse(
                key, text, f"is the first or last address of its subnet {subnet}, which no host can have"
            )
        places[version] = address - subnet.address
    return places


def _parse_ranges(
    fields: Fields, subnets: tuple[Prefix, ...], length: int, versions: t.Sequence[int]
) -> dict[int, Prefix]:
    """Where containers get addresses from, as blocks that are counted from the subnet's first address."""
    ranges: dict[int, Prefix] = {}
    for block in fields.prefixes("ip_range"):
        version = block.version
        if subnets:
            subnet = next((pinned for pinned in subnets if pinned.contains(block)), None)
            if subnet is None:
                raise fields.refuse(
                    "ip_range",
                    str(block),
                    f"lies outside of its subnet {' and '.join(str(pinned) for pinned in subnets)}",
                )
            ranges[version] = Prefix(version, block.address - subnet.address, block.length)
            continue
        if version not in versions:
            raise fields.refuse("ip_range", str(block), f"the fleet has no IPv{version} supernet; leave it out")
        whole = Prefix(version, 0, length if version == 4 else LENGTH_V6)
        if not whole.contains(block):
            half = f"{format_address(version, whole.size // 2)}/{whole.length + 1}"
            raise fields.refuse(
                "ip_range",
                str(block),
                f"the network has a subnet of /{whole.length} of its own on every host; count the range from the "
                f"subnet's first address ({half} is the upper half), or pin the network's subnet",
            )
        ranges[version] = block
    return ranges


def _texts(fields: Fields, key: str) -> tuple[tuple[str, str], ...]:
    values = fields.mapping(key)
    for name, value in values.items():
        if isinstance(value, (dict, list)) or value is None:
            raise InvalidValue(f"{fields.at(key)}.{name}", value, "has to be a text", fields.host)
    return tuple(
        (str(name), str(value).lower() if isinstance(value, bool) else str(value))
        for name, value in sorted(values.items())
    )
