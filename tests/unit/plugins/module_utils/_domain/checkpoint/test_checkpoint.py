# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checkpoints as text, their time, and what an undo does to files, parts and units."""

from __future__ import annotations

import dataclasses
import ipaddress

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.checkpoint.checkpoint import (
    Checkpoint,
    SavedDaemon,
    SavedFile,
    check_timeout,
    checkpoint_text,
    daemon_text,
    left_copies,
    parse_checkpoint,
    parse_daemon,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.checkpoint.deadline import (
    Deadline,
    Kernel,
    Progress,
    applied_text,
    former_kernel,
    is_of,
    parse_deadline,
    parse_progress,
    request_text,
    seconds_left,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.checkpoint.files_undo import plan_files_undo
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.checkpoint.networks_undo import (
    added_addresses,
    networks_text,
    parse_networks,
    saved_networks_text,
    with_added,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.checkpoint.report import (
    UndoReport,
    parse_report,
    report_text,
    undone_message,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.checkpoint.risk import Risk
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.model import (
    Block,
    Definition,
    NetworkState,
    ObservedNetwork,
    pairs,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.steps import NetworkStep
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.persistence.part import (
    FIREWALL_PART,
    RECONCILER_UNIT,
    ROUTES_PART,
)

from ..planning import message_of

UNITS = "/etc/systemd/system"
ROUTES, FIREWALL = ROUTES_PART.script, FIREWALL_PART.script
CHECKPOINT = Checkpoint(
    deadline=Deadline("7", 60, 100.0, "a", "controller/user/1", manual=False),
    kernel=Kernel({"net.ipv4.ip_forward": "1"}, {"iptables": "DROP"}),
    risks=(Risk("routes", ("10.0.0.0/8 via 192.0.2.1",)),),
    docker_host="unix:///run/docker.sock",
    files={
        ROUTES: SavedFile("former \udcff", 0o755),
        f"{UNITS}/{RECONCILER_UNIT}": SavedFile("unit", 0o644),
        f"{UNITS}/sysinit.target.wants/{RECONCILER_UNIT}": SavedFile(f"{UNITS}/{RECONCILER_UNIT}", 0, link=True),
    },
    active=(RECONCILER_UNIT,),
)
DAEMON = SavedDaemon("docker.service", "/etc/docker/daemon.json", None, None, None, "restart", "i", (("1", "a"),))


def test_records_are_the_same_after_they_were_written() -> None:
    assert parse_checkpoint(checkpoint_text(CHECKPOINT)) == CHECKPOINT
    assert parse_daemon(daemon_text(DAEMON)) == DAEMON
    assert parse_deadline(checkpoint_text(CHECKPOINT)) == CHECKPOINT.deadline
    deadline, applied = CHECKPOINT.deadline, applied_text(7.0, CHECKPOINT.kernel)
    for asked in (True, False):
        found = parse_progress(deadline, applied, request_text(deadline, asked))
        assert found == Progress(7.0, CHECKPOINT.kernel, undo=True, asked=asked)
    assert parse_progress(deadline, None, None) == Progress()
    assert parse_progress(deadline, None, request_text(deadline._replace(id="8"), asked=True)) == Progress()
    for damaged in ("", "{", "[]", '{"applied": "x"}', '{"applied": 7}'):
        assert parse_progress(deadline, damaged, damaged) == Progress()


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"format": 2}', checkpoint_text(CHECKPOINT)[:-20]])
def test_other_text_is_no_checkpoint(text: str) -> None:
    for parse in (parse_checkpoint, parse_deadline):
        with pytest.raises(ValueError, match=r".+"):
            parse(text)


@pytest.mark.parametrize(
    ("progress", "boot", "now", "left"),
    [
        (Progress(), "a", 100.0, 60.0),
        (Progress(), "a", 159.0, 1.0),
        (Progress(), "a", 160.0, 0.0),
        (Progress(applied=150.0), "a", 160.0, 50.0),
        (Progress(applied=150.0), "a", 300.0, 0.0),
        (Progress(applied=150.0), "b", 160.0, 0.0),
        (Progress(applied=150.0, undo=True), "a", 160.0, 0.0),
    ],
)
def test_the_time_counts_from_the_end_of_the_change(progress: Progress, boot: str, now: float, left: float) -> None:
    assert seconds_left(CHECKPOINT.deadline, progress, boot, now) == left


@pytest.mark.parametrize(
    ("manual", "run", "expected"),
    [(True, "controller/user/1", True), (True, "controller/user/2", False), (False, "controller/user/1", False)],
)
def test_a_checkpoint_is_of_the_play_that_took_it(manual: bool, run: str, expected: bool) -> None:
    assert is_of(CHECKPOINT.deadline._replace(manual=manual), run) == expected


def test_values_of_the_kernel_that_another_program_set_later_stay() -> None:
    before = Kernel({"forwarding": "0"}, {"iptables": "ACCEPT", "ip6tables": "ACCEPT"})
    after = Kernel({"forwarding": "1"}, {"iptables": "DROP", "ip6tables": "ACCEPT"})
    assert former_kernel(before, after, after) == before
    later = Kernel({"forwarding": "1"}, {"iptables": "DROP", "ip6tables": "DROP"})
    assert former_kernel(before, after, later).policies == {"iptables": "ACCEPT", "ip6tables": "DROP"}
    assert former_kernel(before, None, later) == before  # the module was killed: what it set is unknown
    assert former_kernel(before, after, Kernel({}, {})) == before


COPIES = {
    "daemon.json": False,
    "daemon.json.7.2025-01-01@00:00:00~": True,
    "daemon.json.8.2025-01-01@00:00:00~": False,  # of another process
    "daemon.json.7.2024-01-01@00:00:00~": False,  # it existed before
    "daemon.json~": False,
    ".daemon.json.swp": False,
    ".daemon.json.a1b2c3_d": True,
    ".daemon.json.a1b2c3_d4": False,
    "daemon-json.7.2025-01-01@00:00:00~": False,
}


def test_only_copies_of_the_change_are_deleted() -> None:
    folder = "/etc/docker/"
    daemon = DAEMON._replace(process=7, copies=(f"{folder}daemon.json.7.2024-01-01@00:00:00~",))
    found = [f"{folder}{name}" for name in COPIES]
    assert left_copies(daemon, found) == [f"{folder}{name}" for name, own in COPIES.items() if own]
    assert left_copies(daemon._replace(process=None), found) == []


def test_bounds_of_the_timeout() -> None:
    for seconds in (10, 600):
        check_timeout("confirm_timeout", seconds)
    assert [message_of(check_timeout, "confirm_timeout", seconds) for seconds in (9, 601)] == [
        "confirm_timeout: 9: must be a number of seconds from 10 to 600.",
        "confirm_timeout: 601: must be a number of seconds from 10 to 600.",
    ]


def test_files_that_changed_are_restored_and_their_units_restarted() -> None:
    now = {**CHECKPOINT.files, ROUTES: SavedFile("new", 0o755), "/etc/fleetnet/python/new.py": SavedFile("", 0o644)}
    plan = plan_files_undo(CHECKPOINT, now, [RECONCILER_UNIT])
    assert (plan.remove, plan.stop) == ((), ())
    assert plan.write == {ROUTES: SavedFile("former \udcff", 0o755)}
    assert plan.delete == ("/etc/fleetnet/python/new.py",)
    assert (plan.apply, plan.restart) == ((ROUTES_PART,), (RECONCILER_UNIT,))
    assert plan.lines == [
        f"restore {ROUTES}",
        "delete /etc/fleetnet/python/new.py",
        "apply the former routes",
    ]


def test_a_mode_is_restored() -> None:
    now = {**CHECKPOINT.files, ROUTES: CHECKPOINT.files[ROUTES]._replace(mode=0o644)}
    assert list(plan_files_undo(CHECKPOINT, now, [RECONCILER_UNIT]).write) == [ROUTES]


def test_parts_that_did_not_exist_are_removed() -> None:
    unit = f"{UNITS}/{FIREWALL_PART.service}"
    now = {**CHECKPOINT.files, FIREWALL: SavedFile("", 0o755), unit: SavedFile("", 0o644)}
    plan = plan_files_undo(CHECKPOINT, now, [RECONCILER_UNIT, FIREWALL_PART.service])
    assert (plan.remove, plan.stop, plan.apply) == ((FIREWALL_PART,), (FIREWALL_PART.service,), (ROUTES_PART,))
    assert (plan.delete, plan.restart) == ((FIREWALL, unit), (RECONCILER_UNIT,))


def test_what_was_removed_is_written_and_started() -> None:
    plan = plan_files_undo(CHECKPOINT, {}, [])
    assert plan.write == CHECKPOINT.files
    assert plan.restart == (RECONCILER_UNIT,)


def network(name: str, subnet: str, network_id: str = "", **options: str) -> NetworkState:
    labels = pairs({"io.fleetnet.managed": "true"})
    definition = Definition(name=name, blocks=(Block(ipaddress.ip_network(subnet)),), labels=labels, **options)
    return NetworkState(definition, (), network_id)


def observed(state: NetworkState, network_id: str) -> ObservedNetwork:
    return ObservedNetwork(network_id, state.definition)


def test_steps_of_networks_become_one_that_is_undone() -> None:
    web, db = network("web", "10.64.1.0/24", "1"), network("db", "10.64.2.0/24", "2")
    new, more = network("web", "10.65.1.0/24"), network("more", "10.64.3.0/24")
    steps = [
        NetworkStep("remove", (db,), ()),
        NetworkStep("recreate", (web,), (new,)),
        NetworkStep("create", (), (more,)),
    ]
    journal = parse_networks(networks_text("unix:///run/docker.sock", steps))
    assert (journal.step.before, journal.step.after, journal.undoing) == ((db, web), (new, more), True)
    restored, others = observed(web, "5"), ObservedNetwork("6", dataclasses.replace(more.definition, labels=()))
    assert with_added(journal, [observed(new, "3"), observed(more, "4"), restored, others]).made == ("3", "4")


def test_without_a_plan_the_networks_that_did_not_exist_are_found_later() -> None:
    web, db = network("web", "10.64.1.0/24", "1"), network("db", "10.64.2.0/24", "2")
    journal = parse_networks(saved_networks_text("unix:///run/docker.sock", [web, db]))
    assert journal.step.before == (web, db)
    new, more = network("web", "10.65.1.0/24"), network("more", "10.64.3.0/24")
    others = ObservedNetwork("6", dataclasses.replace(more.definition, name="others", labels=()))
    now = [observed(new, "3"), observed(more, "4"), observed(db, "5"), others]
    assert [state.name for state in with_added(journal, now).step.after] == ["web", "more"]
    assert with_added(journal, now).made == ("3", "4")


def test_addresses_that_a_change_to_networks_added() -> None:
    after = [network("web", "10.64.1.0/24").definition, network("db", "10.64.2.0/24").definition]
    named = dataclasses.replace(after[1], driver_options=pairs({"com.docker.network.bridge.name": "fn-db"}))
    before = {"docker0": ("10.64.0.1/24",), "br-former": ("10.64.1.9/24",), "br0": ()}
    now = {
        "docker0": ("10.64.0.1/24", "10.65.0.1/24"),
        "br-former": ("10.64.1.9/24", "10.64.1.8/24"),  # it existed
        "br-web": ("10.64.1.1/24", "fd00::1/64"),
        "fn-db": ("192.0.2.1/24",),
        "br-other": ("10.66.0.1/24",),
        "br0": ("198.51.100.1/24",),
    }
    assert added_addresses(before, now, [after[0], named]) == [
        ("docker0", "10.65.0.1/24"),
        ("br-web", "10.64.1.1/24"),
        ("fn-db", "192.0.2.1/24"),
    ]


REPORT = UndoReport("7", "unconfirmed", 60.0, (("routes", ("a", "b")), ("engine", ())), ("restore /etc/a",))


def test_a_report_is_the_same_after_it_was_written() -> None:
    for report in (REPORT, REPORT._replace(run="controller/user/1", attempt=3)):
        assert parse_report(report_text(report)) == report
    assert UndoReport.from_data(REPORT._replace(run="controller/user/1").to_data()) == REPORT
    huge = report_text(REPORT).replace("60.0", "1" + "0" * 400)
    assert parse_report(None) is parse_report("{}") is parse_report("[") is parse_report(huge) is None


def test_the_message_says_what_was_undone_why_and_what_to_check() -> None:
    assert undone_message(REPORT) == (
        "the changes of this run are undone, because the controller did not confirm them over a new connection within "
        "60 s. Undone: restore /etc/a. These changes can cut the path to the host: routes (a, b), engine. Check "
        "whether a route of the fleet leads to the network of the controller (docker_fleet_supernet, backend), and "
        "whether docker0 (bip) has addresses of the network of the controller, and the engine's log."
    )
    failed = REPORT._replace(reason="rebooted", risks=(), operations=tuple("abcdefgh"), problems=("networks: no.",))
    assert undone_message(failed) == (
        "the changes of this run are undone, because the host rebooted before the controller confirmed them. "
        "Undone: a; b; c; d; e; f; 2 more. NOT restored: networks: no."
    )
