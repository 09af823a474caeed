# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The reconciler as a process in a network namespace."""

from __future__ import annotations

import json
import os
import pathlib
import re
import subprocess
import sys
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._host.reconciler.control import request
from ansible_collections.fleetnet.docker.plugins.module_utils._host.reconciler.standby import NAME, end_processes
from ansible_collections.fleetnet.docker.plugins.plugin_utils._testing.waiting import wait_until

PROGRAM = """
import contextlib
import os
import sys
from {package}.reconciler import Reconciler, Settings
folder = sys.argv[1]
scripts = {{"firewall": folder + "/apply-firewall"}}
names = ("firewall.nft", "engine.sock", "engine.pid", "run/control", "run/state.json", "saved")
paths = (folder + "/" + name for name in names)


def left():
    found = []
    for process in sys.argv[2:]:
        with contextlib.suppress(OSError):
            # a process that ended and that its parent has not waited for has no command line
            found += [int(process)] if open("/proc/" + process + "/cmdline").read() else []
    return found


class Pending:
    exist = staticmethod(lambda: os.path.exists(folder + "/journal"))
    interrupted = staticmethod(lambda: Pending.exist() and not os.path.exists(folder + "/active"))


{more}
sys.exit(Reconciler(Settings(scripts, *paths, "1", left, [folder + "/finish"], Pending())).run())
"""
PACKAGE = "ansible_collections.fleetnet.docker.plugins.module_utils._host.reconciler"
# As Docker's own in its table: which is not this collection's.
FOREIGN = "add table ip foreign"


def command_line(process: str) -> str:
    """Empty for a process that ended, also if its parent has not waited for it."""
    try:
        return pathlib.Path(f"/proc/{process}/cmdline").read_text()
    except OSError:
        return ""


class Running:
    """A reconciler in a namespace of its own."""

    def __init__(self, folder: pathlib.Path, namespace: str) -> None:
        self.folder = folder
        self.namespace = namespace
        self.left: list[str] = []
        self.process = self.start()

    def start(self, more: str = "", *, wait: bool = True) -> subprocess.Popen[bytes]:
        """Start it, after the program has executed ``more``."""
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        program = [sys.executable, "-c", PROGRAM.format(package=PACKAGE, more=more), str(self.folder), *self.left]
        with (self.folder / "errors").open("a") as errors:
            self.process = subprocess.Popen(
                ["ip", "netns", "exec", self.namespace, *program], env=environment, stderr=errors
            )
        if wait:
            self.until(lambda state: state is not None)
        return self.process

    def run(self, *argv: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["ip", "netns", "exec", self.namespace, *argv], input=stdin, capture_output=True, text=True, check=False
        )

    def ruleset(self) -> str:
        """The rules of the namespace, without the owner's name: nft names any process that has the owner's socket."""
        return re.sub(r" # progname .*", "", self.run("nft", "-s", "list", "ruleset").stdout)

    def tables(self) -> list[str]:
        return self.run("nft", "list", "tables").stdout.splitlines()

    def state(self) -> dict[str, t.Any] | None:
        try:
            return t.cast("dict[str, t.Any]", json.loads((self.folder / "run/state.json").read_text()))
        except FileNotFoundError:
            return None

    def until(self, reached: t.Callable[[dict[str, t.Any] | None], bool]) -> dict[str, t.Any]:
        return t.cast("dict[str, t.Any]", wait_until("the state of the reconciler", self.state, reached))

    def control(self, command: str) -> str | None:
        return request(str(self.folder / "run/control"), command)

    def checks(self) -> int:
        """The number of checks of its only part."""
        path = self.folder / "checks"
        return len(path.read_text()) if path.exists() else 0

    def children(self) -> list[str]:
        return pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()

    def second_processes(self) -> list[str]:
        """The process that keeps the tables, without the programs that the reconciler runs."""
        return [each for each in self.children() if _name(each) == NAME]

    def release(self) -> None:
        """End what a killed one left."""
        end_processes(lambda: [int(each) for each in self.left if command_line(each)])

    def end(self, number: int) -> int:
        self.left += self.children()
        self.process.send_signal(number)
        return self.process.wait(timeout=60)


def _name(process: str) -> str | None:
    try:
        return pathlib.Path(f"/proc/{process}/comm").read_text().strip()
    except OSError:  # it has ended
        return None


OURS = ["table ip fleetnet", "table ip6 fleetnet"]
