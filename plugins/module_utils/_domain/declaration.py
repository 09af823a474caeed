# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The declaration: what a person writes in inventory variables, parsed to frozen records.

Reading checks everything that can be said without knowing leases or hosts' state: keys, types, names, references
between policy and networks, addresses within their subnets. Where blocks lie is the plan's business.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.addressing import Prefix, parse_address
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import InvalidValue
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.fields import Fields, nearest

PREFIX = "docker_fleet_"

# The variables that make the declaration, without their prefix.
FLEET_KEYS = (
    "backend",
    "default_bridge",
    "host_prefix_length",
    "network_prefix_length",
    "networks",
    "policy",
    "reservations",
    "supernet",
)
HOST_KEYS = ("host_networks", "link", "underlay_address")
# Variables with the prefix that steer a run and are no part of the declaration.
RUN_KEYS = (
    "allow_disconnect",
    "allow_restart",
    "group",
    "lock_file",
    "observed",
    "on_drift",
    "plan",
    "plan_observed",
    "probes",
    "prune",
    "report_dir",
    "verify",
)

# The name that policy and lock file use for the default bridge; Docker's own name for that network is "bridge".
DEFAULT_BRIDGE = "docker0"
ANY = "any"
_RESERVED_NAMES = (ANY, DEFAULT_BRIDGE, "bridge", "host", "none", "default", "world", "ingress", "docker_gwbridge")
# Docker's own rule for names (moby, daemon/names).
_NAME = re.compile(r"^[a-zA-Z0-9][a-zA-Z0-9_.-]*$")
_NETWORK_KEYS = (
    "attachable",
    "bridge_name",
    "driver_options",
    "gateway",
    "hosts",
    "internal",
    "labels",
    "mtu",
    "name",
    "prefix_length",
    "subnet",
)
_POLICY_KEYS = ("from", "ports", "protocol", "to")
# Linux's limit: IFNAMSIZ - 1.
BRIDGE_NAME_MAX = 15


@dataclasses.dataclass(frozen=True)
class Network:
    """A declared network. ``hosts`` are names of hosts or groups that carry it, None: every host of the fleet."""

    name: str
    path: str
    bridge_name: str
    prefix_length: int
    subnet: Prefix | None = None
    gateway: int | None = None
    internal: bool = False
    attachable: bool = False
    mtu: int | None = None
    labels: tuple[tuple[str, str], ...] = ()
    driver_options: tuple[tuple[str, str], ...] = ()
    hosts: tuple[str, ...] | None = None


@dataclasses.dataclass(frozen=True)
class PolicyLine:
    """One permission: new flows of ``protocol`` from any of ``sources`` to ``ports`` of any of ``targets``.

    ``protocol`` is tcp, udp, icmp or any; ``ports`` are inclusive ranges, empty for all. Replies always pass.
    """

    sources: tuple[str, ...]
    targets: tuple[str, ...]
    protocol: str
    ports: tuple[tuple[int, int], ...]
    path: str

    def __str__(self) -> str:
        what = self.protocol
        if self.ports:
            what += "/" + ",".join(str(low) if low == high else f"{low}-{high}" for low, high in self.ports)
        return f"{', '.join(self.sources)} -> {', '.join(self.targets)}: {what}"


@dataclasses.dataclass(frozen=True)
class Host:
    """A host of the fleet. ``underlay`` is its address for the other hosts, ``link`` the L2 segment it lies on."""

    name: str
    underlay: str
    link: str = "default"
    networks: tuple[Network, ...] = ()


@dataclasses.dataclass(frozen=True)
class Fleet:
    """The fleet-wide declaration."""

    supernet: Prefix
    host_prefix_length: int
    network_prefix_length: int
    networks: tuple[Network, ...] = ()
    policy: tuple[PolicyLine, ...] = ()
    backend: str = "host_gw"
    default_bridge: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    reservations: tuple[tuple[str, Prefix], ...] = ()


def unknown_variables(names: t.Iterable[str]) -> list[str]:
    """Those of the variables' names that begin like ours but are none of ours: typos, nearly always."""
    known = {PREFIX + key for key in FLEET_KEYS + HOST_KEYS + RUN_KEYS}
    return [name for name in names if name.startswith(PREFIX) and name not in known]


def refuse_unknown_variable(name: str, value: object, host: str | None) -> InvalidValue:
    """The error for a variable that :func:`unknown_variables` found."""
    known = [PREFIX + key for key in FLEET_KEYS + HOST_KEYS + RUN_KEYS]
    return InvalidValue(name, value, f"unknown variable; {nearest(name, known)}", host)


