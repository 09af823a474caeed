# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The chains that bind bridges and blocks to their addresses, and ICMP errors to the ends of their flow. Pure.

Both apply to each packet, whatever its connection state. A source is forged if the route back to it does not leave by
the interface that the packet arrived on, unless a container of that bridge has it on another of its networks.
"""

from __future__ import annotations

import types
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.addressing import Prefix
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.policy_line import DEFAULT_BRIDGE
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import InvalidValue
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.egress import EgressSources
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.filled_sets import (
    ADOPTABLE,
    CLOSED_OUT,
    ENDPOINTS,
    INTERNAL,
    LIMITED,
    WITHIN,
    bridges_definition,
    bridges_of,
    set_definitions,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.names import TABLE
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.nft_text import (
    braced,
    prefix_set,
    quoted,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.undeclared import undeclared_bridges
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.interface_name import (
    DOCKER0,
    interface_name_problem,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.ownership import check_ports, is_labeled

# Network -> the name of its bridge on this host.
Bridges = t.Mapping[str, str]

_FORGED = 'fib saddr . iif oif missing counter drop comment "forged source"'
_OF_OTHERS = 'counter drop comment "error about a flow of others"'
ERRORS = {
    4: "icmp type { destination-unreachable, time-exceeded, parameter-problem }",
    6: "icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem }",
}
# IPv6 requires it. IPv4 uses ARP, which does not pass the hooks.
NEIGHBOR_DISCOVERY = "icmpv6 type { nd-router-solicit, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert }"
_LINK_LOCAL = (
    # Duplicate address detection, and what hosts send before they have an address.
    "ip6 saddr :: ip6 daddr ff02::/16 icmpv6 type { nd-neighbor-solicit, nd-router-solicit, mld-listener-report, "
    "mld2-listener-report } accept",
    # Containers do not act as routers for the host or for other containers.
    'icmpv6 type nd-router-advert counter drop comment "router advertisement"',
    # Never routed. The bridge may have no such address, and pass frames of this kind between its containers.
    "ip6 saddr fe80::/10 ip6 daddr { fe80::/10, ff02::/16 } accept",
)


class Local(t.NamedTuple):
    """What the rules of a host depend on besides the policy.

    ``subnets`` are those of the host's declared networks that are not internal, ``bridges`` those of all of its
    networks, ``internal`` those of its internal networks. Packets to the outside are masqueraded, or have another
    source by ``sources``. ``controller`` is the address of the Ansible controller as this host sees it.
    ``routed`` are the subnets of undeclared networks to which the engine lets packets be routed, None if it does not.
    ``other_bridges`` are bridges that are not those of undeclared networks, but whose names begin as those of Docker.
    ``adopted`` are the bridges of networks that this collection did not create, by network. If it recreates one, that
    has the bridge of ``bridges``, so the rules contain both. ``adoptable`` are all networks that other programs may
    create, now or later: then the reconciler finds their bridges.
    """

    subnets: t.Sequence[Prefix]
    bridges: Bridges
    internal: t.Collection[str] = ()
    sources: EgressSources = types.MappingProxyType({})
    controller: str | None = None
    routed: t.Sequence[Prefix] | None = None
    other_bridges: t.Collection[str] = ()
    adopted: Bridges = types.MappingProxyType({})
    adoptable: t.Collection[str] = ()

    @property
    def by_network(self) -> dict[str, list[str]]:
        """The bridges that each network has or may have."""
        return {
            name: [bridge, *([self.adopted[name]] if name in self.adopted else [])]
            for name, bridge in self.bridges.items()
        }

    def adoptable_with(self, bridges: t.Collection[str]) -> list[str]:
        """The adoptable networks with one of these bridges. If another program creates one again, it has another."""
        return [name for name, own in self.by_network.items() if name in self.adoptable and {*own} & {*bridges}]

    @property
    def all_bridges(self) -> list[str]:
        """The bridges that networks have or may have."""
        return [bridge for bridges in self.by_network.values() for bridge in bridges]

    @property
    def from_all(self) -> list[str]:
        """Expressions for packets from the bridges that networks have or may have, or have now."""
        return [from_bridges(self.all_bridges), *([f"iifname @{ADOPTABLE}"] if self.adoptable else [])]

    @property
    def from_internal(self) -> list[str]:
        """The same for internal networks. In a fleet without this IP version, no table has their bridges."""
        again = [f"iifname @{INTERNAL}"] if self.adoptable_with(self.internal) else []
        return [from_bridges(self.internal), *again] if self.internal else []


def parse_bridges(variable: str, value: t.Mapping[str, t.Any]) -> dict[str, str]:
    """Read the bridges by network; docker0 is always included. Raises InvalidValue."""
    found = {DEFAULT_BRIDGE: DOCKER0}
    for network, name in value.items():
        problem = interface_name_problem(str(name))
        if problem is not None:
            raise InvalidValue(f"{variable}.{network}", name, problem)
        found[str(network)] = str(name)
    return found


def adopted_bridges(
    variable: str,
    names: t.Iterable[str],
    bridges: Bridges,
    networks: t.Iterable[t.Mapping[str, t.Any]],
    ports: t.Mapping[str, t.Sequence[str]],
) -> dict[str, str]:
    """The bridges of networks without the label of this collection, if other than declared.

    ``names`` are networks that may be adopted, ``networks`` what network_info reports, ``ports`` those of bridges
    that are not containers' interfaces. Raises InvalidValue for a name that is not in ``bridges``, and for a bridge
    with such a port.
    """
    there = {each["name"]: each["bridge"] for each in networks if each["bridge"] and not is_labeled(each["labels"])}
    found = {}
    for number, name in enumerate(names):
        if name not in bridges:
            raise InvalidValue(f"{variable}[{number}]", name, "is not in bridges. Add its bridge there")
        if name in there:
            check_ports(f"{variable}[{number}]", name, there[name], ports)
        if there.get(name, bridges[name]) != bridges[name]:
            found[name] = there[name]
    return found


def internal_bridges(
    variable: str, networks: t.Iterable[str], bridges: Bridges, adopted: Bridges = types.MappingProxyType({})
) -> list[str]:
    """The bridges of internal networks, with those of ``adopted`` ones.

    Raises InvalidValue for a network that is not in ``bridges``.
    """
    found = []
    for number, network in enumerate(networks):
        if network not in bridges:
            raise InvalidValue(f"{variable}[{number}]", network, "is not in bridges. Add its bridge there")
        found += [bridges[network], *([adopted[network]] if network in adopted else [])]
    return found


# A bridge hands frames to these addresses (IEEE 802.1Q, reserved) to the host as from the port, not as from the bridge.
_RESERVED = 'ether daddr & ff:ff:ff:ff:ff:f0 == 01:80:c2:00:00:00 counter drop comment "reserved group address"'

# Without docker-proxy, the engine sets route_localnet on bridges. IPv6 has no such switch.
_LOOPBACK = 'ip daddr 127.0.0.0/8 counter drop comment "loopback address of the host"'


def within_bridges(local: Local) -> list[str]:
    """The rules of the forward hook for frames within one bridge, which br_netfilter passes to it.

    They include neighbor discovery, whose targets are multicast addresses.
    """
    pairs = ", ".join(f'"{name}" . "{name}"' for name in sorted(set(local.all_bridges)))
    ends = [f"{{ {pairs} }}", *([f"@{WITHIN}"] if local.adoptable else [])]
    return [f"iifname . oifname {each} accept" for each in ends]


def isolation(local: Local) -> list[str]:
    """Rules of the forward hook: nothing is routed from or to internal bridges, whatever its connection state.

    Docker isolates them as well, but not in IPv6 with engines before 27. Frames within one bridge, which br_netfilter
    passes to this hook, are not routed.
    """
    if not local.internal:
        return []
    rule = 'fib daddr . iif oif missing counter drop comment "internal network"'
    bridges = [quoted(local.internal), *([f"@{INTERNAL}"] if local.adoptable_with(local.internal) else [])]
    return [f"{end} {names} {rule}" for names in bridges for end in ("iifname", "oifname")]


def source_chains(
    ip: str,
    fleet: str | None,
    own_block: Prefix | None,
    local: Local,
    definitions: t.Sequence[str] = (),
    kept: t.Sequence[str] = (),
) -> list[str]:
    """The chains that drop forged sources, before connection tracking and NAT.

    ``ip`` is ip or ip6, ``fleet`` the set of the fleet's addresses, None in a fleet without this version, ``own_block``
    the block of this host, ``kept`` the rules for subnets outside of the supernet, which use ``definitions``.
    """
    internal = local.adoptable_with(local.internal)
    again = dict.fromkeys((WITHIN, ADOPTABLE), local.adoptable) if local.adoptable else {}
    again.update((bridges_of(name), [name]) for name in sorted(local.adoptable))
    lines = [
        *set_definitions(ip),
        *definitions,
        *(line for name, networks in again.items() for line in bridges_definition(ip, name, networks)),
        *(bridges_definition(ip, INTERNAL, internal) if fleet is not None and internal else []),
        "\tchain sources {",
        "\t\ttype filter hook prerouting priority raw - 1; policy accept;",
        f"\t\t{_RESERVED}",
        *(f"\t\t{each} goto bound" for each in local.from_all),
        *(f"\t\t{rule}" for rule in kept),
        f"\t\t{undeclared_bridges('iif', local.other_bridges)} goto bound",
    ]
    if fleet is not None:
        lines.append(f"\t\t{ip} saddr {fleet} {_FORGED}")
    if own_block is not None:
        # The default route may lead to addresses of the block that no network has. Networks that are not declared may
        # have an interface of these kinds on the host.
        lines += [
            '\t\tmeta iifkind { "bridge", "ipvlan", "macvlan" } accept',
            f'\t\t{ip} saddr {own_block} iifname != "lo" counter drop comment "forged source"',
        ]
    first = _LINK_LOCAL if ip == "ip6" else (_LOOPBACK,)
    bound = [*first, f"iifname . ether saddr . {ip} saddr @{ENDPOINTS} accept", _FORGED]
    return [*lines, "\t}", "\tchain bound {", *(f"\t\t{rule}" for rule in bound), "\t}"]


def from_bridges(bridges: t.Iterable[str]) -> str:
    """The expression for packets from these bridges."""
    return f"iifname {quoted(bridges)}"


def table_without_ipv6(
    local: Local, limited: t.Collection[str], closed_out: t.Collection[str], closed: t.Sequence[str]
) -> str:
    """The IPv6 table of a fleet without IPv6.

    A container can use link-local addresses in any case, and a bridge may have one: bridges of networks without a line
    to the host, ``limited``, do not reach it. A container can also give itself any other address, and the host may
    forward: nothing is forwarded from the bridges ``closed_out``. docker0 has IPv6 addresses if daemon.json gives it
    some. ``closed`` are further chains.
    """
    table = f"ip6 {TABLE}"
    no_ipv6 = 'counter drop comment "no IPv6"'
    again = {CLOSED_OUT: local.adoptable_with(closed_out), LIMITED: local.adoptable_with(limited)}
    lines = [
        f"add table {table}",
        f"delete table {table}",
        f"table {table} {{",
        *source_chains("ip6", None, None, local),
        *(line for name, networks in again.items() if networks for line in bridges_definition("ip6", name, networks)),
        *closed,
        "\tchain input {",
        "\t\ttype filter hook input priority filter - 2; policy accept;",
        *(f"\t\tip6 saddr fe80::/10 {each} {ERRORS[6]} {_OF_OTHERS}" for each in local.from_all),
    ]
    if limited:
        lines += [f"\t\t{NEIGHBOR_DISCOVERY} accept", f"\t\t{from_bridges(limited)} {no_ipv6}"]
        lines += [f"\t\tiifname @{LIMITED} {no_ipv6}"] if again[LIMITED] else []
    lines.append("\t}")
    if closed_out:
        lines += [
            "\tchain forward {",
            "\t\ttype filter hook forward priority filter - 2; policy accept;",
            *(f"\t\t{rule}" for rule in within_bridges(local)),
            f"\t\t{from_bridges(closed_out)} {no_ipv6}",
            *([f"\t\tiifname @{CLOSED_OUT} {no_ipv6}"] if again[CLOSED_OUT] else []),
            "\t}",
        ]
    return "\n".join([*lines, "}"]) + "\n"


def input_chain(
    version: int, fleet: str, own: t.Sequence[Prefix], bridges: t.Sequence[str], dispatch: t.Sequence[str]
) -> list[str]:
    """The chain of what the host itself receives.

    From ``bridges`` (expressions), ICMP errors are accepted about flows of the network only. Those about flows that
    connection tracking does not know are dropped as well: the kernel finds the socket by the packet that the error
    contains.

    ``own`` are the blocks that only this host's containers have as sources, ``dispatch`` are the rules that send what
    networks of this host may only send as lines allow to their chains.

    To the host of the sender, the gateway of a network on another host is an address of this network. Only the other
    host knows it as its own: containers of other hosts reach services of this host at its own address, as lines to that
    address allow.
    """
    ip = "ip" if version == 4 else "ip6"
    lines = [
        "\tchain input {",
        "\t\ttype filter hook input priority filter - 2; policy accept;",
        "\t\tct state established ct direction reply accept",
        "\t\tct state related jump related",
        *(f"\t\t{each} {ERRORS[version]} {_OF_OTHERS}" for each in bridges),
    ]
    if own:
        ends = f"{ip} saddr {fleet} {ip} saddr != {prefix_set(own)} {ip} daddr {prefix_set(own)}"
        lines.append(f'\t\t{ends} counter drop comment "other host -> gateway"')
    if dispatch and version == 6:
        lines.append(f"\t\t{NEIGHBOR_DISCOVERY} accept")
    return [*lines, *dispatch, "\t}"]


class NetworkBits(t.NamedTuple):
    """The values of the bits that identify networks of the supernet, without internal ones, and their mask, as text."""

    supernet: Prefix
    mask: str
    values: tuple[str, ...]


def error_chains(
    version: int, networks: NetworkBits, blocks: t.Sequence[t.Sequence[Prefix]], fleet: str, local: Local
) -> list[str]:
    """The chain ``related``, for packets that are related to a flow. It returns for those that it does not accept.

    An ICMP error from the fleet must come from the network of the flow's end that it is attributed to: ``networks``,
    or ``blocks``, each of which is one network. Other errors come from routers, except those from undeclared networks
    and from link-local addresses on bridges. What a connection tracking helper expects is judged as a new flow.

    Of an internal network, the policy does not know the addresses: it sends the host errors about flows to addresses of
    the supernet that are in no other network.
    """
    ip = "ip" if version == 4 else "ip6"
    lines: list[str] = []
    for direction in ("reply", "original"):
        error = f"{ERRORS[version]} ct direction {direction}"
        end = f"ct {direction} {ip} saddr"
        if networks.values:
            within = f"{ip} saddr {networks.supernet} {end} {networks.supernet}"
            key = f"{ip} saddr & {networks.mask} . {end} & {networks.mask}"
            lines.append(f"{error} {within} {key} @networks goto allowed")
        ends = map(prefix_set, blocks)
        lines += [f"{error} {ip} saddr {block} {end} {block} goto allowed" for block in ends]
        if local.internal:
            other = f"{end} & {networks.mask} != {braced(networks.values)} " if networks.values else ""
            lines += [f"{each} {error} {end} {networks.supernet} {other}accept" for each in local.from_internal]
    lines += [f"{each} return" for each in local.from_internal]
    lines += [f"{ip} saddr {fleet} return", f"{undeclared_bridges('iif', local.other_bridges)} return"]
    if version == 6:
        lines += [f"ip6 saddr fe80::/10 {each} return" for each in local.from_all]
    lines.append(f"{ERRORS[version]} accept")
    definition: list[str] = []
    if networks.values:
        elements = ", ".join(f"{value} . {value}" for value in networks.values)
        kind = f"ipv{version}_addr"
        definition = ["\tset networks {", f"\t\ttype {kind} . {kind}", f"\t\telements = {{ {elements} }}", "\t}"]
    return [*definition, "\tchain related {", *(f"\t\t{line}" for line in lines), "\t}"]
