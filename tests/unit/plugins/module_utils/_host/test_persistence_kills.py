# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A part that is applied or removed on a host in memory: after a kill at any point, the next run completes it."""

from __future__ import annotations

import os
import typing as t

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall import script as firewall
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.persistence.files import File, plan_files
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.persistence.part import (
    FIREWALL_PART,
    FOLDER,
    RECONCILER_UNIT,
    ROUTES_PART,
    Part,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.persistence.reconciler import ReconcilerFiles
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.routes import script as routes
from ansible_collections.fleetnet.docker.plugins.module_utils._host import persistence
from ansible_collections.fleetnet.docker.plugins.module_utils._host.programs.commands import CommandFailed

SCRIPTS = {ROUTES_PART: routes.SCRIPT, FIREWALL_PART: firewall.SCRIPT}
# The firewall installs the reconciler. The unit's text is its version.
RECONCILER = ReconcilerFiles(
    {f"{FOLDER}/python/one.py": File("code"), f"/etc/systemd/system/{RECONCILER_UNIT}": File("2")}, "2"
)
RECONCILERS = {ROUTES_PART: None, FIREWALL_PART: RECONCILER}
DATA = f"{FOLDER}/data"
UNITS = "/etc/systemd/system/"


class Killed(BaseException):
    """The module is killed at this point."""


class Host:
    """Files, systemd and the kernel of a host, as far as a part uses them. Killed before change number ``kill``."""

    def __init__(self, part: Part) -> None:
        self.part = part
        self.files: dict[str, str] = {}
        self.kernel = ""  # the data that the script has applied
        # What the script of the firewall compares the kernel with: the file that it read, and what the kernel had then.
        self.record: tuple[str, str] | None = None
        self.loaded: dict[str, str] = {}  # the unit files that systemd has read
        self.enabled: set[str] = set()
        self.running: str | None = None  # the version of the reconciler
        self.changes = 0
        self.kill: int | None = None

    def _change(self) -> None:
        if self.changes == self.kill:
            raise Killed
        self.changes += 1

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        assert mode in (0o644, 0o755)
        self._change()
        self.files[path] = text

    def unlink(self, path: str) -> None:
        self._change()
        del self.files[path]

    def units(self) -> dict[str, str]:
        return {os.path.basename(path): text for path, text in self.files.items() if path.startswith(UNITS)}

    # --- commands
    def find(self, program: str) -> str:
        return f"/sbin/{program}"

    def run(self, *argv: str, **_options: t.Any) -> str:
        if argv[:2] == ("systemctl", "show"):
            return "\n".join(map(self._shown, argv[4:]))
        if argv == (self.part.script, "--check"):
            wanted = self.files[DATA]
            if self.kernel != wanted if self.part == ROUTES_PART else self.record != (wanted, self.kernel):
                raise CommandFailed(argv, 1, f"route\t{self.files[DATA]}\tstate\tpresent\t")
            return ""
        if argv[0] == "sh" and argv[-1] == "--traces":
            return f"route\t{self.kernel}\tstate\t\tpresent\n" if self.kernel else ""
        self._change()
        if argv == ("systemctl", "daemon-reload"):
            self.loaded = self.units()
        elif argv[:3] == ("systemctl", "enable", "--now"):
            self.enabled |= set(argv[3:])
        elif argv == ("systemctl", "restart", RECONCILER_UNIT):
            self.running = self.loaded[RECONCILER_UNIT]
        elif argv[:3] == ("systemctl", "disable", "--now"):
            self.enabled -= set(argv[3:])
            if RECONCILER_UNIT in argv:
                self.running = None
        elif argv == (self.part.script,):
            self.kernel = self.files[DATA]
            if self.part == FIREWALL_PART:
                self.record = None
                self._change()
                self.record = (self.files[DATA], self.kernel)
        elif argv[0] == "sh" and argv[-1] == "--remove":
            self.kernel, self.record = "", None
        else:
            raise AssertionError(argv)
        return ""

    def _shown(self, unit: str) -> str:
        on = unit in self.enabled
        outdated = unit in self.loaded and self.loaded[unit] != self.units().get(unit)
        return (
            f"Id={unit}\nActiveState={'active' if on else 'inactive'}\nUnitFileState={'enabled' if on else ''}\n"
            f"NeedDaemonReload={'yes' if outdated else 'no'}\n"
        )

    def state(self) -> dict[str, t.Any]:
        return {
            "files": self.files,
            "kernel": self.kernel,
            "record": self.record,
            "loaded": self.loaded,
            "on": self.enabled,
            "runs": self.running,
        }


@pytest.fixture(params=[ROUTES_PART, FIREWALL_PART], ids=lambda part: part.name)
def hosts(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> t.Callable[[], Host]:
    def make() -> Host:
        host = Host(request.param)
        monkeypatch.setattr(persistence, "read_text", host.files.get)
        monkeypatch.setattr(persistence, "running_version", lambda: host.running)
        monkeypatch.setattr(persistence, "write_atomically", host.write)
        monkeypatch.setattr(persistence.os, "unlink", host.unlink)
        return host

    return make


def apply(host: Host, data: str | None) -> bool:
    """Apply the part with this data, or remove it; returns whether it changed."""
    part = persistence.PartFiles(host, host.part, SCRIPTS[host.part], RECONCILERS[host.part])
    desired = part.absent([DATA]) if data is None else part.desired({DATA: File(data)})
    plan = plan_files(desired, part.observe(desired))
    if plan.changed:
        part.execute(plan)
    return plan.changed


def installed(host: Host) -> None:
    apply(host, "old")


def outdated(host: Host) -> None:
    """Another release of the collection installed the part, with other units and another script."""
    apply(host, "old")
    for path in host.files:
        host.files[path] += "# older\n"
    host.loaded = host.units()
    host.running = host.loaded.get(RECONCILER_UNIT)


@pytest.mark.parametrize("data", ["new", None], ids=["apply", "remove"])
@pytest.mark.parametrize("prepare", [lambda _host: None, installed, outdated], ids=["fresh", "installed", "outdated"])
def test_after_a_kill_at_any_change_the_next_run_completes_it(
    hosts: t.Callable[[], Host], prepare: t.Callable[[Host], None], data: str | None
) -> None:
    def prepared() -> Host:
        host = hosts()
        prepare(host)
        host.changes = 0
        return host

    host = prepared()
    changed = apply(host, data)
    expected, changes = host.state(), host.changes
    assert changed == bool(changes)
    assert not apply(host, data)
    for number in range(changes):
        host = prepared()
        host.kill = number
        with pytest.raises(Killed):
            apply(host, data)
        host.kill = None
        incomplete = host.state() != expected
        assert apply(host, data) == incomplete, f"killed before change {number}"
        assert host.state() == expected, f"killed before change {number}"
        assert not apply(host, data)
