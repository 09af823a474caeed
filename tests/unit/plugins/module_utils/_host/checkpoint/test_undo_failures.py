# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An undo goes on if something of the host cannot be read, restored or removed."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.persistence.part import (
    FIREWALL_PART,
    ROUTES_PART,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.checkpoint import covering, host_state
from ansible_collections.fleetnet.docker.plugins.module_utils._host.checkpoint.folder import CheckpointFolder
from ansible_collections.fleetnet.docker.plugins.module_utils._host.checkpoint.host_state import HostState

from .undo_host import FIREWALL, Host, change, install


def full(*_arguments: t.Any) -> None:
    raise OSError("no space")


def test_what_cannot_be_restored_does_not_keep_the_rest_and_is_tried_again(host: Host) -> None:
    install(host)
    before = host.state()
    host.save()
    change(host)
    host.fails = ROUTES_PART.script
    report = host.undo()
    assert report is not None
    assert report.problems == (f"routes: {ROUTES_PART.script} fails.",)
    assert host.kernel["firewall"] == host.daemon == host.networks == "former"
    assert host.folder.pending() is not None
    host.fails = ""
    report = host.undo()
    assert report is not None
    assert report.problems == ()
    assert host.state() == before
    assert (host.restarts, host.resumed) == (1, 2)  # each process tries the containers once


def test_a_host_that_cannot_be_read_is_restored(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    install(host)
    before = host.state()
    host.save()
    change(host)

    def unreadable(_state: HostState) -> None:
        raise OSError("no")

    with monkeypatch.context() as patched:
        patched.setattr(HostState, "files", unreadable)
        patched.setattr(HostState, "kernel", unreadable)
        report = host.undo()
    assert report is not None
    assert (report.problems[0], host.kernel["routes"], host.daemon) == ("kernel: no", "former", "former")
    assert host.folder.pending() is not None
    assert host.undo() is not None
    assert host.state() == before


def test_a_file_that_cannot_be_written_does_not_keep_the_others(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    install(host)
    before = host.state()
    host.save()
    change(host)
    write = host_state.write_atomically

    def immutable(path: str, *arguments: t.Any, **options: t.Any) -> None:
        if path.endswith("/fleetnet/firewall"):
            raise OSError("immutable")
        write(path, *arguments, **options)

    with monkeypatch.context() as patched:
        patched.setattr(host_state, "write_atomically", immutable)
        report = host.undo()
    assert report is not None
    assert report.problems == ("/etc/fleetnet/firewall: immutable",)
    assert (host.kernel["routes"], host.kernel["firewall"]) == ("former", "new")
    assert host.undo() is not None
    assert host.state() == before


def test_an_attempt_repeats_only_what_failed(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    install(host)
    host.save()
    change(host)
    host.stuck, host.fails = True, ROUTES_PART.script

    monkeypatch.setattr(CheckpointFolder, "replace_daemon", full)
    report = host.undo()
    assert report is not None
    assert "web: container web does not start" in report.problems
    host.stuck = False
    assert host.undo(again=True) is not None
    host.fails = ""
    report = host.undo(again=True)
    assert report is not None
    assert (report.problems, host.restarts, host.resumed) == ((), 1, 1)


def test_a_full_disk_does_not_keep_the_host_cut_off(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    install(host)
    before = host.state()
    host.save()
    change(host)

    monkeypatch.setattr(CheckpointFolder, "record_report", full)
    monkeypatch.setattr(covering, "holder_text", full)
    report = host.undo()
    assert report is not None
    assert (report.problems, host.folder.pending()) == ((), None)
    assert host.state() == before


def test_a_part_that_cannot_be_removed_keeps_its_files_for_the_next_attempt(host: Host) -> None:
    host.save()
    install(host)
    host.fails = FIREWALL_PART.script
    report = host.undo()
    assert report is not None
    assert report.problems == (f"firewall: {FIREWALL_PART.script} fails.",)
    assert ("routes" in host.kernel, host.text(FIREWALL)) == (False, "script")
    host.fails = ""
    report = host.undo()
    assert report is not None
    assert ("firewall" in host.kernel, host.text(FIREWALL)) == (False, "")
