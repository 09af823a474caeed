# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The chains for connections to published ports that the host itself accepts, for docker-proxy. Pure.

docker-proxy connects to the container from the host: it serves IPv6 clients of networks without IPv6, containers of the
same network, and all clients while Docker's NAT rules are missing. Here their source is judged as that of a forwarded
packet. The reconciler maps each published port of the host to the chain of its service.
"""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.policy_line import (
    WORLD,
    PolicyLine,
    is_block,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.blocks import named_blocks
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.filled_sets import (
    ADOPTABLE,
    PUBLISHED,
    PUBLISHED_AT,
    bridges_of,
    map_definitions,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.names import TABLES
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.nft_text import braced, comment, quoted
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.policy import INGRESS, Policy
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.published_services import (
    Service,
    bridge_of,
    service_comment,
)

# The protocols of published ports.
_PROTOCOLS = ("tcp", "udp", "sctp")
_LAST_PORT = 65535


class Sources(t.NamedTuple):
    """How sources are matched in one IP version.

    ``fleet`` is the expression for the fleet's containers, None in a fleet without this version. ``networks`` are the
    expressions of networks, ``blocks`` those of blocks of this version.
    """

    version: int
    fleet: str | None
    networks: t.Mapping[str, str]
    blocks: t.Mapping[str, str]


def published_chains(
    policy: Policy, sources: Sources, bridges: t.Mapping[str, t.Sequence[str]], adoptable: t.Collection[str] = ()
) -> list[str]:
    """The lines of the maps and chains, for the networks with ``bridges`` on this host.

    Other programs may create the ``adoptable`` ones, with other bridges.
    """
    services: list[Service] = []
    chains: list[str] = []
    # A container of any network has them, and they show neither the network nor that it is not the world.
    sets = ["bridges", *([ADOPTABLE] if adoptable else [])] if sources.version == 6 else []
    link_local = [f"ip6 saddr fe80::/10 iifname @{name}" for name in sets]
    names = f"\t\telements = {quoted(each for names in bridges.values() for each in names)}"
    for network, own in sorted(bridges.items()):
        limited, again = network in policy.limited.get(INGRESS, ()), network in adoptable
        ends = [braced([f'"{bridge}"' for bridge in own]), *([f"@{bridges_of(network)}"] if again else [])]
        known: dict[tuple[PolicyLine, ...], str] = {}
        for protocol in _PROTOCOLS:
            for low, high, lines in _services(policy, network, protocol):
                if lines not in known:
                    known[lines] = f"published_{network}_{len(known)}"
                    chains += _chain(known[lines], network, ends, lines, policy, sources, link_local)
                places = [bridge_of(network)] if again else own
                services += [Service(place, protocol, low, high, known[lines], limited) for place in places]
    ip = TABLES[sources.version].split()[0]
    return [
        *(["\tset bridges {", "\t\ttype ifname", names, "\t}"] if link_local else []),
        *(f"\t{service_comment(service)}" for service in services),
        *chains,
        *map_definitions(ip),
        "\tchain published {",
        "\t\ttype filter hook input priority filter - 2; policy accept;",
        '\t\tiifname "lo" accept',
        "\t\tct direction reply accept",
        f"\t\t{ip} daddr . meta l4proto . th dport vmap @{PUBLISHED_AT}",
        f"\t\tmeta l4proto . th dport vmap @{PUBLISHED}",
        "\t}",
    ]


def sources_without_ipv6(policy: Policy) -> Sources:
    """The sources of IPv6 connections in a fleet without IPv6."""
    return Sources(6, None, {}, {str(block): f"ip6 saddr {block}" for block in named_blocks(policy, 6)})


def _services(policy: Policy, network: str, protocol: str) -> t.Iterator[tuple[int, int, tuple[PolicyLine, ...]]]:
    """The ranges of a network's ports, and the lines to it that cover each."""
    lines = [line for line in policy.lines if network in line.targets]
    edges = {edge for line in lines for low, high in line.ports for edge in (low, high + 1)}
    starts = sorted({0, *edges} - {_LAST_PORT + 1})
    covered = [(low, tuple(line for line in lines if line.covers(protocol, low))) for low in starts]
    first = [each for each, before in zip(covered, [None, *covered]) if before is None or before[1] != each[1]]
    for (low, found), after in zip(first, [*(low for low, _lines in first[1:]), _LAST_PORT + 1]):
        yield low, after - 1, found


def _chain(
    name: str,
    network: str,
    bridges: t.Sequence[str],
    lines: t.Iterable[PolicyLine],
    policy: Policy,
    sources: Sources,
    link_local: t.Sequence[str],
) -> list[str]:
    denied = f'counter drop comment "{comment(f"not declared: -> {network}")}"'
    rules = [f"iifname {each} accept" for each in bridges]
    rules += [f"{each} {denied}" for each in link_local]
    if policy.spans_hosts(network) and network in sources.networks:
        rules.append(f"{sources.networks[network]} accept")
    for line in lines:
        named = comment(f"{line.path}: {line}")
        rules += [f'{match}accept comment "{named}"' for match in _matches(line, sources)]
    if sources.fleet is not None:
        rules.append(f"{sources.fleet} {denied}")
    if network in policy.limited.get(INGRESS, ()):
        rules.append(f'counter drop comment "{comment(f"not declared: {WORLD} -> {network}")}"')
    else:
        rules.append("accept")
    return [f"\tchain {name} {{", *(f"\t\t{rule}" for rule in rules), "\t}"]


def _matches(line: PolicyLine, sources: Sources) -> t.Iterator[str]:
    """Expressions for the sources of a line, each with a space after it if it is not empty."""
    for source in line.sources:
        if source == WORLD:
            yield "" if sources.fleet is None else sources.fleet.replace("saddr", "saddr !=", 1) + " "
        elif is_block(source):
            if source in sources.blocks:
                yield f"{sources.blocks[source]} "
        elif source in sources.networks:
            yield f"{sources.networks[source]} "
