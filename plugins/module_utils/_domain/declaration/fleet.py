# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The declaration: inventory variables, parsed to frozen records.

The parser checks everything that does not depend on leases or on hosts' state: keys, types, names, references between
policy and networks, addresses within their subnets. The plan checks the address blocks.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.addressing import (
    Prefix,
    format_address,
    overlapping,
    parse_address,
    single,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.api_access import ApiAccess
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.api_access_parser import (
    parse_api_access,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.default_bridge import (
    parse_default_bridge,
    parse_host_default_bridge,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.keys import (
    FLEET_KEYS,
    HOST_KEYS,
    PREFIX,
    RUN_KEYS,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.network import Network, parse_networks
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.network_addresses import (
    LENGTH_V6,
    ON_THE_LAN,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.policy_line import PolicyLine
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.policy_parser import parse_policy
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.supernet import (
    PUBLIC,
    supernet_problem,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import (
    ErrorList,
    InvalidValue,
    named_hosts,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.fields import Fields, nearest
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.conflicts import rejects_shared_parent


@dataclasses.dataclass(frozen=True)
class Host:
    """A host of the fleet. ``underlay`` is its address for the other hosts, ``link`` its L2 segment.

    ``underlay_v6`` is the gateway to its IPv6 blocks; None if it has no IPv6 address.
    ``other_addresses`` are further ones at which containers of other hosts may reach its published ports.
    ``default_bridge`` are options of the daemon in place of the fleet's.
    """

    name: str
    underlay: str
    link: str = "default"
    networks: tuple[Network, ...] = ()
    underlay_v6: str | None = None
    other_addresses: tuple[str, ...] = ()
    default_bridge: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)

    @property
    def addresses(self) -> list[str]:
        """All addresses of the host, each once."""
        return list(dict.fromkeys(filter(None, (self.underlay, self.underlay_v6, *self.other_addresses))))


class Scheme(t.NamedTuple):
    """The supernet of one IP version, and the prefix lengths of hosts' blocks and of networks in it."""

    supernet: Prefix
    host_prefix_length: int
    network_prefix_length: int


@dataclasses.dataclass(frozen=True)
class Fleet:
    """The fleet-wide declaration. ``schemes`` has one entry per supernet, IPv4 first."""

    schemes: tuple[Scheme, ...]
    networks: tuple[Network, ...] = ()
    policy: tuple[PolicyLine, ...] = ()
    backend: str = "host_gw"
    default_bridge: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    reservations: t.Mapping[str, tuple[Prefix, ...]] = dataclasses.field(default_factory=dict)
    api_access: ApiAccess = dataclasses.field(default_factory=ApiAccess)
    closes_metadata: bool = False
    isolates_spoofing: bool = False
    adopts: bool = False

    @property
    def supernet(self) -> Prefix:
        """The IPv4 supernet; that of IPv6 in a fleet without IPv4."""
        return self.schemes[0].supernet

    @property
    def host_prefix_length(self) -> int:
        """The prefix length of a host's block of :attr:`supernet`."""
        return self.schemes[0].host_prefix_length


_KNOWN_VARIABLES = frozenset(PREFIX + key for key in FLEET_KEYS + HOST_KEYS + RUN_KEYS)


def unknown_variables(names: t.Iterable[str]) -> list[str]:
    """Return the names with this collection's prefix that are not its variables, usually typos."""
    return [name for name in names if name.startswith(PREFIX) and name not in _KNOWN_VARIABLES]


def warn_unknown_variable(name: str, hosts: t.Sequence[str]) -> str:
    """The warning for a variable that :func:`unknown_variables` found: a typo, or a user's own."""
    return f"{named_hosts(hosts)}: {name}: unknown variable, which has no effect. {nearest(name, _KNOWN_VARIABLES)}"


def parse_fleet(
    variables: t.Mapping[str, t.Any],
    leased_host_length: t.Callable[[int], int | None] = lambda _: None,
    leased_length: t.Callable[[str], int | None] = lambda _: None,
    collected: ErrorList | None = None,
) -> Fleet:
    """Parse the fleet-wide variables (without prefix: ``supernet``, ...). Raises InvalidValue, or InvalidValues.

    With ``collected``, appends the errors to it instead and returns what is valid, without a policy.

    An undeclared prefix length is that of the leases (``leased_host_length`` for hosts' blocks of an IP version,
    ``leased_length`` for a network's IPv4 subnets), so that a new default moves nothing.
    """
    prefixed = {PREFIX + key: value for key, value in variables.items()}
    fields = Fields(prefixed, "", [PREFIX + key for key in FLEET_KEYS])
    errors = ErrorList()
    schemes: tuple[Scheme, ...] = ()
    networks: tuple[Network, ...] = ()
    policy: tuple[PolicyLine, ...] = ()
    backend = "none"
    default_bridge: dict[str, t.Any] = {}
    reservations: dict[str, tuple[Prefix, ...]] = {}
    api_access = ApiAccess()
    closes_metadata = isolates_spoofing = adopts = False
    with errors.collect():
        schemes = _parse_schemes(fields, leased_host_length)
    # With an invalid supernet, the rest is checked for the IP versions of the supernets.
    supernets = [scheme.supernet for scheme in schemes] or [
        single(version, 0) for version, key in ((4, "supernet"), (6, "supernet_v6")) if fields.has(PREFIX + key)
    ]
    default_length = 24
    with errors.collect():
        default_length = fields.integer(PREFIX + "network_prefix_length", default_length, 9, 30)
    with errors.collect():
        items = fields.items(PREFIX + "networks")
        networks = parse_networks(
            items,
            PREFIX + "networks",
            lambda name: leased_length(name) or default_length,
            [supernet.version for supernet in supernets] or [4],
            errors=errors,
        )
        invalid = [_name_of(item) for item in items]
        policy = parse_policy(fields.items(PREFIX + "policy"), PREFIX + "policy", networks, supernets, errors, invalid)
    with errors.collect():
        value = fields.raw(PREFIX + "remote_api", {})
        api_access = parse_api_access(value, PREFIX + "remote_api", networks, supernets)
    with errors.collect():
        closes_metadata = fields.choice(PREFIX + "cloud_metadata", ("open", "closed"), "open") == "closed"
    with errors.collect():
        isolates_spoofing = fields.boolean(PREFIX + "isolate_spoofing", False)
    with errors.collect():
        adopts = fields.boolean(PREFIX + "adopt", False)
    with errors.collect():
        default_bridge = parse_default_bridge(fields.raw(PREFIX + "default_bridge", {}))
        _check_bridges(default_bridge, networks)
    with errors.collect():
        backend = fields.choice(PREFIX + "backend", ("host_gw", "none"), "host_gw")
    if schemes:
        with errors.collect():
            reservations = _parse_reservations(fields, schemes)
    if collected is None:
        errors.check()
    else:
        collected.found += errors.found
    lines = () if errors.found else policy
    return Fleet(
        schemes,
        networks,
        lines,
        backend,
        default_bridge,
        reservations,
        api_access,
        closes_metadata,
        isolates_spoofing,
        adopts,
    )


def _name_of(item: t.Any) -> t.Any:
    """The name of a network as declared, which may be invalid."""
    return item.get("name") if isinstance(item, t.Mapping) else item


def _check_bridges(config: t.Mapping[str, t.Any], networks: t.Sequence[Network], host: str | None = None) -> None:
    """Raise InvalidValue if a network has the default bridge as its bridge."""
    for network in networks:
        if network.bridge_name and network.bridge_name == config.get("bridge"):
            reason = f"is the name of the default bridge ({PREFIX}default_bridge.bridge). Choose another name."
            raise InvalidValue(f"{network.path}.bridge_name", network.bridge_name, reason, host)


def check_host(fleet: Fleet, networks: t.Sequence[Network], host: Host) -> None:
    """Raise InvalidValue if the networks of a host, those of the fleet and its own, cannot exist there together.

    Bridge networks never overlap; networks of the LAN's drivers may have the LAN's subnet, but one per host.
    """
    _check_bridges(fleet.default_bridge, host.networks, host.name)
    parents: dict[tuple[str, str], list[Network]] = {}
    for network in networks:
        parent = dict(network.driver_options).get("parent")
        others = parents.setdefault((network.driver, parent or ""), [])
        for other in others if parent else ():
            if rejects_shared_parent(network.driver, network.driver_options, other.driver_options, None):
                raise InvalidValue(
                    f"{network.path}.driver_options.parent",
                    parent,
                    f"is the parent of {other.path} on this host, and the engine does not allow two {network.driver} "
                    "networks on it. Use another interface, for example a VLAN interface, or one network.",
                    host.name,
                )
        others.append(network)
    claims = [(subnet, network) for network in networks if network.driver in ON_THE_LAN for subnet in network.subnets]
    for (held, holder), (inner, network) in overlapping(claims):
        raise InvalidValue(
            f"{network.path}.subnet",
            str(inner),
            f"overlaps {holder.path} ({held}) on this host. Use another subnet, or other hosts.",
            host.name,
        )


def _parse_schemes(fields: Fields, leased_host_length: t.Callable[[int], int | None]) -> tuple[Scheme, ...]:
    errors = ErrorList()
    schemes = []
    public = True  # an invalid consent causes no further error
    with errors.collect():
        public = fields.boolean(PUBLIC, False)
    if fields.has(PREFIX + "supernet") or not fields.has(PREFIX + "supernet_v6"):
        host_length = network_length = 0
        with errors.collect():
            network_length = fields.integer(PREFIX + "network_prefix_length", 24, 9, 30)
        with errors.collect():
            host_length = fields.integer(PREFIX + "host_prefix_length", leased_host_length(4) or 20, 8, 28)
        with errors.collect():
            # docker0, at least one network, and the same number of addresses for the engine's pools
            if network_length and host_length and network_length < host_length + 2:
                raise InvalidValue(
                    PREFIX + "network_prefix_length",
                    network_length,
                    f"is too short: a host's block of /{host_length} contains fewer than four such networks. Use "
                    f"{host_length + 2} or more, or a shorter {PREFIX}host_prefix_length.",
                )
        with errors.collect():
            supernet = _parse_supernet(fields, 4, public, host_length)
            schemes.append(Scheme(supernet, host_length, network_length))
    if fields.has(PREFIX + "supernet_v6"):
        host_length = 0
        with errors.collect():
            host_length = fields.integer(
                PREFIX + "host_prefix_length_v6", leased_host_length(6) or 56, 16, LENGTH_V6 - 2
            )
        with errors.collect():
            supernet = _parse_supernet(fields, 6, public, host_length)
            schemes.append(Scheme(supernet, host_length, LENGTH_V6))
    elif fields.has(PREFIX + "host_prefix_length_v6"):
        reason = f"requires {PREFIX}supernet_v6, which is missing. Set it, or leave this out."
        errors.found.append(fields.fail(PREFIX + "host_prefix_length_v6", reason))
    errors.check()
    return tuple(schemes)


def _parse_supernet(fields: Fields, version: int, public: bool, host_length: int) -> Prefix:
    """The supernet of an IP version. ``host_length`` is the prefix length of hosts' blocks, 0 if it is invalid."""
    suffix = "_v6" if version == 6 else ""
    key = f"{PREFIX}supernet{suffix}"
    supernet: Prefix = fields.prefix(key, version=version)
    fields.check(key, supernet_problem(supernet, public))
    if 0 < host_length < supernet.length:
        raise fields.fail(
            key,
            f"is too small for a block of /{host_length} ({PREFIX}host_prefix_length{suffix}). Use a larger supernet, "
            "or a longer prefix length.",
        )
    return supernet


def _parse_reservations(fields: Fields, schemes: tuple[Scheme, ...]) -> dict[str, tuple[Prefix, ...]]:
    key = PREFIX + "reservations"
    values = fields.mapping(key)
    inner = Fields(values, key, list(values))
    reservations = {}
    errors = ErrorList()
    for host in sorted(values):
        with errors.collect():
            reservations[host] = tuple(_parse_reservation(inner, host, schemes))
    errors.check()
    return reservations


def _parse_reservation(fields: Fields, host: str, schemes: tuple[Scheme, ...]) -> list[Prefix]:
    blocks = fields.prefixes(host)
    if len({block.version for block in blocks}) < len(blocks):
        raise fields.fail(host, "contains two blocks of one IP version. Reserve at most one of each.")
    by_version = {scheme.supernet.version: scheme for scheme in schemes}
    for block in blocks:
        scheme = by_version.get(block.version)
        if scheme is None:
            raise fields.refuse(host, str(block), f"requires an IPv{block.version} supernet. Leave it out.")
        suffix = "_v6" if block.version == 6 else ""
        if block.length != scheme.host_prefix_length:
            raise fields.refuse(
                host,
                str(block),
                f"must be a block of /{scheme.host_prefix_length} ({PREFIX}host_prefix_length{suffix}).",
            )
        if not scheme.supernet.contains(block):
            raise fields.refuse(host, str(block), f"is not in the supernet {scheme.supernet}. Use a block of it.")
    return blocks


_HOST_VARIABLES = tuple(PREFIX + key for key in HOST_KEYS)


def parse_host(name: str, variables: t.Mapping[str, t.Any], ansible_host: object) -> Host:
    """Parse one host's variables (without prefix). Its address for the other hosts defaults to ``ansible_host``."""
    fields = Fields({PREFIX + key: value for key, value in variables.items()}, "", _HOST_VARIABLES, name)
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
                f"is missing, and ansible_host ({ansible_host!r}) is not an IP address. Set the address at which the "
                "other hosts reach this one.",
                name,
            ) from None
    underlay_v6 = underlay if ":" in underlay else None
    key = PREFIX + "underlay_address_v6"
    if fields.has(key):
        if fields.address(key)[0] != 6:
            raise fields.fail(key, "must be an IPv6 address.")
        underlay_v6 = str(fields.raw(key))
    key = PREFIX + "other_addresses"
    others = [format_address(*fields.parse_address(key, text)) for text in fields.names(key, ())]
    own: tuple[Network, ...] = ()
    if fields.has(PREFIX + "host_networks"):
        # Their subnets are pinned, so the default length is never used.
        own = parse_networks(fields.items(PREFIX + "host_networks"), PREFIX + "host_networks", lambda _: 24, host=name)
    options: dict[str, t.Any] = {}
    if fields.has(PREFIX + "host_default_bridge"):
        options = parse_host_default_bridge(fields.raw(PREFIX + "host_default_bridge"), name)
    return Host(name, underlay, fields.text(PREFIX + "link", "default"), own, underlay_v6, tuple(others), options)
