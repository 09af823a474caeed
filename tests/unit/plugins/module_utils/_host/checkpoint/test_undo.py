# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The undo of a change on a host with files of its own: after a kill at any point, the next start completes it."""

from __future__ import annotations

import contextlib
import os
import pathlib
import typing as t

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.checkpoint.report import (
    ASKED,
    KILLED,
    REBOOTED,
    UNCONFIRMED,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._host.checkpoint.folder import CheckpointFolder

from .undo_host import Host, Killed, change, cut_short, install, remove

CHANGES: dict[str, tuple[bool, t.Callable[[Host], None]]] = {
    "another state": (True, change),
    "the first state": (False, change),
    "no state": (True, remove),
    "a first file": (False, cut_short),
    "none": (True, lambda _host: None),
}


@pytest.mark.parametrize("name", CHANGES)
def test_an_undo_restores_everything_also_if_it_is_killed_at_any_point(host: Host, name: str) -> None:
    installed, act = CHANGES[name]
    if installed:
        install(host)
    for kill in range(60):
        before = host.state()
        host.save()
        act(host)
        host.applied()
        host.changes, host.kill = 0, kill
        killed = False
        try:
            host.undo()
        except Killed:
            killed = True
        host.kill = None
        # After the end, only the unit for a reboot is left, which does nothing without a checkpoint.
        report = host.folder.report() if host.folder.pending() is None else host.undo()
        assert report is not None
        assert (report.reason, report.problems) == (UNCONFIRMED, ())
        assert host.state() == before, f"killed before change {kill}"
        assert host.folder.pending() is None
        assert host.undo() is None
        if not killed:
            return
    raise AssertionError("the undo does not end")


@pytest.mark.parametrize(
    ("applied", "asked", "boot", "reason", "waits"),
    [
        (None, False, "boot", KILLED, 60),
        (30.0, False, "boot", UNCONFIRMED, 90),
        (30.0, True, "boot", ASKED, 0),
        (None, True, "boot", ASKED, 0),
        (None, False, "boot", KILLED, 0),  # a confirmation found it
        (-90.0, False, "boot", UNCONFIRMED, 0),  # a confirmation that came too late
        (30.0, True, "another", REBOOTED, 0),
        (30.0, False, "another", REBOOTED, 0),
    ],
)
def test_it_waits_for_the_confirmation(
    host: Host, applied: float | None, asked: bool, boot: str, reason: str, waits: int
) -> None:
    install(host)
    host.save()
    host.boot_name = boot
    if asked or not waits:
        pending = host.folder.pending()
        assert pending is not None
        host.folder.ask_for_undo(pending, asked)
    if applied is not None:
        host.applied(applied)
    report = host.undo()
    assert report is not None
    assert (report.reason, host.now) == (reason, waits)
    assert host.folder.report() == report


def test_a_confirmed_change_stays(host: Host) -> None:
    install(host)
    host.save()
    change(host)
    after = host.state()
    host.folder.end()
    assert host.undo() is None
    assert host.state() == after
    assert not os.path.exists(host.folder.path)


def test_a_module_that_hangs_is_killed_so_that_it_does_not_run_beside_the_undo(host: Host) -> None:
    install(host)
    host.save()
    lock = host.folder.lock()
    assert lock is not None
    assert host.folder.lock(wait=0) is None
    host.dies = lock.close
    report = host.undo()
    assert report is not None
    assert 900 < host.now < 902
    assert host.killed == 1


def test_a_module_that_cannot_be_killed_changes_nothing_and_does_not_keep_the_host_cut_off(host: Host) -> None:
    install(host)
    host.save()
    with host.folder.lock() or contextlib.nullcontext():
        assert host.undo() is not None
    assert 930 < host.now < 932
    assert host.killed > 1


def test_modules_that_take_turns_are_not_killed(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    install(host)
    host.save()
    lock = host.folder.lock()
    assert lock is not None

    def holder(_folder: CheckpointFolder) -> int:
        if host.now > 2000:
            lock.close()
        return 1 + int(host.now // 800)

    monkeypatch.setattr(CheckpointFolder, "holder", holder)
    assert host.undo() is not None
    assert (host.killed, host.now > 2000) == (0, True)


def test_what_another_program_set_after_the_change_stays(host: Host) -> None:
    install(host)
    host.save()
    change(host)
    host.applied()
    host.kernel["policy"] = "REJECT"
    host.put("proc/sys/net/ipv4/ip_forward", "2\n")
    assert host.undo() is not None
    assert (host.kernel["policy"], host.text("proc/sys/net/ipv4/ip_forward")) == ("REJECT", "2\n")


def test_a_play_may_have_set_everything_after_its_checkpoint(host: Host) -> None:
    host.manual = True
    install(host)
    host.save()
    host.applied()
    change(host)
    assert host.undo() is not None
    assert (host.kernel["policy"], host.text("proc/sys/net/ipv4/ip_forward")) == ("ACCEPT", "0\n")


def test_the_files_are_readable_by_root_only(host: Host) -> None:
    install(host)
    host.save()
    folder = pathlib.Path(host.folder.path)
    assert oct(folder.stat().st_mode)[-3:] == "700"
    assert {oct(file.stat().st_mode)[-3:] for file in folder.iterdir()} == {"600"}


def test_a_damaged_checkpoint_is_reported(host: Host) -> None:
    host.save()
    (pathlib.Path(host.folder.path) / "saved.json").write_text("{")
    with pytest.raises(FleetnetError, match=r"saved\.json: is not a checkpoint that this release can read \("):
        host.folder.pending()


def test_without_a_checkpoint_it_waits_for_no_module(host: Host) -> None:
    with host.folder.lock() or contextlib.nullcontext():
        assert host.undo() is None
    assert (host.now, host.killed) == (0.0, 0)


def test_tls_files_of_the_engine_stay(host: Host) -> None:
    install(host)
    host.save()
    host.put("etc/fleetnet/remote_api/cert.pem", "new")
    assert host.undo() is not None
    assert host.text("etc/fleetnet/remote_api/cert.pem") == "new"
    assert not any("remote_api" in path for path in host.host_state().files())
