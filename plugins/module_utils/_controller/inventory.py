# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory's variables: those of the declaration, for all hosts of the fleet at once."""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration import (
    FLEET_KEYS,
    HOST_KEYS,
    PREFIX,
    refuse_unknown_variable,
    unknown_variables,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import InvalidValue

Variables = t.Dict[str, t.Any]


class Inventory:
    """Reads variables through Ansible's ``hostvars``.

    Raw values are looked at first, since templating every variable of 10,000 hosts costs minutes; only the
    declaration's own are templated, each in its host's context.
    """

    def __init__(self, task_vars: t.Mapping[str, t.Any], group: str) -> None:
        self.groups: t.Mapping[str, list[str]] = task_vars["groups"]
        if group not in self.groups:
            raise InvalidValue(PREFIX + "group", group, "the inventory has no such group; put the fleet's hosts into it")
        self.hosts = list(self.groups[group])
        self._hostvars = task_vars["hostvars"]

    def fleet_variables(self) -> Variables:
        """The fleet-wide variables, without prefix. InvalidValue where hosts differ in one, or a name is unknown."""
        first: Variables = {}
        for number, host in enumerate(self.hosts):
            raw = self._hostvars.raw_get(host)
            for name in unknown_variables(raw):
                raise refuse_unknown_variable(name, raw[name], host)
            if number == 0:
                first = raw
                continue
            for key in FLEET_KEYS:
                if raw.get(PREFIX + key) != first.get(PREFIX + key):
                    raise InvalidValue(
                        PREFIX + key,
                        raw.get(PREFIX + key),
                        f"holds for the whole fleet, and host {self.hosts[0]} has another value; set it once, in the "
                        "group's variables",
                        host,
                    )
        return self._read(self.hosts[0], FLEET_KEYS) if self.hosts else {}

    def host_variables(self, host: str) -> tuple[Variables, t.Any]:
        """A host's own variables, without prefix, and its ``ansible_host`` (the name itself where it is not set)."""
        raw = self._hostvars.raw_get(host)
        address = self._hostvars[host]["ansible_host"] if "ansible_host" in raw else host
        return self._read(host, HOST_KEYS), address

    def registered(self, name: str) -> dict[str, t.Any]:
        """What a task has registered under a name, of each host that has it and did not fail."""
        found = {}
        for host in self.hosts:
            result = self._hostvars.raw_get(host).get(name)
            if result is not None and not result.get("failed") and not result.get("unreachable"):
                found[host] = result
        return found

    def _read(self, host: str, keys: t.Iterable[str]) -> Variables:
        raw = self._hostvars.raw_get(host)
        names = [key for key in keys if PREFIX + key in raw]
        if not names:
            return {}
        templated = self._hostvars[host]
        return {key: templated[PREFIX + key] for key in names}
