# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each change that cuts the path to the hosts is undone by them, and the controller says what was undone and why.

The connections of the watch and the state of a host share no code with the collection.
"""

from __future__ import annotations

import difflib
import re
import time
import typing as t

import pytest

from .conftest import Cut

LONGEST = 90.0  # seconds that a host may be unreachable
SHORT = 10  # the shortest timeout, from the end of the module that cuts the path
# The timeout of plays with several tasks, which counts from the first: on a busy machine the others must begin in time.
OF_PLAYS = 30
UNCONFIRMED = r"are undone, because the controller did not confirm them over a new connection within {} s\. Undone: "
# Play -> its timeout (None: the default), whether it cuts the path, and what the controller prints for each host.
CUTS: dict[str, tuple[int | None, bool, str]] = {
    "routes": (None, True, UNCONFIRMED.format(60) + r"restore /etc/fleetnet/routes.*Check whether a route"),
    "rules": (
        SHORT,
        True,
        UNCONFIRMED.format(SHORT) + r".*restore /etc/fleetnet/firewall\.nft.*whether the policy denies",
    ),
    "networks": (SHORT, True, UNCONFIRMED.format(SHORT) + r".*remove network cut.*Check whether a declared network"),
    "docker0": (SHORT, True, UNCONFIRMED.format(SHORT) + r".*restore /etc/docker/daemon\.json.*Check whether docker0"),
    "killed_module": (SHORT, True, r"undone, because the module that applied them ended before.*remove network cut"),
}
# Plays that do not confirm the checkpoint that they take; a later play asks what became of it.
UNCONFIRMED_PLAYS = {
    "reset": UNCONFIRMED.format(OF_PLAYS) + r".*apply the former routes",
    "engine": UNCONFIRMED.format(OF_PLAYS) + r".*restore /etc/docker/daemon\.json",
    "reboot": r"undone, because the host rebooted before the controller confirmed them\. Undone: .*create network db",
}
# In the lines of what another program made after the checkpoint (see reset.yml), and how to list and to delete these.
OTHERS = "elsewhere"
LIST_OTHERS = "ls -A /etc/docker | grep elsewhere; ip -4 -o address show dev elsewhere | grep -o '198[.0-9/]*'"
DELETE_OTHERS = (
    "rm /etc/docker/daemon.json.1.elsewhere~ /etc/docker/.daemon.json.elsewhere.swp && ip link del elsewhere"
)
# Kills the undo once, as soon as it runs.
KILLER = "confirm-killer.service"
KILL_UNDO = """
until pid=$(systemctl show --property=MainPID --value fleetnet-checkpoint.service); [ "${pid:-0}" != 0 ]; do
    sleep 0.02
done
kill -KILL $pid
"""


class Before(t.NamedTuple):
    began: float
    states: dict[str, list[str]]


def as_before(fleet, wait_until, before: Before) -> dict[str, float]:
    """Wait until each host is as before; return the seconds."""

    def restored(name: str) -> float:
        def difference() -> str:
            now = [line for line in fleet.state(name) if OTHERS not in line]
            return "\n".join(difflib.unified_diff(before.states[name], now, lineterm="", n=0))

        # A reading costs a busy machine more than it waits for.
        wait_until(f"{name} is as before", difference, lambda found: not found, LONGEST + 120, pause=1)
        return time.monotonic() - before.began

    return dict(fleet.each(restored))


@pytest.fixture
def before(fleet, wait_until) -> Before:
    states = wait_until("all hosts are reachable", lambda: fleet.each(fleet.state), lambda found: all(found.values()))
    return Before(time.monotonic(), states)


def record(table, name: str, watches, seconds: dict[str, float]) -> None:
    table[name] = {host: Cut(watch.seconds, seconds[host]) for host, watch in watches.items()}


@pytest.mark.parametrize("cut", CUTS)
def test_a_change_that_cuts_the_path_is_undone(cut, fleet, before, wait_until, table) -> None:
    timeout, cuts, expected = CUTS[cut]
    with fleet.watched() as watches:
        output = fleet.run(cut, timeout)
        seconds = as_before(fleet, wait_until, before)
    record(table, cut, watches, seconds)
    messages = re.findall(r"fatal: \[(\w+)\]: \w+! => (.*)", output)
    assert {host for host, message in messages if re.search(expected, message)} == set(fleet.addresses), output
    for host, watch in watches.items():
        assert (watch.seconds > 0) == cuts, f"{host}: {watch.seconds}"
        assert watch.seconds <= LONGEST, host


def test_a_controller_that_is_killed_before_it_confirms(fleet, before, wait_until, table) -> None:
    with fleet.watched() as watches:
        process = fleet.start("routes", SHORT)
        wait_until("all hosts are cut off", lambda: [each.cut for each in watches.values()], all)
        fleet.kill(process)
        seconds = as_before(fleet, wait_until, before)
    record(table, "killed controller", watches, seconds)
    assert all(0 < watch.seconds <= LONGEST for watch in watches.values())


def test_an_undo_that_is_killed_starts_again(fleet, before, wait_until, table) -> None:
    fleet.each(lambda name: fleet.read(name, f"systemd-run --collect --unit={KILLER} sh -c '{KILL_UNDO}'"))
    with fleet.watched() as watches:
        output = fleet.run("rules", SHORT)
        seconds = as_before(fleet, wait_until, before)
    record(table, "killed undo", watches, seconds)
    assert set(fleet.each(lambda name: fleet.read(name, f"systemctl is-active {KILLER}")).values()) == {"inactive\n"}
    messages = re.findall(r"fatal: \[(\w+)\]: \w+! => (.*)", output)
    assert {host for host, message in messages if re.search(CUTS["rules"][2], message)} == set(fleet.addresses), output
    assert all(0 < watch.seconds <= LONGEST for watch in watches.values())


@pytest.mark.parametrize("play", UNCONFIRMED_PLAYS)
def test_a_play_that_does_not_confirm_is_undone(play, fleet, before, wait_until, table) -> None:
    with fleet.watched() as watches:
        output = fleet.run(play, OF_PLAYS)
        assert re.search(r"failed=[1-9]", output) is None, output
        if play == "reset":
            # It waits for the undo: before, it would have to create the networks.
            output = fleet.run("others")
            assert len(re.findall(r"changed=0 .* failed=0 ", output)) == len(fleet.addresses), output
        seconds = as_before(fleet, wait_until, before)
    record(table, play, watches, seconds)
    if play == "reset":
        others = ".daemon.json.elsewhere.swp\ndaemon.json.1.elsewhere~\n198.51.100.1/24\n"
        found = fleet.each(lambda name: fleet.read(name, LIST_OTHERS))
        fleet.each(lambda name: fleet.read(name, DELETE_OTHERS))
        assert set(found.values()) == {others}
    messages = re.findall(r"fatal: \[(\w+)\]: \w+! => (.*)", fleet.run("confirm"))
    assert {host for host, message in messages if re.search(UNCONFIRMED_PLAYS[play], message)} == set(fleet.addresses)
    assert all(watch.seconds <= LONGEST for watch in watches.values())


def test_nothing_is_left(fleet) -> None:
    left = "ls -A /var/lib/fleetnet/checkpoint | grep -v '^report.json$'; systemctl list-units --no-legend --all"
    units = "fleetnet-checkpoint.timer fleetnet-checkpoint.service fleetnet-undo.service"
    assert set(fleet.each(lambda name: fleet.read(name, f"{left} {units}")).values()) == {""}
