# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The units of a checkpoint, and the files of its program. Names only.

A timer that systemd keeps in memory starts the undo. A unit on disk starts it after a reboot.
"""

from __future__ import annotations

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.persistence.part import STATE_FOLDER, UNIT_FOLDER

TRANSIENT = "fleetnet-checkpoint"
TIMER, SERVICE = f"{TRANSIENT}.timer", f"{TRANSIENT}.service"
BOOT_UNIT = "fleetnet-undo.service"
BOOT_FILE = f"{UNIT_FOLDER}/{BOOT_UNIT}"
BOOT_LINK = f"{UNIT_FOLDER}/multi-user.target.wants/{BOOT_UNIT}"

# The pauses before the next attempt of an undo, in seconds: of the first ones, and of later ones.
PAUSE, LONG_PAUSE = 5, 60

_BOOT = """# Written by fleetnet.docker, until the controller confirms the changes of a run.
[Unit]
Description=Fleet of Docker hosts: undo changes that the controller did not confirm
ConditionPathExists={state}/checkpoint/saved.json
StartLimitIntervalSec=0

[Service]
ExecStart={python} -IS {program}
Restart=on-failure
RestartSec={pause}

[Install]
WantedBy=multi-user.target
"""


def boot_unit(python: str, program: str) -> str:
    """The text of the unit that continues after a reboot."""
    return _BOOT.format(python=python, program=program, state=STATE_FOLDER, pause=PAUSE)


def timer_arguments(python: str, program: str, seconds: float) -> list[str]:
    """The arguments of systemd-run that start the undo after ``seconds``."""
    return [
        "--quiet",
        "--collect",
        f"--unit={TRANSIENT}",
        f"--on-active={seconds:.0f}",
        "--timer-property=AccuracySec=100ms",
        "--property=Restart=on-failure",
        f"--property=RestartSec={PAUSE}",
        "--property=StartLimitIntervalSec=0",
        "--description=Undo changes that the controller did not confirm",
        python,
        "-IS",
        program,
    ]
