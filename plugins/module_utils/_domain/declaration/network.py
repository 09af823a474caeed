# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A network of the declaration, parsed to a frozen record.

Addresses *within* a network's subnet (gateway, range, reserved addresses) are offsets from the subnet's first address,
since the network has another subnet on each host.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.addressing import Prefix, is_address
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.constants import BRIDGE_NAME, MTU
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.driver_options import (
    check_driver_options,
    egress_source,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.network_addresses import (
    LENGTH_V6,
    ON_THE_LAN,
    parse_host_subnets,
    parse_places,
    parse_ranges,
    parse_subnets,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.policy_line import (
    ANY,
    DEFAULT_BRIDGE,
    HOST,
    WORLD,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import ErrorList, InvalidValue
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.fields import QUOTE, Fields, parse_all
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.interface_name import INTERFACE_NAME_MAX
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.items import (
    check_labels,
    check_mtu,
    make_block,
    read_driver_options,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.model import Pairs
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.values import (
    block_problem,
    driver_problem,
    name_problem,
)

RESERVED_NAMES = (ANY, DEFAULT_BRIDGE, "bridge", HOST, "none", "default", WORLD, "ingress", "docker_gwbridge")
NETWORK_KEYS = (
    "adopt",
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
    "subnets",
)
# The beginning of the names of bridges that declare none.
BRIDGE_PREFIX = "fn-"
# Valid values instead of invalid ones, to find the errors of the other keys.
_STAND_INS: t.Mapping[str, t.Any] = {
    **{key: None for key in NETWORK_KEYS if key not in ("driver", "internal", "subnet", "subnets")},
    "name": "stand-in",
}
# What decides about traffic with the outside: Docker's rules alone, or policy lines alone.
_OUTSIDE = ("docker", "policy")


@dataclasses.dataclass(frozen=True)
class Network:
    """A declared network. ``hosts`` are names of hosts or groups that carry it; None means every host of the fleet.

    ``prefix_length`` is that of its IPv4 slot; in IPv6 every slot is a /64. ``subnets`` are pinned ones, at most one of
    each IP version, instead of slots; ``host_subnets`` are those of single hosts, whose other hosts have slots.
    ``gateways``, ``ip_ranges`` and ``aux`` (by name) are offsets by IP version;
    negative ones count from the subnet's end. ``host_ranges`` are the ``ip_ranges`` of single hosts. ``driver_options``
    are as written; ``mtu`` and ``bridge_name`` include them.

    Any declared network can open flows to one that is ``open``. Containers on one that is ``local`` reach only those on
    the same host. ``ingress_by_policy`` and ``egress_by_policy``: only policy lines allow traffic from, or to, the
    outside of the fleet's networks. ``adopt``: hosts may have it already; None is the fleet's default.
    """

    name: str
    path: str
    bridge_name: str
    prefix_length: int
    driver: str = "bridge"
    subnets: tuple[Prefix, ...] = ()
    host_subnets: t.Mapping[str, tuple[Prefix, ...]] = dataclasses.field(default_factory=dict)
    gateways: t.Mapping[int, int] = dataclasses.field(default_factory=dict)
    ip_ranges: t.Mapping[int, Prefix] = dataclasses.field(default_factory=dict)
    host_ranges: t.Mapping[str, t.Mapping[int, Prefix]] = dataclasses.field(default_factory=dict)
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
    adopt: bool | None = None

    def pinned(self, host: str) -> tuple[Prefix, ...]:
        """The pinned subnets on a host, IPv4 first; empty if the network has a slot in the host's block."""
        return self.host_subnets.get(host, self.subnets)

    @property
    def all_pinned(self) -> list[tuple[Prefix, str]]:
        """Each pinned subnet of the network, with the path of its variable."""
        found = [(subnet, f"{self.path}.subnet") for subnet in self.subnets]
        return found + [
            (subnet, f"{self.path}.subnets.{host}") for host, subnets in self.host_subnets.items() for subnet in subnets
        ]

    @property
    def on_a_segment(self) -> bool:
        """Whether its containers are on an L2 segment of the hosts. Without ``parent`` the engine isolates them."""
        return self.driver in ON_THE_LAN and "parent" in dict(self.driver_options)

    def ip_range(self, subnet: Prefix, host: str | None = None) -> Prefix | None:
        """The part of a subnet from which a host's engine allocates addresses; None for the whole subnet."""
        inside = self.host_ranges.get(host or "", self.ip_ranges).get(subnet.version)
        return None if inside is None else subnet.at(inside.address, inside.length)

    def block(
        self, subnet: Prefix, host: str | None = None
    ) -> tuple[Prefix, Prefix | None, tuple[int, int] | None, dict[str, tuple[int, int]]]:
        """One of the network's address blocks on a host: subnet, range, gateway and reserved addresses.

        Addresses are (IP version, integer). Without a declared gateway a bridge network has the first address; for
        other drivers the gateway belongs to the LAN.
        """
        version = subnet.version

        def at(place: int) -> tuple[int, int]:
            return version, subnet.address + place if place >= 0 else subnet.last + 1 + place

        gateway = self.gateways.get(version, 1 if self.driver == "bridge" else None)
        return (
            subnet,
            self.ip_range(subnet, host),
            None if gateway is None else at(gateway),
            {name: at(places[version]) for name, places in self.aux.items() if version in places},
        )

    def egress_source(self, version: int) -> str | None:
        """The source address of its packets to the outside: see :func:`driver_options.egress_source`."""
        return egress_source(dict(self.driver_options), version)

    @property
    def routed(self) -> bool:
        """Whether other hosts and networks can reach it, by routes and policy of this collection."""
        return self.driver == "bridge" and not self.internal


def default_bridge_name(network: str) -> str:
    """``fn-NAME``, or the beginning of a long name and a hash."""
    name = f"{BRIDGE_PREFIX}{network}"
    if len(name) <= INTERFACE_NAME_MAX:
        return name
    return f"{BRIDGE_PREFIX}{network[:6]}-{hashlib.sha256(network.encode()).hexdigest()[:5]}"


def parse_networks(
    items: list[t.Any],
    path: str,
    default_length: t.Callable[[str], int],
    versions: t.Sequence[int] = (4, 6),
    host: str | None = None,
    errors: ErrorList | None = None,
) -> tuple[Network, ...]:
    """Parse a list of networks. Collects an error if one is invalid, or if two cannot exist on one host.

    ``versions`` are those of the fleet's supernets; the list belongs to ``host``, or to the whole fleet.
    ``default_length`` returns the IPv4 prefix length of a network that does not declare one.
    """
    networks: list[Network] = []
    names: dict[str, str] = {}
    bridges: dict[str, str] = {}
    collected = errors or ErrorList()
    for number, item in enumerate(items):
        where = f"{path}[{number}]"
        network = None
        with collected.collect():
            parse = functools.partial(
                _parse_network, path=where, default_length=default_length, versions=versions, host=host
            )
            # The name alone is a complete declaration.
            network = parse_all(parse, {"name": item} if isinstance(item, str) else item, where, _STAND_INS)
        if network is None:
            continue
        for seen, value, what in ((names, network.name, "name"), (bridges, network.bridge_name, "bridge_name")):
            if value in seen:
                reason = f"is already used by {seen[value]}. Choose another."
                collected.found.append(InvalidValue(f"{network.path}.{what}", value, reason, host))
                break
            if value:
                seen[value] = network.path
        networks.append(network)
    if errors is None:
        collected.check()
    return tuple(networks)


def _parse_network(
    item: t.Any, path: str, default_length: t.Callable[[str], int], versions: t.Sequence[int], host: str | None
) -> Network:
    if isinstance(item, bool):
        raise InvalidValue(path, item, f"is not the name of a network. {QUOTE}", host)
    if not isinstance(item, t.Mapping):
        raise InvalidValue(
            path, item, "must be the name of a network, in quotes if it is a number, or a mapping.", host
        )
    fields = Fields(item, path, NETWORK_KEYS, host)
    name = fields.text("name")
    if name in RESERVED_NAMES:
        raise fields.fail("name", "is a reserved name. Choose another name.")
    fields.check("name", name_problem(name))
    if is_address(name):
        raise fields.fail("name", "is an IP address, which policy lines use for the outside. Choose another name.")
    driver = fields.text("driver", "bridge")
    fields.check("driver", driver_problem(driver))
    subnets = parse_subnets(fields, "subnet")
    host_subnets = parse_host_subnets(fields, driver, versions)
    if subnets and fields.has("prefix_length"):
        raise fields.fail(
            "prefix_length",
            f"contradicts the pinned subnet {subnets[0]}, which has a prefix length. Remove prefix_length.",
        )
    if not subnets and host:
        raise fields.fail("subnet", "is required for a network of one host.")
    if not subnets and driver != "bridge":
        raise fields.fail("subnet", f"is required for driver {driver}: only bridge networks get a slot.")
    pinned = next((subnet for subnet in subnets if subnet.version == 4), None)
    length = pinned.length if pinned else fields.integer("prefix_length", default_length(name), 9, 30)
    internal = fields.boolean("internal", False)
    _check_policed(fields, driver, internal, host)
    options = _parse_driver_options(fields, driver, internal, [each.version for each in subnets] or versions)
    labels = fields.pairs("labels") or ()
    check_labels(fields, labels)
    ranges, host_ranges = parse_ranges(fields, driver, subnets, length, versions)
    network = Network(
        name=name,
        path=path,
        bridge_name=options.get(BRIDGE_NAME) or default_bridge_name(name) if driver == "bridge" else "",
        prefix_length=length,
        driver=driver,
        subnets=subnets,
        host_subnets=host_subnets,
        gateways=parse_places(fields, "gateway", fields.raw("gateway"), subnets, length),
        ip_ranges=ranges,
        host_ranges=host_ranges,
        aux={
            key: parse_places(fields, f"aux_addresses.{key}", value, subnets, length)
            for key, value in sorted(fields.mapping("aux_addresses").items())
        },
        internal=internal,
        attachable=fields.boolean("attachable", False),
        mtu=int(options[MTU]) if MTU in options else None,
        labels=labels,
        driver_options=fields.pairs("driver_options") or (),
        hosts=(host,) if host else fields.names("hosts", None),
        open=fields.boolean("open", False),
        local=fields.boolean("local", False),
        ingress_by_policy=fields.choice("ingress", _OUTSIDE, "docker") == "policy",
        egress_by_policy=fields.choice("egress", _OUTSIDE, "docker") == "policy",
        adopt=fields.boolean("adopt", None),
    )
    _check_blocks(fields, network, versions)
    return network


def _parse_driver_options(fields: Fields, driver: str, internal: bool, versions: t.Collection[int]) -> dict[str, str]:
    """The driver options, with ``mtu`` and ``bridge_name`` under the names that the engine has for them."""
    options: Pairs | None = read_driver_options(fields, driver)
    check_driver_options(fields, driver, internal, versions)
    check_mtu(fields, options, 6 in versions)
    return dict(options or ())


def _check_policed(fields: Fields, driver: str, internal: bool, host: str | None) -> None:
    """Reject keys of the policy on networks that the collection has no rules for."""
    for key in ("open", "local", "ingress", "egress"):
        if fields.raw(key) in (None, False, "docker"):
            continue
        if driver != "bridge":
            raise fields.fail(key, f"requires driver bridge, and the driver is {driver}. Leave it out.")
        if internal:
            raise fields.fail(
                key, "cannot be combined with internal: the engine isolates such a network. Leave it out."
            )
        if host:
            raise fields.fail(key, "requires a network of the whole fleet. Declare it there, with this host in hosts.")


def _check_blocks(fields: Fields, network: Network, versions: t.Sequence[int]) -> None:
    """Check each address block as the module does, for a slot with an example of a subnet.

    The checks compare only values within the subnet, so the result is the same for each host's slot.
    """
    examples = {4: Prefix(4, 10 << 24, network.prefix_length), 6: Prefix(6, 0xFD << 120, LENGTH_V6)}
    subnets = [(subnet, "") for subnet in network.subnets or [examples[version] for version in versions]]
    subnets += [(subnet, host) for host, pinned in network.host_subnets.items() for subnet in pinned]
    for subnet, host in subnets:
        problem = block_problem(make_block(*network.block(subnet)))
        if problem is not None and host:
            what = "" if problem.option == "subnet" else f"{problem.option} of the network "
            raise fields.refuse(f"subnets.{host}", str(subnet), f"{what}{problem.reason}")
        if problem is not None:
            key, _dot, name = problem.option.partition(".")
            value = fields.mapping("aux_addresses")[name] if name else fields.raw(key)
            raise fields.refuse(problem.option, 1 if value is None and key == "gateway" else value, problem.reason)
