# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The bridges of undeclared networks, by the names that Docker gives, and rules for their packets. Pure."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.addressing import Prefix, parse_address
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.nft_text import quoted

# What Docker names the bridge of a network that has no bridge name of its own.
_DOCKERS_PREFIX = "br-"
_DOCKERS_NAME = re.compile(r"br-[0-9a-f]{12}\Z")


def may_be_dockers(bridges: t.Iterable[str]) -> list[str]:
    """The bridges whose names begin as those of Docker, but that Docker itself did not name.

    Each is that of a network with a bridge name of its own, or not Docker's, as an uplink named br-lan.
    """
    return [name for name in bridges if name.startswith(_DOCKERS_PREFIX) and not _DOCKERS_NAME.match(name)]


def uplinks(links: t.Iterable[t.Mapping[str, t.Any]], hosts: t.Collection[tuple[int, int]]) -> set[str]:
    """The bridges by which this host reaches others of the fleet, and whose names begin as those of Docker.

    A user may give such a bridge to a network of Docker: what arrives there comes from the underlay in any case.
    ``links`` are those of network_info, ``hosts`` the addresses of all hosts (IP version, number).
    """
    found = set()
    for link in links:
        for text in link["addresses"] if link["name"].startswith(_DOCKERS_PREFIX) else ():
            own, subnet = parse_address(text.partition("/")[0]), Prefix.holding(text)
            others = (host for host in hosts if host[0] == subnet.version and host != own)
            if own in hosts and any(subnet.has(number) for _version, number in others):
                found.add(link["name"])
    return found


def undeclared_bridges(direction: str, others: t.Collection[str]) -> str:
    """The expression for packets from (iif) or to (oif) the bridges of undeclared networks, new ones included.

    ``others`` are other bridges with such a name.
    """
    beside = f" {direction}name != {quoted(others)}" if others else ""
    return f'{direction}name "{_DOCKERS_PREFIX}*"{beside} meta {direction}kind "bridge"'


def to_undeclared(others: t.Collection[str]) -> str:
    """The rule for packets to the networks of others on this host, which engines before 27 isolate in IPv4 only."""
    return f'{undeclared_bridges("oif", others)} counter drop comment "undeclared network"'


def from_undeclared(to_fleet: str, others: t.Collection[str], docker0: t.Collection[str]) -> list[str]:
    """Rules of the forward hook: undeclared networks do not reach containers of the fleet on other hosts.

    A host on which the policy is in effect drops these packets as not published. This one has a route to the others
    before it is, and engines before 28 accept packets that are routed to a container. ``to_fleet`` matches the packets,
    ``docker0`` are its names.
    """
    ends = [undeclared_bridges("iif", others), *([f"iifname {quoted(docker0)}"] if docker0 else [])]
    return [f'{to_fleet} ct status ! dnat {end} counter drop comment "not published"' for end in ends]
