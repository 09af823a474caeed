# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Errors for users. Each message says where the error is, what is wrong, and what to do."""

from __future__ import annotations

import contextlib
import typing as t

# A message names at most this many hosts.
_MOST_HOSTS = 5


def consent(option: str) -> str:
    """What a user sets to allow an interruption: an option of the module, or the fleet's variable."""
    return f"Set {option}: true (with the playbooks, docker_fleet_{option}: true)"


class FleetnetError(Exception):
    """An expected failure. Its text is the complete message for the user, in one line if possible.

    ``result`` is what a module returns with the message: what it did before the failure.
    """

    result: t.Mapping[str, t.Any] = {}


class InvalidValue(FleetnetError):
    """A value of the user is invalid.

    ``variable`` is the path as the user writes it (``docker_fleet_networks[1].subnet``), ``host`` is the inventory
    name of the host that the value belongs to, or None for the whole fleet.
    """

    def __init__(self, variable: str, value: object, reason: str, host: str | None = None) -> None:
        self.variable = variable
        self.value = value
        self.reason = reason if reason.endswith((".", "?", "!")) else f"{reason}."
        self.host = host
        where = f"host {host}: " if host else ""
        super().__init__(f"{where}{variable}: {value!r}: {self.reason}")


class UnknownKey(InvalidValue):
    """A key that does not exist. Without it, the rest of the mapping can be read."""


class InvalidValues(FleetnetError):
    """Several invalid values, all of them in one message."""

    def __init__(self, errors: t.Sequence[InvalidValue]) -> None:
        self.errors = list(errors)
        lines = "\n".join(f"  - {error}" for error in errors)
        super().__init__(f"{len(errors)} errors in the declaration. No host was changed:\n{lines}")


class ErrorList:
    """Collects errors, so that a user sees all of them at once."""

    def __init__(self) -> None:
        self.found: list[InvalidValue] = []

    @contextlib.contextmanager
    def collect(self) -> t.Iterator[None]:
        """Catch an error of the block."""
        try:
            yield
        except InvalidValue as error:
            self.found.append(error)
        except InvalidValues as errors:
            self.found += errors.errors

    def check(self) -> None:
        """Raise what was collected: InvalidValue, or InvalidValues for several. Equal errors are one."""
        errors = list({str(error): error for error in self.found}.values())
        if len(errors) == 1:
            raise errors[0]
        if errors:
            raise InvalidValues(errors)


class Unsupported(FleetnetError):
    """The engine, the kernel or a tool on the host does not support something. The text names the required version."""


def named_hosts(hosts: t.Sequence[str]) -> str:
    """Hosts for a message: the first ones by name, the others counted."""
    more = f" and {len(hosts) - _MOST_HOSTS} more" if len(hosts) > _MOST_HOSTS else ""
    return f"host{'s' if len(hosts) > 1 else ''} {', '.join(hosts[:_MOST_HOSTS])}{more}"
