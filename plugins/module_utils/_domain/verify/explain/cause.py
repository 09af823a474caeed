# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cause of a failed probe, and where its packet was last seen, as records. Pure; cause_text.py has the words."""

from __future__ import annotations

import enum
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.drift.difference import Difference


class CauseKind(enum.Enum):
    """What is wrong: evidence that was read and that by itself explains the failure.

    Each comment names the values of the record. The order is that of the report, the most telling first.
    """

    # At the container.
    NOT_RUNNING = "not_running"  # container
    NO_INTERFACE = "no_interface"  # container
    INTERFACE_DOWN = "interface_down"  # interface, container (None for an interface of the host)
    ADDRESS_MISSING = "address_missing"  # container, interface, address, observed
    NO_DEFAULT_ROUTE = "no_default_route"  # container
    NO_PEER = "no_peer"  # container, interface
    NOT_ON_BRIDGE = "not_on_bridge"  # container, interface, bridge
    ON_ANOTHER_BRIDGE = "on_another_bridge"  # container, interface, bridge, observed
    NO_GATEWAY = "no_gateway"  # container, bridge, gateway, length (of the prefix)
    PORT_BLOCKED = "port_blocked"  # container, interface, bridge, state
    PORTS_ISOLATED = "ports_isolated"  # bridge, interfaces
    DUPLICATE_ADDRESS = "duplicate_address"  # address, owners (texts)
    SMALL_MTU = "small_mtu"  # interface, container (None for an interface of the host), mtu
    # In the container's network namespace.
    DROPPED_INSIDE = "dropped_inside"  # container; table, chain, rule ("" for the chain's policy)
    WRONG_ROUTE_INSIDE = "wrong_route_inside"  # container, destination; error, or type, or gateway, interface, declared
    NO_DNS_RULES = "no_dns_rules"  # container
    # At a published port.
    PORT_HELD = "port_held"  # container, port (of the host, with its address), process, pid
    NOT_PUBLISHED = "not_published"  # container, port
    # In the host's rules: table, chain, rule ("" for the chain's policy).
    DROPPED = "dropped"
    NOT_ACCEPTED = "not_accepted"  # dropped by the chain's policy
    UNTRACKED = "untracked"  # the answer is not part of a known connection
    SOURCE_REWRITTEN = "source_rewritten"
    REDIRECTED = "redirected"
    TABLE_NOT_LOADED = "table_not_loaded"  # table
    DIFFERENT = "different"  # the rules of the host differ from its plan: differences
    PROXIED = "proxied"  # container, port (of the host, with its address)
    SAME_BRIDGE = "same_bridge"  # bridge
    ACCEPTED = "accepted"
    # In the host's routing. With route and routing_rule, as far as they are known and not those of every host.
    NOT_FORWARDING = "not_forwarding"  # sysctl
    DROPPING_ROUTE = "dropping_route"  # destination, type
    WRONG_NEXT_HOP = "wrong_next_hop"  # destination, gateway, interface, target
    REVERSE_PATH = "reverse_path"  # destination, interface, sysctls
    NO_ROUTE = "no_route"  # destination
    UNREACHABLE = "unreachable"  # destination
    LOOKUP_FAILED = "lookup_failed"  # destination, error
    # Between hosts, and between a host and its container.
    FRAMES_DROPPED = "frames_dropped"  # table, chain, rule; protocol (None for packets)
    WRONG_NEIGHBOUR = "wrong_neighbour"  # address, observed; target (a host), or container or inside (its view), mac
    CONNECTIONS_FULL = "connections_full"  # count, most, lost
    QUEUE = "queue"  # interface, container (None for an interface of the host), queue, lost
    NO_NEIGHBOUR = "no_neighbour"  # address, protocol; inside, if a container does not resolve it


class Owner(enum.Enum):
    """The owner of a rule."""

    OURS = "ours"
    DOCKER = "docker"
    FOREIGN = "foreign"


class Cause(t.NamedTuple):
    """What explains a failed probe, and on which host.

    ``values`` are those that :class:`CauseKind` lists. ``owner`` is the rule's. ``differences`` are those between the
    host and its plan that may be related.
    """

    kind: CauseKind
    host: str
    values: t.Mapping[str, t.Any]
    owner: Owner | None = None
    differences: tuple[Difference, ...] = ()

    def to_data(self) -> dict[str, t.Any]:
        """The record as an item of ``causes`` in ``reachability.json``."""
        return {
            "kind": self.kind.value,
            "host": self.host,
            "owner": self.owner.value if self.owner else None,
            "values": dict(self.values),
            "differences": [difference.to_data() for difference in self.differences],
        }


class Location(t.NamedTuple):
    """Where a packet was last seen whose loss nothing explains.

    ``seen`` is the last host that saw it, None if no host did; ``missed`` is the next host on its path, which did not
    see it, None if the last host did. ``answer`` is True for the answer of the target. ``unresolved`` is the address of
    the next host if it does not answer ARP or neighbor solicitations: which of both is at fault is not known. A
    location is not a cause.
    """

    seen: str | None
    missed: str | None
    answer: bool = False
    unresolved: str | None = None

    def to_data(self) -> dict[str, t.Any]:
        """The record as ``last_seen`` in ``reachability.json``."""
        return dict(self._asdict())


class Explanation(t.NamedTuple):
    """What explains a failure; without causes, where the packet was last seen, if that is known."""

    causes: tuple[Cause, ...] = ()
    location: Location | None = None
