# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The reconciler as a process in a network namespace, with the kernel's tables and events."""

from __future__ import annotations

import os
import signal

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._host.reconciler.control import NotRunning
from ansible_collections.fleetnet.docker.plugins.plugin_utils._testing.waiting import wait_until

from .bridges import rules
from .reconcilers import FOREIGN, OURS, Running


def test_others_can_neither_flush_nor_delete_nor_change_its_tables(running: Running) -> None:
    assert str(running.until(bool)["ownership"]).startswith("owner")
    before = running.ruleset()
    assert running.tables() == OURS
    assert running.run("nft", "-f", "-", stdin=FOREIGN).returncode == 0
    for _time in range(10):
        assert running.run("nft", "flush", "ruleset").returncode == 0
    for command in ("delete table ip fleetnet", "flush chain ip fleetnet forward", "add chain ip6 fleetnet more"):
        refused = running.run("nft", command)
        assert refused.returncode != 0
        assert "Operation not permitted" in refused.stderr
    assert running.ruleset() == before


def test_it_replaces_the_tables_on_request(running: Running) -> None:
    (running.folder / "firewall.nft").write_text(rules(ipv6=False))
    assert running.control("load") is None
    assert "no IPv6" in running.run("nft", "list", "table", "ip6", "fleetnet").stdout
    (running.folder / "firewall.nft").write_text(
        "add table ip fleetnet\ndelete table ip fleetnet\ntable ip fleetnet {\n}\n"
    )
    assert running.control("load") is None
    assert running.tables() == OURS[:1]


def test_a_file_with_an_error_changes_nothing(running: Running) -> None:
    before = running.ruleset()
    with (running.folder / "firewall.nft").open("a") as file:
        file.write("what is this\n")
    assert "syntax error" in str(running.control("load"))
    assert running.ruleset() == before
    running.until(lambda state: "syntax error" in str(state and state["error"]))
    (running.folder / "firewall.nft").write_text(rules())
    assert running.control("load") is None
    running.until(lambda state: state is not None and state["error"] is None)


def test_the_tables_stay_when_it_ends_and_the_next_one_takes_them_over(running: Running) -> None:
    before = running.ruleset()
    assert running.end(signal.SIGTERM) == 0
    assert running.tables() == OURS
    assert "flags" not in running.ruleset()
    with pytest.raises(NotRunning):
        running.control("load")
    running.start()
    assert running.ruleset() == before


def test_the_tables_survive_a_kill_and_the_next_one_owns_them(running: Running) -> None:
    before = running.ruleset()
    running.end(signal.SIGKILL)
    assert running.tables() == OURS
    running.run("nft", "flush", "ruleset")
    (running.folder / "run/state.json").unlink()
    running.start()
    assert running.ruleset() == before
    assert running.end(signal.SIGTERM) == 0
    # no process holds them any more
    assert running.run("nft", "flush", "ruleset").returncode == 0
    assert running.tables() == []


def test_after_a_kill_the_tables_can_be_given_up_without_a_reconciler(running: Running) -> None:
    running.end(signal.SIGKILL)
    running.release()
    assert running.tables() == OURS
    assert running.run("nft", "flush", "ruleset").returncode == 0
    assert running.tables() == []


def test_a_killed_second_process_is_replaced(running: Running) -> None:
    if running.until(bool)["ownership"] != "owner":
        pytest.skip("this nft keeps tables without a second process")
    (first,) = wait_until("the second process", running.second_processes, bool)
    os.kill(int(first), signal.SIGKILL)
    wait_until("another second process", running.second_processes, lambda found: found not in ([], [first]))
    running.end(signal.SIGKILL)
    assert running.tables() == OURS


def test_released_tables_can_be_deleted(running: Running) -> None:
    assert running.control("release") is None
    assert running.run("nft", "delete", "table", "ip", "fleetnet").returncode == 0
    assert running.control("load") is None
    assert sorted(running.tables()) == OURS


def test_a_change_of_another_program_starts_a_check(running: Running) -> None:
    wait_until("the first check", running.checks, bool)
    assert running.run("iptables", "-t", "nat", "-N", "DOCKER").returncode == 0
    assert running.run("nft", "-f", "-", stdin=FOREIGN).returncode == 0
    (running.folder / "differences").write_text("jump\tiptables FORWARD\tstate\tpresent\t\n")
    assert running.run("iptables", "-A", "FORWARD", "-j", "ACCEPT").returncode == 0
    state = running.until(lambda state: state is not None and state["parts"]["firewall"]["repairs"] > 0)
    assert state["parts"]["firewall"]["last"] == ["jump\tiptables FORWARD\tstate\tpresent\t"]
