# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory group of the fleet, read from the inventory's variables, and the paths of the fleet's files."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.fleet_group import (
    DEFAULT_GROUP,
    VARIABLE,
    Groups,
    Limit,
    check_group,
    choose_group,
    file_stem,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.keys import PREFIX
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.plugin_utils.inventory import HostVariables, plain

Variables = t.Mapping[str, t.Any]
# Reading the variables of 10,000 hosts takes more than a second.
_MOST_READ = 1000
#: The variable that sets the path of a file or folder, by its kind; empty if the caller reads it.
PATHS = {
    "lock": PREFIX + "lock_file",
    "import": PREFIX + "import_file",
    "report": PREFIX + "report_dir",
    "remote_api": "",
}


def run_group(variables: Variables, template: t.Callable[[t.Any], t.Any], limit: Limit | None) -> str:
    """Return the group of the fleet that a run is for: that of the command line or the play, else the inventory's.

    ``variables`` are those of a play. Without ``hostvars``, which Ansible has only after a first play, the variables of
    the inventory are unknown, and the group is ``docker_fleet``. Raises FleetnetError if the group is missing.
    """
    groups: Groups = variables.get("groups") or {}
    if VARIABLE in variables:
        return check_group(plain(template(variables[VARIABLE])), groups, limit)
    values: dict[str, t.Any] = {}
    if "hostvars" in variables:
        reader = HostVariables(variables["hostvars"])
        for hosts in _alike(groups):
            found = reader.values(hosts[0], [VARIABLE])
            if VARIABLE in found:
                values.update(dict.fromkeys(hosts, found[VARIABLE]))
    return choose_group(groups, values, limit)


def host_group(variables: Variables, template: t.Callable[[t.Any], t.Any]) -> str:
    """Return the group of the fleet that a host is in, if it is a member. ``variables`` are those of the host."""
    return str(plain(template(variables.get(VARIABLE) or DEFAULT_GROUP)))


def fleet_path(kind: str, variables: Variables, template: t.Callable[[t.Any], t.Any]) -> str:
    """Return the path of a file or folder of a host's fleet on the controller: as set, else next to the inventory.

    ``kind`` is one of PATHS. Two fleets of an inventory share no default path.
    """
    variable = PATHS[kind]
    given = plain(template(variables.get(variable) or ""))
    if given:
        return str(given)
    group = host_group(variables, template)
    if not variables.get("inventory_dir"):
        raise FleetnetError(
            f"path of {kind}: no default: the inventory is not a file or folder. Use one"
            f"{f', or set {variable}' if variable else ''}."
        )
    folder = str(plain(variables["inventory_dir"]))
    stem = file_stem(group)
    if kind in ("lock", "import"):
        return os.path.join(folder, f"{stem}.{kind}.yml")
    # Ansible reads all files of an inventory folder.
    outside = os.path.dirname(folder) if folder in (variables.get("ansible_inventory_sources") or ()) else folder
    if kind == "report":
        return os.path.join(outside, f"{stem}_report")
    name = "docker_remote_api" if group == DEFAULT_GROUP else f"{stem}_remote_api"
    # An authority that is in the inventory folder stays there.
    return os.path.join(folder if os.path.isdir(os.path.join(folder, name)) else outside, name)


def _alike(groups: Groups) -> t.Iterable[list[str]]:
    """The hosts of the inventory. In a large one, the variables of a host apply to those in the same groups.

    A host with another value is found by the plan, which reads the variables of all hosts of the fleet.
    """
    hosts = list(groups.get("all") or ())
    if len(hosts) <= _MOST_READ:
        return [[host] for host in hosts]
    groups_of: dict[str, list[str]] = {host: [] for host in hosts}
    for group, members in groups.items():
        for host in members:
            groups_of.setdefault(host, []).append(group)
    found: dict[tuple[str, ...], list[str]] = {}
    for host, names in groups_of.items():
        found.setdefault(tuple(names), []).append(host)
    return found.values()
