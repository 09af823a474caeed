# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variables of the declaration, read from the inventory for all hosts of the fleet."""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.fleet import (
    unknown_variables,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.fleet_group import (
    VARIABLE,
    check_group,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.keys import (
    FLEET_KEYS,
    HOST_KEYS,
    PREFIX,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.templates import is_template
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import (
    ErrorList,
    FleetnetError,
    InvalidValue,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.report import checked_report

Variables = t.Dict[str, t.Any]
#: All variables of this collection and its roles.
COLLECTION_PREFIX = "docker_"
# The group of the fleet is compared, since a host with another value may be in another fleet.
_FLEET_VARIABLES = (VARIABLE, *(PREFIX + key for key in FLEET_KEYS))


class HostVariables:
    """Reads variables of hosts through Ansible's ``hostvars``.

    Templating all variables of 10,000 hosts takes minutes. So raw values are read first, and only variables of the
    declaration that contain a template are templated, each in its host's context.
    """

    def __init__(self, hostvars: t.Any) -> None:
        self._hostvars = hostvars
        self._raws: dict[str, t.Mapping[str, t.Any]] = {}

    def raw(self, host: str) -> t.Mapping[str, t.Any]:
        """A host's raw variables. Cached, since merging them is expensive."""
        raw: t.Mapping[str, t.Any] | None = self._raws.get(host)
        if raw is None:
            raw = self._hostvars.raw_get(host)
            check_facts(host, raw.get("ansible_facts"))
            self._raws[host] = raw
        return raw

    def values(self, host: str, names: t.Iterable[str]) -> Variables:
        """The variables that the host has, templated in its context."""
        raw = self.raw(host)
        values = {name: raw[name] for name in names if name in raw}
        if any(_may_be_template(value) for value in values.values()):
            templated = self._hostvars[host]
            values = {name: templated[name] for name in values}
        return {name: plain(value) for name, value in values.items()}


class Inventory:
    """The hosts of the fleet with their variables, and the registered results of tasks."""

    def __init__(self, task_vars: t.Mapping[str, t.Any], group: str) -> None:
        self.group = group
        self.groups: t.Mapping[str, list[str]] = task_vars["groups"]
        if group not in self.groups:
            check_group(group, self.groups)
        self.hosts = list(self.groups[group])
        # The hosts that run the current tasks together: without those that failed, and with ``serial`` one batch.
        self.batch = frozenset(task_vars.get("ansible_play_batch") or self.hosts)
        # The hosts of the play, of all batches: without those that --limit excludes.
        self.selected = frozenset(task_vars.get("ansible_play_hosts_all") or self.hosts)
        self._variables = HostVariables(task_vars["hostvars"])

    def fleet_variables(self) -> Variables:
        """The fleet-wide variables, without prefix. Raises InvalidValue, or InvalidValues, if hosts differ."""
        errors = ErrorList()
        first = self._variables.raw(self.hosts[0]) if self.hosts else {}
        differing: set[str] = set()
        for host in self.hosts[1:]:
            raw = self._variables.raw(host)
            for name in _FLEET_VARIABLES:
                # Variables of a group are mostly the same objects.
                if raw.get(name) is not first.get(name) and raw.get(name) != first.get(name) and name not in differing:
                    differing.add(name)
                    reason = (
                        f"must be the same on all hosts, and host {self.hosts[0]} has another value. Set it in the "
                        "group's variables"
                    )
                    errors.found.append(InvalidValue(name, raw.get(name), reason, host))
        errors.check()
        return self._read(self.hosts[0], FLEET_KEYS) if self.hosts else {}

    def unknown_variables(self) -> dict[str, list[str]]:
        """Variables with this collection's prefix that are not its own, with their hosts."""
        found: dict[str, list[str]] = {}
        for host in self.hosts:
            for name in unknown_variables(self._variables.raw(host)):
                found.setdefault(name, []).append(host)
        return found

    def host_variables(self, host: str) -> tuple[Variables, t.Any]:
        """A host's own variables, without prefix, and its ``ansible_host`` (by default its name)."""
        address = self._variables.values(host, ["ansible_host"]).get("ansible_host", host)
        return self._read(host, HOST_KEYS), address

    def outside(self, names: t.Iterable[str], variable: str) -> dict[str, t.Any]:
        """The addresses (``ansible_host``) of hosts of the inventory that are not in the fleet, by name.

        Raises InvalidValue, with the name of the variable, for others.
        """
        found = {}
        for name in dict.fromkeys(names):
            if name in self.hosts:
                raise InvalidValue(variable, name, "is a host of the fleet, which probes the others. Remove it")
            if name not in self.groups["all"]:
                raise InvalidValue(variable, name, "is not a host of the inventory. Add it, outside of the group")
            found[name] = self._variables.values(name, ["ansible_host"]).get("ansible_host", name)
        return found

    def registered(self, name: str, with_failures: bool = False) -> dict[str, t.Any]:
        """The registered results of a task, by host. Results of failed tasks only on request."""
        found = {}
        for host in self.hosts:
            result = self._variables.raw(host).get(name)
            if result is not None and (with_failures or not (result.get("failed") or result.get("unreachable"))):
                found[host] = result
        return found

    def reports(self, *names: str, with_failures: bool = False) -> dict[str, dict[str, t.Any]]:
        """The ``network_info`` of the first of the registered results that has it, by host.

        Raises FleetnetError that names the host if a report is invalid.
        """
        found: dict[str, dict[str, t.Any]] = {}
        for name in names:
            for host, result in self.registered(name, with_failures).items():
                if host not in found and "network_info" in result:
                    found[host] = checked_report(host, result["network_info"])
        return found

    def _read(self, host: str, keys: t.Iterable[str]) -> Variables:
        values = self._variables.values(host, [PREFIX + key for key in keys])
        return {name[len(PREFIX) :]: value for name, value in values.items()}


def check_facts(host: str, facts: t.Any) -> None:
    """Raise FleetnetError if a host's facts set variables that only the inventory and the command line may set.

    Facts come from the host, outrank the inventory, and may be cached from an earlier run.
    """
    names = sorted(str(name) for name in facts or () if str(name).startswith(COLLECTION_PREFIX))
    if names:
        raise FleetnetError(
            f"host {host}: its facts set {', '.join(ascii(name) for name in names[:5])}, which only the inventory may "
            f"set. Clear its cached facts, examine the host, and leave it out until then: --limit '!{host}'."
        )


def _may_be_template(value: t.Any) -> bool:
    """Whether a value may contain a template. Most values do not, and templating is expensive."""
    if isinstance(value, str):
        return is_template(value)
    if isinstance(value, t.Mapping):
        return any(_may_be_template(key) or _may_be_template(item) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return any(_may_be_template(item) for item in value)
    return not isinstance(value, (bool, int, float, type(None)))  # other types may be encrypted


def plain(value: t.Any) -> t.Any:
    """Convert Ansible's types, which store the origin of a value, to Python's own, for error messages."""
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, t.Mapping):
        return {plain(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool):
        return int(value)
    return float(value) if isinstance(value, float) else value
