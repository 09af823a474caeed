# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write a declaration of what the hosts have. See plugins/modules/fleet_import.py for its documentation."""

from __future__ import annotations

import os
import typing as t

from ansible.utils.display import Display
from ansible.utils.vars import load_extra_vars

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.fleet import parse_host
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.fleet_group import check_one_fleet
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.keys import PREFIX
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import (
    FleetnetError,
    InvalidValue,
    named_hosts,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.importing.document import (
    import_document,
    import_summary,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.importing.imported_fleet import (
    GENERATED,
    FoundFleet,
    ImportedFleet,
    import_fleet,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.importing.wording import listed
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.leases import lockfile
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.leases.leases import LeaseBook
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.plan.controller import with_controllers
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.plan.slices import peers, slices
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.printable import quoted_name
from ansible_collections.fleetnet.docker.plugins.plugin_utils import lock_file
from ansible_collections.fleetnet.docker.plugins.plugin_utils.commented_yaml import render, written_variables
from ansible_collections.fleetnet.docker.plugins.plugin_utils.files import write_atomically
from ansible_collections.fleetnet.docker.plugins.plugin_utils.fleet_action import FleetAction, Result
from ansible_collections.fleetnet.docker.plugins.plugin_utils.inventory import Inventory

ARGUMENT_SPEC: Result = {
    "group": {"type": "str"},
    "lock_file": {"type": "path", "required": True},
    "observed": {"type": "str", "required": True},
    "dest": {"type": "path", "required": True},
}
# Folders in which Ansible reads files of variables, not of hosts.
_FOLDERS_OF_VARIABLES = ("group_vars", "host_vars")


class ActionModule(FleetAction):
    """The action."""

    ARGUMENT_SPEC = ARGUMENT_SPEC

    def work(self, inventory: Inventory, arguments: Result) -> Result:
        lock, dest = os.path.abspath(arguments["lock_file"]), os.path.abspath(arguments["dest"])
        if os.path.realpath(lock) == os.path.realpath(dest):
            raise InvalidValue(f"{PREFIX}import_file", dest, "is the lock file. Set it to another path")
        in_folder = any(part in _FOLDERS_OF_VARIABLES for part in dest.split(os.sep))
        with lock_file.locked(lock):
            check_one_fleet(inventory.group, inventory.hosts, lock, lock_file.others(lock, inventory.groups))
            before, held = lock_file.read(lock)
            existing = _read(dest)
            written = written_variables(existing, None if in_folder else inventory.group)
            found = self._found(inventory, arguments["observed"], held, written)
            imported = import_fleet(found)
            text = render(import_document(found, imported), None if in_folder else inventory.group)
            if existing not in ("", text):
                raise FleetnetError(
                    f"{dest}: exists with another content, and the import does not overwrite it"
                    f"{_changes(written, imported)}. Move it away, or set {PREFIX}import_file to another path."
                )
            # The lock file last: if the run ends before it, the next one proposes the same supernet.
            files = [(dest, existing, text), (lock, before, lockfile.render(imported.leases))]
            changed = [(path, old, new) for path, old, new in files if old != new]
            if not self._task.check_mode:
                for path, _old, new in changed:
                    write_atomically(path, new)
        lines = import_summary(found, imported)
        Display().display("\n" + "\n".join(lines) + "\n")
        result = {
            "changed": bool(changed),
            "dest": dest,
            "lock_file": lock,
            "summary": lines,
            **_planned(imported, found),
        }
        if changed:
            result["diff"] = [
                {"before_header": path, "after_header": path, "before": old, "after": new} for path, old, new in changed
            ]
        unread = [f"{named_hosts(found.unread)}: not read, and so without networks in {dest}."] if found.unread else []
        result["warnings"] = [*unread, *map(str, imported.avoided)]
        return result

    def _found(self, inventory: Inventory, observed: str, held: LeaseBook | None, written: Result) -> FoundFleet:
        hosts = tuple(parse_host(name, *inventory.host_variables(name)) for name in inventory.hosts)
        given = {name[len(PREFIX) :] for name in load_extra_vars(self._loader) if name.startswith(PREFIX)}
        declared = inventory.fleet_variables()
        # In an inventory folder, and with -i, the file that is to be written is a part of the inventory.
        own = {key for key, value in declared.items() if key not in given and written.get(PREFIX + key) == value}
        declared = {key: value for key, value in declared.items() if key not in own.intersection(GENERATED)}
        given |= own.difference(GENERATED)
        return FoundFleet(hosts, inventory.groups, declared, inventory.reports(observed), held, given)


def _changes(written: t.Mapping[str, t.Any], imported: ImportedFleet) -> str:
    """The networks that the file of an earlier import declares differently. Empty if another program wrote the file."""
    items = written.get(PREFIX + "networks")
    if not isinstance(items, list):
        return ""
    before = {str(item["name"]): item for item in items if isinstance(item, dict) and "name" in item}
    after = {item["name"]: item for item in imported.variables["networks"]}
    names = {
        "no longer there": before.keys() - after.keys(),
        "new": after.keys() - before.keys(),
        "different": {name for name in before.keys() & after.keys() if before[name] != after[name]},
    }
    return "".join(f"; {what}: {listed(sorted(map(quoted_name, each)))}" for what, each in names.items() if each)


def _planned(imported: ImportedFleet, found: FoundFleet) -> Result:
    """The plan of the imported declaration, as the roles take it."""
    plan = with_controllers(imported.plan, found.reports)
    return {"hosts": slices(plan), "peers": peers(plan), "policy": plan.policy.to_data()}


def _read(path: str) -> str:
    """The text of a file, empty if it does not exist."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except FileNotFoundError:
        return ""
