# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The errors that a user may see. Every message says what is wrong, where, and what to do."""

from __future__ import annotations

import typing as t


class FleetnetError(Exception):
    """An expected failure: its text is the whole message for the user, in one line where it can be.

    ``result`` is what a module returns beside the message, because it was done before.
    """

    result: t.Mapping[str, t.Any] = {}


class InvalidValue(FleetnetError):
    """A value that the user gave is refused.

    ``variable`` is the path as the user writes it (``docker_fleet_networks[1].subnet``), ``host`` is the inventory
    name of the host that the value belongs to, or None where it holds for the whole fleet.
    """

    def __init__(self, variable: str, value: object, reason: str, host: str | None = None) -> None:
        self.variable = variable
        self.value = value
        self.reason = reason
        self.host = host
        where = f"host {host}: " if host else ""
        super().__init__(f"{where}{variable}: {value!r}: {reason}")


class Unsupported(FleetnetError):
    """The engine, the kernel or a tool on the host lacks what was asked for; the text names the version it needs."""
