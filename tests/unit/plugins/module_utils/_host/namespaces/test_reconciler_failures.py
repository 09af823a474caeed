# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The reconciler when something fails: the tables stay."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess

import pytest

from ansible_collections.fleetnet.docker.plugins.plugin_utils._testing.waiting import wait_until

from .reconcilers import FOREIGN, OURS, PACKAGE, Running, command_line


def owns(running: Running) -> bool:
    running.run("nft", "flush", "ruleset")
    return [table for table in running.tables() if table in OURS] == OURS


# In the mount namespace of ``ip netns exec``: a /run without a free inode.
FULL = """
import subprocess
subprocess.run(["mount", "-t", "tmpfs", "-o", "nr_inodes=1", "none", folder + "/run"], check=True)
"""


def test_a_full_file_system_does_not_end_it(running: Running) -> None:
    """It needs no file to own the tables, and none to keep them after a kill."""
    assert running.end(signal.SIGTERM) == 0
    running.run("nft", "flush", "ruleset")
    running.start(FULL, wait=False)
    wait_until("the tables", running.tables, lambda tables: tables == OURS)
    for number in range(5):
        assert running.run("nft", "-f", "-", stdin=f"{FOREIGN}{number}").returncode == 0
    assert owns(running)
    assert running.process.poll() is None
    errors = (running.folder / "errors").read_text().splitlines()
    assert sorted(line.split("/run/")[1].split(":")[0] for line in errors) == ["control", "state.json"]
    # with a free inode it does what it could not do
    inside = ["nsenter", f"--target={running.process.pid}", "--mount"]
    subprocess.run([*inside, "mount", "-o", "remount,nr_inodes=100", str(running.folder / "run")], check=True)
    running.run("nft", "-f", "-", stdin=FOREIGN)
    wait_until(
        "the files",
        lambda: (
            subprocess.run(
                [*inside, "ls", str(running.folder / "run")], capture_output=True, text=True, check=False
            ).stdout
        ),
        lambda found: found.split() == ["control", "state.json"],
    )
    running.end(signal.SIGKILL)
    assert running.tables()[:2] == OURS


def test_removed_files_are_created_again(running: Running) -> None:
    # In one step: the reconciler may be writing its state.
    (running.folder / "run").rename(running.folder / "removed")
    shutil.rmtree(running.folder / "removed")
    running.run("nft", "-f", "-", stdin=FOREIGN)
    running.until(lambda state: state is not None)
    wait_until("the control socket", (running.folder / "run/control").exists, bool)
    assert running.control("load") is None


def test_after_a_kill_and_the_removal_of_its_files_the_next_one_owns_the_tables(running: Running) -> None:
    # a script that runs is left as well
    script = running.folder / "apply-firewall"
    script.write_text(f"#!/bin/sh\ntouch {running.folder}/waits\nsleep 600\n")
    running.run("iptables", "-A", "FORWARD", "-j", "ACCEPT")
    wait_until("the script", (running.folder / "waits").exists, bool)
    running.end(signal.SIGKILL)
    shutil.rmtree(running.folder / "run")
    script.unlink()
    running.start()
    assert [each for each in running.left if command_line(each)] == []
    state = running.until(bool)
    assert state["error"] is None
    assert str(state["ownership"]).startswith("owner")
    assert owns(running)


FORK = f"""
import os
from {PACKAGE} import standby


class Broken:
    def __getattr__(self, name):
        return getattr(os, name)

    def fork(self):
        if os.path.exists(folder + "/broken"):
            raise BlockingIOError(11, "Resource temporarily unavailable")
        return os.fork()


standby.os = Broken()
"""


def test_without_a_second_process_the_tables_have_no_owner(running: Running) -> None:
    if running.until(bool)["ownership"] != "owner":
        pytest.skip("this nft keeps tables without a second process")
    assert running.end(signal.SIGTERM) == 0
    (running.folder / "broken").touch()
    running.start(FORK)
    state = running.until(bool)
    assert (state["ownership"], state["standby"]) == ("", "[Errno 11] Resource temporarily unavailable")
    assert running.control("load") is None
    running.end(signal.SIGKILL)
    assert running.tables() == OURS
    (running.folder / "run/state.json").unlink()
    running.start(FORK)
    (running.folder / "broken").unlink()
    running.until(lambda state: state is not None and state["ownership"] == "owner" and state["standby"] is None)
    running.end(signal.SIGKILL)
    assert running.tables() == OURS


def test_a_second_process_that_ends_again_and_again_is_started_less_often(running: Running) -> None:
    if running.until(bool)["ownership"] != "owner":
        pytest.skip("this nft keeps tables without a second process")
    seen: set[str] = set()
    for _time in range(4):
        (process,) = wait_until(
            "a second process",
            running.second_processes,
            lambda found: len(found) == 1 and not seen.intersection(found),
        )
        seen.add(process)
        os.kill(int(process), signal.SIGKILL)
    # in the pause the tables stay as well
    state = running.until(lambda state: state is not None and state["standby"] is not None and not state["ownership"])
    assert state["standby"] == "it ended"
    running.end(signal.SIGKILL)
    assert running.tables() == OURS


LIMIT = f"""
from {PACKAGE} import checks
checks._LIMIT = 0.5
"""


def test_a_check_that_does_not_end_is_killed_and_repeated(running: Running) -> None:
    running.end(signal.SIGTERM)
    (running.folder / "run/state.json").unlink(missing_ok=True)
    script = running.folder / "apply-firewall"
    script.write_text(f"#!/bin/sh\necho >> {running.folder}/hung\nsleep 600 && true\n")
    running.start(LIMIT)
    wait_until(
        "the second check",
        lambda: (running.folder / "hung").exists() and (running.folder / "hung").read_text(),
        lambda text: len(text or "") >= 2,
    )
    assert f"{script}: it did not end in time, and was killed" in (running.folder / "errors").read_text()
    # it does not wait for the last one either
    assert running.end(signal.SIGTERM) == 0
