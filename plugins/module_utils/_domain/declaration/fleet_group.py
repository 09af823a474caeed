# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which inventory group is the fleet of a run, and the names of its files. Pure.

A host is in the fleet that its variable ``docker_fleet_group`` names, by default in ``docker_fleet``, if it is a member
of this group. So an inventory can have several fleets, each a group that sets the variable for its hosts.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.keys import PREFIX
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import (
    FleetnetError,
    InvalidValue,
    named_hosts,
)

VARIABLE = PREFIX + "group"
DEFAULT_GROUP = "docker_fleet"
_NAME = "name your group in the inventory, in the group's variables, or with -e docker_fleet_group=GROUP"

Groups = t.Mapping[str, t.Sequence[str]]


@dataclasses.dataclass(frozen=True)
class Limit:
    """The pattern of ``--limit``, and the hosts of the inventory that it leaves."""

    pattern: str
    hosts: frozenset[str]


def choose_group(groups: Groups, values: t.Mapping[str, t.Any], limit: Limit | None = None) -> str:
    """Return the group of the fleet that a run is for.

    ``values`` are the variables ``docker_fleet_group`` of hosts of the inventory, without those of hosts that have
    none. Raises InvalidValue if a fleet is invalid, or if the inventory has several of which ``limit`` selects none or
    more than one.
    """
    fleets = _fleets(groups, values)
    for fleet in fleets:
        _check_members(fleet, fleets, groups, values)
    if len(fleets) > 1:
        selected = [fleet for fleet in fleets if limit is not None and limit.hosts.intersection(groups[fleet])]
        if len(selected) != 1:
            raise InvalidValue(VARIABLE, ", ".join(fleets), _several(fleets[0], selected, limit))
        fleets = selected
    return check_group(fleets[0] if fleets else DEFAULT_GROUP, groups, limit)


def check_group(group: str, groups: Groups, limit: Limit | None = None) -> str:
    """Return the group. Raises InvalidValue if it is missing or empty, or if ``limit`` excludes all of its hosts."""
    if group not in groups:
        raise InvalidValue(
            VARIABLE, group, f"is not a group of the inventory. Create it with the fleet's hosts, or {_NAME}"
        )
    if not groups[group]:
        raise InvalidValue(VARIABLE, group, "the group is empty. Add the fleet's hosts")
    if limit is not None and not limit.hosts.intersection(groups[group]):
        raise InvalidValue("--limit", limit.pattern, f"excludes all hosts of group {group!r}. Name one of them")
    return group


def check_one_fleet(group: str, hosts: t.Collection[str], path: str, others: t.Mapping[str, t.Collection[str]]) -> None:
    """Raise FleetnetError if a host of this fleet is in another one of the inventory.

    ``path`` is the lock file of this fleet. ``others`` are hosts with leases by the lock files of other fleets.
    """
    for other, leased in sorted(others.items()):
        both = sorted(set(hosts).intersection(leased))
        if both:
            raise FleetnetError(
                f"lock file {other}: has leases of {named_hosts(both)} of group {group!r}, whose lock file is {path}. "
                "A host can be in one fleet. Remove it from the group, or with playbooks/remove_host.yml from the "
                "other fleet. If the other file is that of this group under its earlier name, rename it: "
                f"mv {other} {path}"
            )


def file_stem(group: str) -> str:
    """What the names of the fleet's files on the controller start with. Different groups have different files."""
    return re.sub(r"[^\w.-]", "_", group)


def _fleets(groups: Groups, values: t.Mapping[str, t.Any]) -> list[str]:
    """The groups that are fleets, in the order of their names."""
    setting: dict[str, str] = {}
    for host, value in values.items():
        if not isinstance(value, str) or not value:
            raise InvalidValue(VARIABLE, value, "must be the name of an inventory group. Correct it", host)
        setting.setdefault(value, host)
    for value, host in setting.items():
        if value not in groups:
            reason = "is not a group of the inventory. Create it with the fleet's hosts, or correct the name"
            raise InvalidValue(VARIABLE, value, reason, host)
    if any(host not in values for host in groups.get(DEFAULT_GROUP, ())):
        setting[DEFAULT_GROUP] = ""
    return sorted(setting)


def _check_members(fleet: str, fleets: t.Collection[str], groups: Groups, values: t.Mapping[str, t.Any]) -> None:
    others: dict[str, list[str]] = {}
    for host in groups[fleet]:
        value = values.get(host, DEFAULT_GROUP)
        if value != fleet:
            others.setdefault(value, []).append(host)
    for value, hosts in sorted(others.items()):
        if host_in := [host for host in hosts if value in fleets and host in groups.get(value, ())]:
            raise InvalidValue(
                VARIABLE,
                value,
                f"{named_hosts(host_in)}: in group {fleet!r} as well, which is another fleet. A host can be in one "
                "fleet. Remove it from one of the groups",
            )
        raise InvalidValue(
            VARIABLE,
            fleet,
            f"{named_hosts(hosts)} of this group: not the same value. Set it in the group's variables, for all of its "
            "hosts",
        )


def _several(first: str, selected: t.Sequence[str], limit: Limit | None) -> str:
    choice = f"-e {VARIABLE}={first}"
    if limit is None:
        return f"the inventory has several fleets. Name one with {choice}, or select hosts of one with --limit"
    which = f"hosts of {', '.join(selected)}" if selected else "no host of them"
    return f"the inventory has several fleets, and --limit {limit.pattern!r} selects {which}. Name one with {choice}"