def parse_fleet(
    variables: t.Mapping[str, t.Any],
    leased_host_length: int | None = None,
    leased_length: t.Callable[[str], int | None] = lambda name: None,
) -> Fleet:
    """The fleet-wide variables (without prefix: ``supernet``, ...) to a Fleet, or InvalidValue.

    A length that is not declared is the one that is leased already (``leased_host_length`` for hosts' blocks,
    ``leased_length`` of a network's name), so that a changed default moves nothing.
    """
    prefixed = {PREFIX + key: value for key, value in variables.items()}
    fields = Fields(prefixed, "", [PREFIX + key for key in FLEET_KEYS])
    supernet = fields.prefix(PREFIX + "supernet", version=4)
    host_length = fields.integer(PREFIX + "host_prefix_length", leased_host_length or 20, 8, 30)
    network_length = fields.integer(PREFIX + "network_prefix_length", 24, 9, 30)
    if host_length < supernet.length:
        raise fields.fail(
            PREFIX + "supernet",
            f"is too small: it holds no block of /{host_length} ({PREFIX}host_prefix_length)",
        )
    # docker0, at least one network, and as much again for the engine's own pools
    if network_length < host_length + 2:
        raise InvalidValue(
            PREFIX + "network_prefix_length",
            network_length,
            f"a host's block of /{host_length} holds fewer than four networks of this length; use /{host_length + 2} "
            f"or longer, or a shorter {PREFIX}host_prefix_length",
        )
    networks = _parse_networks(
        fields.items(PREFIX + "networks"), PREFIX + "networks", lambda name: leased_length(name) or network_length
    )
    policy = tuple(
        _parse_policy_line(line, f"{PREFIX}policy[{number}]", networks)
        for number, line in enumerate(fields.items(PREFIX + "policy"))
    )
    return Fleet(
        supernet=supernet,
        host_prefix_length=host_length,
        network_prefix_length=network_length,
        networks=networks,
        policy=policy,
        backend=fields.choice(PREFIX + "backend", ("host_gw", "none"), "host_gw"),
        default_bridge=_parse_default_bridge(fields),
        reservations=_parse_reservations(fields, supernet, host_length),
    )


def _parse_default_bridge(fields: Fields) -> dict[str, t.Any]:
    config = fields.mapping(PREFIX + "default_bridge")
    for key in ("bip", "default_address_pools"):
        if key in config:
            raise InvalidValue(
                f"{PREFIX}default_bridge.{key}",
                config[key],
                "comes from the host's block of the supernet and cannot be given here",
            )
    return config


def _parse_reservations(fields: Fields, supernet: Prefix, host_length: int) -> tuple[tuple[str, Prefix], ...]:
    key = PREFIX + "reservations"
    values = fields.mapping(key)
    inner = Fields(values, key, list(values))
    reservations = []
    for host in sorted(values):
        block = inner.prefix(host, version=4)
        if block.length != host_length:
            raise inner.fail(host, f"has to be a block of /{host_length} ({PREFIX}host_prefix_length)")
        if not supernet.contains(block):
            raise inner.fail(host, f"lies outside of the supernet {supernet}")
        reservations.append((host, block))
    return tuple(reservations)


def _parse_networks(
    items: list[t.Any], path: str, default_length: t.Callable[[str], int], host: str | None = None
) -> tuple[Network, ...]:
    networks: list[Network] = []
    names: dict[str, str] = {}
    bridges: dict[str, str] = {}
    for number, item in enumerate(items):
        network = _parse_network(item, f"{path}[{number}]", default_length, host)
        for seen, value, what in ((names, network.name, "name"), (bridges, network.bridge_name, "bridge_name")):
            if value in seen:
                raise InvalidValue(
                    f"{network.path}.{what}", value, f"is taken already by {seen[value]}; give it another", host
                )
            seen[value] = network.path
        networks.append(network)
    return tuple(networks)


def _parse_network(item: t.Any, path: str, default_length: t.Callable[[str], int], host: str | None) -> Network:
    if isinstance(item, str):  # the name alone is a complete declaration
        item = {"name": item}
    fields = Fields(item, path, _NETWORK_KEYS, host)
    name = fields.text("name")
    if not _NAME.match(name):
        raise fields.fail("name", "has to begin with a letter or digit and hold only letters, digits, '_', '.', '-'")
    if name in _RESERVED_NAMES:
        raise fields.fail("name", "is reserved; choose another name")
    bridge_name = fields.text("bridge_name", None) or default_bridge_name(name)
    if len(bridge_name) > BRIDGE_NAME_MAX or "/" in bridge_name or bridge_name.split() != [bridge_name]:
        raise fields.fail("bridge_name", f"is no name of a link: at most {BRIDGE_NAME_MAX} characters, no '/', no space")
    subnet = fields.prefix("subnet", None, version=4)
    if subnet and fields.has("prefix_length"):
        raise fields.fail("prefix_length", f"the pinned subnet {subnet} has a length already; leave one of the two out")
    if host and not subnet:
        raise fields.fail("subnet", "is required for a network of one host")
    length = subnet.length if subnet else fields.integer("prefix_length", default_length(name), 9, 30)
    return Network(
        name=name,
        path=path,
        bridge_name=bridge_name,
        prefix_length=length,
        subnet=subnet,
        gateway=_parse_gateway(fields, subnet, length),
        internal=fields.boolean("internal", False),
        attachable=fields.boolean("attachable", False),
        mtu=fields.integer("mtu", None, 68, 65535),
        labels=_texts(fields, "labels"),
        driver_options=_texts(fields, "driver_options"),
        hosts=(host,) if host else fields.names("hosts", None),
    )


