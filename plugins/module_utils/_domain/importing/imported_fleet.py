# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What hosts have, as a declaration that changes nothing there. Pure.

The declaration is planned and compared with the reports by the code that plans and applies each declaration. What does
not stay as it is by that is left out, with the reason.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import re
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.addressing import Prefix
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.default_bridge import KEEP
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.fleet import Host, parse_fleet
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.keys import FLEET_KEYS, PREFIX
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import (
    InvalidValue,
    InvalidValues,
    named_hosts,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.importing.crossing import Crossing, find_crossings
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.importing.expressible import (
    LeftOut,
    inexpressible,
    limits_of,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.importing.free_supernet import (
    Space,
    Taken,
    fitting_length,
    free_space,
    length_variables,
    subnet_length,
    take_subnet,
    taken_blocks,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.importing.imported_network import (
    OPTIONAL,
    ImportedNetwork,
    addresses_in_use,
    moved,
    observed_network,
    shape,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.importing.places import (
    HostNetwork,
    Report,
    read_places,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.leases.leases import LeaseBook
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.differences import differences
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.items import parse_items
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.plan.conflicts import (
    Avoided,
    Conflicts,
    plan_around,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.plan.free_blocks import FreeBlocks
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.plan.mtu import fit_to_underlay
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.plan.plan import FleetPlan, make_plan
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.plan.slices import host_slice

_NETWORK = re.compile(rf"{PREFIX}networks\[(\d+)\](?:\.(\w+))?(?:\.(.+))?")
_RANGE_OF_HOST = re.compile(rf"{PREFIX}host_networks\[\d+\]\.ip_range\Z")
# Variables that the import writes. The import refuses a fleet that declares one of them.
WRITTEN = ("networks", "policy")
#: The variables that each import writes, or may write.
GENERATED = ("supernet", "host_prefix_length", "default_bridge", *WRITTEN)
_ORDER = ("supernet", "supernet_v6", *(key for key in FLEET_KEYS if key not in ("supernet", "supernet_v6", *WRITTEN)))

Variables = t.Dict[str, t.Any]


@dataclasses.dataclass(frozen=True)
class FoundFleet:
    """The hosts in the order of the inventory, its groups, and what is declared, reported and leased.

    ``declared`` are fleet-wide variables without their prefix, ``given`` the names of those of the command line, which
    later runs do not have.
    """

    hosts: tuple[Host, ...]
    groups: t.Mapping[str, t.Collection[str]]
    declared: t.Mapping[str, t.Any]
    reports: t.Mapping[str, Report]
    held: LeaseBook | None = None
    given: t.Collection[str] = ()

    @property
    def names(self) -> list[str]:
        return [host.name for host in self.hosts]

    @property
    def unread(self) -> list[str]:
        """The hosts without a report."""
        return [name for name in self.names if not self.reports.get(name)]


@dataclasses.dataclass(frozen=True)
class ImportedFleet:
    """The declaration (``variables``, without prefix), and what it does not contain.

    ``without`` are the reasons for keys that a network's item does not have, by the name of the network. ``publishers``
    are the containers behind the lines of the policy, one entry per line. ``unreached`` are networks that stay
    undeclared and publish ports. ``space`` is None if the supernet was declared.
    """

    variables: Variables
    networks: tuple[ImportedNetwork, ...]
    plan: FleetPlan
    left_out: tuple[LeftOut, ...] = ()
    crossings: tuple[Crossing, ...] = ()
    without: t.Mapping[str, t.Mapping[str, str]] = dataclasses.field(default_factory=dict)
    publishers: tuple[str, ...] = ()
    unreached: tuple[HostNetwork, ...] = ()
    space: Space | None = None
    avoided: tuple[Avoided, ...] = ()

    @property
    def without_lines(self) -> list[HostNetwork]:
        """The places of declared networks, with the published ports there that no line allows."""
        return [place for network in self.networks for place in network.without_lines()]

    @property
    def leases(self) -> LeaseBook:
        """The leases of the plan."""
        return self.plan.leases


def import_fleet(found: FoundFleet) -> ImportedFleet:
    """Return the declaration of what the hosts have.

    Raises InvalidValue if networks are declared already, or if no declaration is possible.
    """
    for key in WRITTEN:
        if found.declared.get(key):
            raise InvalidValue(
                PREFIX + key,
                "...",
                "is declared already, and the import would declare it again. Remove it from the inventory, or do "
                "without the import: adopt: true takes over networks that exist",
            )
    return _Importer(found).run()


class _Importer:
    """The networks that are still to be declared, and those that turned out to be left out."""

    def __init__(self, found: FoundFleet) -> None:
        self._found = found
        self._left_out: list[LeftOut] = []
        self._without: dict[str, dict[str, str]] = {}
        self._avoided: list[Avoided] = []
        places = {host.name: read_places(host.name, found.reports.get(host.name, {})) for host in found.hosts}
        candidates: list[HostNetwork] = []
        fixed: list[HostNetwork] = []
        self._space = self._free_space([place for here in places.values() for place in here])
        limits = limits_of(found.hosts, found.declared, self._supernets(), self._versions())
        for host, here in places.items():
            reasons = inexpressible(here, found.reports.get(host, {}), limits)
            for place in here:
                reason = reasons.get(str(place.network["id"]))
                if reason is not None:
                    self._left_out.append(reason)
                (fixed if reason is not None or place.is_docker0 else candidates).append(place)
        self._all = [place for here in places.values() for place in here]
        candidates = self._alike(candidates, fixed)
        self._crossings = find_crossings(candidates, fixed)
        crossed = {id(each.place) for each in self._crossings}
        self._places = [place for place in candidates if id(place) not in crossed]

    def run(self) -> ImportedFleet:
        while True:
            variables, publishers = self._variables()
            try:
                plan = self._plan(variables)
            except (InvalidValue, InvalidValues) as error:
                self._drop_invalid(error)
                continue
            except Conflicts as conflicts:
                self._drop_conflicts(conflicts)
                continue
            if not self._drop_different(plan):
                break
        return ImportedFleet(
            variables,
            tuple(self._networks()),
            plan,
            tuple(self._left_out),
            tuple(self._with_subnets(plan)),
            self._without,
            tuple(publishers),
            tuple(place for place in self._all if place.services and place not in self._places),
            self._space,
            tuple(self._avoided),
        )

    # -- the declaration

    def _alike(self, candidates: t.Sequence[HostNetwork], fixed: list[HostNetwork]) -> list[HostNetwork]:
        """The networks that have the form that most hosts have; the others are left out and stay where they are."""
        by_name: dict[str, list[HostNetwork]] = {}
        for place in candidates:
            by_name.setdefault(place.name, []).append(place)
        alike = []
        for same in by_name.values():
            forms = collections.Counter(shape(place) for place in same)
            most = max(forms.values())
            chosen = next(shape(place) for place in same if forms[shape(place)] == most)
            for place in same:
                # one gateway's number for both IP versions
                if shape(place) == chosen and (len(same) == 1 or place.on_the_lan or len(chosen[-1]) < 2):
                    alike.append(place)
                    continue
                model = next(each for each in same if shape(each) == chosen)
                self._left_out.append(LeftOut(place, _otherwise(model)))
                fixed.append(place)
        return alike

    def _free_space(self, places: t.Sequence[HostNetwork]) -> Space | None:
        """The IPv4 supernet, if none is declared; None for a fleet of IPv6 only."""
        declared = self._found.declared
        held = self._found.held.of(4) if self._found.held else None
        if declared.get("supernet"):
            return None
        if held is not None:
            return Space(held.supernet, held.host_prefix_length)
        if declared.get("supernet_v6"):
            has_ipv4 = any(subnet.version == 4 for place in places if not place.is_docker0 for subnet in place.subnets)
            if "supernet_v6" not in self._found.given or not has_ipv4:
                return None
        return free_space(self._taken(), len(self._found.hosts))

    def _versions(self) -> set[int]:
        """The IP versions of the supernets that the declaration will have, or that are leased."""
        declared = {version for version, key in ((4, "supernet"), (6, "supernet_v6")) if self._found.declared.get(key)}
        held = {leases.supernet.version for leases in (self._found.held.families if self._found.held else ())}
        return declared | held | ({self._space.supernet.version} if self._space else set())

    def _host_length(self) -> Variables:
        """The prefix length of hosts' blocks, if a declared supernet has too little room for the default one."""
        supernet = next((each for each in self._supernets() if each.version == 4), None)
        if supernet is None or "host_prefix_length" in self._found.declared:
            return {}
        held = self._found.held.host_length(4) if self._found.held else None
        return length_variables(held or fitting_length(supernet, len(self._found.hosts)))

    def _supernets(self) -> list[Prefix]:
        """The supernets that are declared or leased. The plan reports those that are not valid."""
        found = [leases.supernet for leases in (self._found.held.families if self._found.held else ())]
        for key in ("supernet", "supernet_v6"):
            with contextlib.suppress(KeyError, ValueError):
                found.append(Prefix.parse(self._found.declared[key]))
        return found

    def _taken(self) -> list[Taken]:
        """The blocks that the hosts use or reach."""
        reports = self._found.reports
        return [each for host in self._found.hosts for each in taken_blocks(host, reports.get(host.name, {}))]

    def _networks(self) -> list[ImportedNetwork]:
        by_name: dict[str, list[HostNetwork]] = {}
        for place in self._places:
            by_name.setdefault(place.name, []).append(place)
        return [
            ImportedNetwork(name, tuple(places), frozenset(self._without.get(name, ())))
            for name, places in sorted(by_name.items())
        ]

    def _variables(self) -> tuple[Variables, list[str]]:
        """The declaration, and the containers behind each of its policy lines."""
        networks = self._networks()
        variables: Variables = {key: value for key, value in self._found.declared.items() if key in self._found.given}
        variables.update(self._space.variables() if self._space else self._host_length())
        if "default_bridge" not in self._found.declared:
            variables["default_bridge"] = {KEEP: True}
        variables = {key: variables[key] for key in _ORDER if key in variables}
        variables["networks"] = [network.item(self._found.names) for network in networks]
        lines = [line for network in networks for line in network.lines()]
        variables["policy"] = [line.item for line in lines]
        return variables, [line.publishers for line in lines]

    # -- its plan

    def _plan(self, variables: Variables) -> FleetPlan:
        found = self._found
        book = found.held or LeaseBook()
        fleet = parse_fleet({**found.declared, **variables}, book.host_length, book.slot_length)
        self._avoided = []
        plan = plan_around(
            lambda avoid: make_plan(fleet, found.hosts, found.groups, found.held, False, avoid),
            found.reports,
            self._avoided.append,
        )
        return fit_to_underlay(plan, found.reports)

    def _with_subnets(self, plan: FleetPlan) -> t.Iterator[Crossing]:
        """The crossings, each with free subnets that have room for its containers."""
        supernets = [scheme.supernet for scheme in plan.fleet.schemes]
        free = FreeBlocks([*(each.block for each in self._taken()), *supernets])
        for crossing in self._crossings:
            place = crossing.place
            if crossing.keeps:
                yield crossing
                continue
            to = {}
            for subnet in place.subnets:
                found = take_subnet(free, subnet.version, subnet_length(subnet.version, addresses_in_use(place)))
                if found is not None:
                    to[subnet.version] = found
            yield crossing._replace(moved=moved(place, to) if len(to) == len(place.subnets) else None)

    # -- what does not stay as it is

    def _drop(self, dropped: t.Sequence[HostNetwork], reason: str) -> bool:
        """Leave out networks. Return whether there are any."""
        self._left_out += [LeftOut(place, reason) for place in dropped]
        self._places = [place for place in self._places if place not in dropped]
        return bool(dropped)

    def _drop_invalid(self, error: InvalidValue | InvalidValues) -> None:
        """Leave out the networks, or the optional keys of networks, that the plan rejects. Raises other errors."""
        networks = self._networks()
        dropped = False
        for each in error.errors if isinstance(error, InvalidValues) else [error]:
            if _RANGE_OF_HOST.match(each.variable):
                dropped = self._drop_beside(each) or dropped
            where = _NETWORK.match(each.variable)
            if where is None or int(where[1]) >= len(networks):
                continue
            name, key, inner = networks[int(where[1])].name, where[2], where[3]
            reason = f"{each.value!r}: {each.reason.rstrip('.')}"
            if key in OPTIONAL and key not in self._without.get(name, {}):
                self._without.setdefault(name, {})[key] = reason
                dropped = True
            else:
                here = {each.host} if each.host else {inner} if key == "subnets" else set(self._found.names)
                rejected = [place for place in self._places if place.name == name and place.host in here]
                dropped = self._drop(rejected, reason) or dropped
        if not dropped:
            raise error

    def _drop_beside(self, error: InvalidValue) -> bool:
        """Leave out networks on the LAN whose engines would assign addresses of a network declared for another host."""
        declared = Prefix.parse(str(error.value))
        links = {host.name: host.link for host in self._found.hosts}
        dropped = []
        for place in self._places:
            ranged = "ip_range" not in self._without.get(place.name, {})
            assigned = [(ranged and block["ip_range"]) or block["subnet"] for block in place.network["subnets"]]
            beside = place.on_the_lan and place.host != error.host and links[place.host] == links.get(error.host or "")
            if beside and any(Prefix.holding(each).overlaps(declared) for each in assigned):
                dropped.append(place)
        what = f"{error.variable.rpartition('.')[0]} of host {error.host} ({declared})"
        return self._drop(dropped, f"its engine would assign addresses of {what}")

    def _drop_conflicts(self, conflicts: Conflicts) -> None:
        """Leave out networks whose addresses other hosts use otherwise. Raises conflicts of other blocks."""
        dropped = False
        for conflict in conflicts.conflicts:
            claim = conflict.claim
            if claim.leased_by is None:
                what = f"{conflict.finding.what} ({conflict.finding.block}) of {named_hosts(conflict.hosts)}"
                taken = [place for place in self._places if claim.block in place.subnets]
                dropped = self._drop(taken, f"its subnet {claim.block} overlaps {what}") or dropped
        if not dropped:
            raise conflicts

    def _drop_different(self, plan: FleetPlan) -> bool:
        """Leave out networks that differ from the plan of their declaration. Return whether there were any."""
        dropped = False
        for host in plan.hosts:
            here = {place.name: place for place in self._places if place.host == host.name}
            for item in parse_items(host_slice(plan, host)["networks"]):
                place = here.get(item.name)
                if place is None:
                    continue
                found = differences(item, observed_network(place), strict=True)
                if found:
                    reason = "it differs from each possible declaration: " + ", ".join(map(str, found))
                    dropped = self._drop([place], reason) or dropped
        return dropped


def _otherwise(model: HostNetwork) -> str:
    return (
        f"its driver, its IP versions, the number of its gateway or whether it is internal differ from those of the "
        f"network with this name on host {model.host}"
    )
