# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run a command of script/fleet and kill it at the first program whose command line contains a text.

    python tests/testbed/kill_at.py before|during TEXT -- up --name NAME

`before` kills the command before it starts this program. `during` kills both a moment later, so that the request to the
engine is cut off. The exit status is 0 if the command ends before.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "testbed"))

from fleetbed.cli import main  # noqa: E402

MOMENT = 0.03


def install(when: str, text: str) -> None:
    """Kill this process group when a program with this text in its command line starts."""

    def kill_later() -> None:
        time.sleep(MOMENT)
        os.killpg(0, signal.SIGKILL)

    def audit(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "subprocess.Popen" and text in " ".join(map(str, arguments[1])):
            if when == "before":
                os.killpg(0, signal.SIGKILL)
            threading.Thread(target=kill_later, daemon=True).start()

    sys.addaudithook(audit)


if __name__ == "__main__":
    _, when, text, _, *command = sys.argv
    os.setpgid(0, 0)
    install(when, text)
    sys.exit(main(command))