def _parse_gateway(fields: Fields, subnet: Prefix | None, length: int) -> int | None:
    """The gateway as an offset into the network's subnet; negative counts from its end."""
    value = fields.raw("gateway")
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        size = 1 << (32 - length)
        if not (1 <= value <= size - 2 or 1 - size <= value <= -2):
            raise fields.fail("gateway", f"a subnet of /{length} has host addresses 1 to {size - 2}, or -2 downwards")
        return value
    _, address = fields.address("gateway")
    if subnet is None:
        raise fields.fail(
            "gateway",
            "the network has a subnet of its own on every host; give the gateway's number in it (1, or -2 for the "
            "last but one), or pin the network's subnet",
        )
    if not subnet.has(address):
        raise fields.fail("gateway", f"lies outside of its subnet {subnet}")
    if address in (subnet.address, subnet.last):
        raise fields.fail("gateway", f"is the first or last address of its subnet {subnet}, which no host can have")
    return address - subnet.address


def _texts(fields: Fields, key: str) -> tuple[tuple[str, str], ...]:
    values = fields.mapping(key)
    for name, value in values.items():
        if isinstance(value, (dict, list)) or value is None:
            raise InvalidValue(f"{fields.at(key)}.{name}", value, "has to be a text", fields.host)
    return tuple(
        (str(name), str(value).lower() if isinstance(value, bool) else str(value))
        for name, value in sorted(values.items())
    )


def default_bridge_name(network: str) -> str:
    """``fn-NAME``; a name that is too long for a link keeps its beginning and a hash."""
    name = f"fn-{network}"
    if len(name) <= BRIDGE_NAME_MAX:
        return name
    return f"fn-{network[:6]}-{hashlib.sha256(network.encode()).hexdigest()[:5]}"


def _parse_policy_line(item: t.Any, path: str, networks: tuple[Network, ...]) -> PolicyLine:
    fields = Fields(item, path, _POLICY_KEYS)
    known = [*(network.name for network in networks), ANY, DEFAULT_BRIDGE]
    anything = tuple(network.name for network in networks if not network.internal)
    ends = []
    for key in ("from", "to"):
        names = fields.names(key)
        for name in names:
            if name not in known:
                raise fields.fail(key, f"no network {name!r} is declared; {nearest(name, known)}")
        ends.append(anything if ANY in names else names)
    ports = _parse_ports(fields)
    protocol = fields.choice("protocol", ("any", "icmp", "tcp", "udp"), "tcp" if ports else "any")
    if ports and protocol not in ("tcp", "udp"):
        raise fields.fail("ports", f"go with protocol tcp or udp, not with {protocol}")
    return PolicyLine(ends[0], ends[1], protocol, ports, path)


def _parse_ports(fields: Fields) -> tuple[tuple[int, int], ...]:
    value = fields.raw("ports")
    if value is None:
        return ()
    entries = value if isinstance(value, (list, tuple)) else [value]
    ranges = []
    for entry in entries:
        found = re.match(r"^(\d+)(?:-(\d+))?$", str(entry)) if not isinstance(entry, bool) else None
        low, high = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
        if not 1 <= low <= high <= 65535:
            raise fields.fail("ports", f"{entry!r} is no port (1 to 65535) and no range (8000-8010)")
        ranges.append((low, high))
    return _merged(ranges)


def _merged(ranges: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Sorted, overlapping and adjoining ranges joined."""
    merged: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return tuple(merged)


def parse_host(name: str, variables: t.Mapping[str, t.Any], ansible_host: object) -> Host:
    """One host's variables (without prefix) to a Host; its address for the others defaults to ``ansible_host``."""
    prefixed = {PREFIX + key: value for key, value in variables.items()}
    fields = Fields(prefixed, "", [PREFIX + key for key in HOST_KEYS], name)
    key = PREFIX + "underlay_address"
    if fields.has(key):
        fields.address(key)
        underlay = str(fields.raw(key))
    else:
        underlay = str(ansible_host) if ansible_host is not None else ""
        try:
            parse_address(underlay)
        except ValueError:
            raise InvalidValue(
                key,
                None,
                f"is missing, and ansible_host ({ansible_host!r}) is no IP address to take in its place; "
                "set the address at which the other hosts reach this one",
                name,
            ) from None
    return Host(
        name=name,
        underlay=underlay,
        link=fields.text(PREFIX + "link", "default"),
        # their subnets are pinned, so no length is ever taken from a default
        networks=_parse_networks(fields.items(PREFIX + "host_networks"), PREFIX + "host_networks", lambda _: 24, name),
    )
