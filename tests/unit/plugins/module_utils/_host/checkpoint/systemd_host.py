# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host whose systemd runs the undo of a checkpoint."""

from __future__ import annotations

import os

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.checkpoint.names import (
    BOOT_UNIT,
    SERVICE,
    TIMER,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.checkpoint.report import UndoReport
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.checkpoint.risk import Risk
from ansible_collections.fleetnet.docker.plugins.module_utils._host.checkpoint.folder import CheckpointFolder
from ansible_collections.fleetnet.docker.plugins.module_utils._host.programs.commands import CommandFailed

RUN = "controller/user/1"
RISKS = (Risk("routes", ("10.0.0.0/8 via 192.0.2.1",)),)
REPORT = UndoReport("7", "unconfirmed", 60.0, (), ())


class Host:
    """systemd of a host. ``undoes``: a service that starts undoes the change at once."""

    def __init__(self, folder: CheckpointFolder) -> None:
        self.folder = folder
        self.ran: list[str] = []
        self.timer = "inactive"
        self.fails = False
        self.undoes = True
        self.problems: tuple[str, ...] = ()
        self.attempts = 0
        self.warned: list[str] = []

    def find(self, program: str) -> str:
        return f"/sbin/{program}"

    def run(self, *argv: str, stdin: str | None = None) -> str:
        assert stdin is None
        words = list(argv)
        if words[0].endswith("/ip"):
            return "[]"
        if words[0].endswith("tables"):
            return "-P FORWARD ACCEPT\n"
        if "python" in words[0]:
            return "3 11"
        if words[:2] == ["systemctl", "show"]:
            states = {TIMER: self.timer, SERVICE: "inactive", BOOT_UNIT: "inactive"}
            return "\n".join(f"Id={unit}\nActiveState={states[unit]}\nUnitFileState=\n" for unit in words[4:])
        self.ran.append(" ".join(words[:3]))
        if words[0] == "systemd-run":
            assert os.path.exists(self.folder.program)
            assert self.folder.pending() is not None
            if self.fails:
                raise CommandFailed(argv, 1, "no D-Bus")
            self.timer = "active"
            if "--on-active=0" in words and self.undoes:
                self.folder.end(REPORT)
            elif "--on-active=0" in words and self.problems:
                self.attempts += 1
                self.folder.record_report(REPORT._replace(problems=self.problems, attempt=5))
        if words[:2] == ["systemctl", "stop"]:
            self.timer = "inactive"
        return ""


def applied(host: Host) -> bool:
    pending = host.folder.deadline()
    return pending is not None and host.folder.progress(pending).applied is not None
