# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A run that is killed at any point is finished or undone by the next one, with all endpoints."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.journal import (
    parse_journal,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.bridges import UnknownBridges
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.executor import NetworkExecutor
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.recovery import Recoverer

from .fake_docker import FakeDocker
from .kills import HOST, Life, Process, killed, prepared
from .networks_runs import Json, plan_on, run
from .test_executor import DUAL, RECREATE, WEB, populated, visible
from .test_network_endpoint import plan_on as plan_endpoint


@pytest.mark.parametrize("version", ["20.10.24", "28.5.2"])
@pytest.mark.parametrize(("items", "options"), RECREATE)
def test_after_a_kill_at_any_point_the_next_run_restores_all_endpoints(
    items: list[Json], options: Json, version: str, record_property: t.Callable[[str, object], None]
) -> None:
    docker = prepared(version)
    old = docker.state()
    steps = plan_on(docker, *items, allow_disconnect=True, **options).steps
    life = Life()
    Process(docker, {}, life).execute(*items, **options)
    new = docker.state()
    assert old != new
    points = 0
    for number in range(life.actions):
        for after_effect in (False, True):
            docker, files = prepared(version), {}
            assert killed(Process(docker, files, Life(number, after_effect)).execute, *items, **options)
            where = f"killed at {number} ({after_effect}): {files.keys()}"
            preview = Process(docker, files).preview()
            assert Process(docker, files).recover() == preview, where
            assert files == {}, where
            assert Process(docker, files).recover() == [], where
            now = docker.state()
            for step in steps:
                names = [state.name for state in (*step.before, *step.after)]
                joins = step.kind in ("create", "connect")  # these steps have no journal, and the next run goes on
                assert joins or visible(now, names) in (visible(old, names), visible(new, names)), where
            Process(docker, files).execute(*items, **options)
            assert docker.state() == new, where
            assert not plan_on(docker, *items, **options).changed, where
            points += 1
    assert points == 2 * life.actions
    record_property("kill_positions", points)


@pytest.mark.parametrize(("items", "options"), [RECREATE[0].values, RECREATE[2].values])
def test_a_kill_while_an_interrupted_run_is_finished(
    items: list[Json], options: Json, record_property: t.Callable[[str, object], None]
) -> None:
    docker = prepared("28.5.2")
    old = docker.state()
    life = Life()
    Process(docker, {}, life).execute(*items, **options)
    new = docker.state()
    points = 0
    for number in range(life.actions):
        second = 0
        while True:
            docker, files = prepared("28.5.2"), {}
            assert killed(Process(docker, files, Life(number)).execute, *items, **options)
            if not killed(Process(docker, files, Life(second // 2, bool(second % 2))).recover):
                break
            Process(docker, files).recover()
            assert files == {}
            assert docker.state() in (old, new), f"killed at {number}, and at {second}"
            second += 1
            points += 1
    assert points > life.actions
    record_property("kill_positions", points)


@pytest.mark.parametrize("version", ["20.10.24", "28.5.2"])
def test_a_kill_while_a_failed_step_is_undone(version: str, record_property: t.Callable[[str, object], None]) -> None:
    """The engine refuses the new network; the process is killed at any point after that."""
    items = [{**WEB, "mtu": 1400}, {**DUAL, "labels": {"a": "b"}}]

    def refusing() -> t.Any:
        docker = prepared(version)

        def refuse() -> None:
            docker.fail_call(0)

        docker.before_call("POST /networks/create", refuse)
        return docker

    old = prepared(version).state()
    docker, life = refusing(), Life()
    with pytest.raises(FleetnetError, match="the former state is restored"):
        Process(docker, {}, life).execute(*items)
    assert docker.state() == old
    points = 0
    for number in range(life.actions):
        for after_effect in (False, True):
            docker, files = refusing(), {}
            assert killed(Process(docker, files, Life(number, after_effect)).execute, *items)
            docker.fail_call(None)
            docker._hooks.clear()
            Process(docker, files).recover()
            assert files == {}
            seen = docker.state()
            assert visible(seen, ["dual"]) == visible(old, ["dual"])
            if visible(seen, ["web"]) != visible(old, ["web"]):  # killed before the engine refused: finished
                assert seen["web"]["endpoints"] == old["web"]["endpoints"]
                assert seen["web"]["network"]["Options"]["com.docker.network.driver.mtu"] == "1400"
            points += 1
    record_property("kill_positions", points)


@pytest.mark.parametrize("version", ["20.10.24", "28.5.2"])
def test_a_kill_while_an_endpoint_is_reconnected(version: str) -> None:
    def prepared_container() -> t.Any:
        docker = FakeDocker(version)
        run(docker, WEB)
        docker.add_container("c", web={"IPAMConfig": {"IPv4Address": "10.64.1.50"}, "Aliases": ["www"]})
        return docker

    def change(docker: t.Any, files: dict[str, str], life: Life) -> None:
        plan = plan_endpoint(docker, {"name": "web", "ipv4_address": "10.64.1.60"})
        process = Process(docker, files, life)
        NetworkExecutor(process, journals=process, docker_host=HOST).execute(plan)

    docker, life = prepared_container(), Life()
    old = docker.state()
    change(docker, {}, life)
    new = docker.state()
    for number in range(life.actions):
        for after_effect in (False, True):
            docker, files = prepared_container(), {}
            assert killed(change, docker, files, Life(number, after_effect))
            Process(docker, files).recover()
            assert files == {}
            assert docker.state() in (old, new)


def interrupted(stop: str, *items: Json) -> tuple[t.Any, dict[str, str]]:
    """A run that is killed before its first request that starts with ``stop``: the engine, and the journals."""
    docker, files = prepared("28.5.2"), {}
    assert killed(Process(docker, files, Life(stop=stop)).execute, *items)
    assert [parse_journal(text).undoing for text in files.values()] == [False]
    return docker, files


def endpoints(docker: t.Any, network: str) -> Json:
    return dict(docker.state()[network]["endpoints"])


MTU = {**WEB, "mtu": 1400}
CREATE = "POST /networks/create"


def test_containers_that_are_removed_meanwhile_are_reported() -> None:
    docker, files = interrupted(CREATE, MTU)
    del docker.containers[next(cid for cid, each in docker.containers.items() if each["Name"] == "/fixed")]
    recoverer = Recoverer(process := Process(docker, files), UnknownBridges(), process)
    recoverer.recover()
    assert endpoints(docker, "web").keys() == {"dynamic", "both", "stopped", "once"}
    assert recoverer.warnings == ["container 'fixed' no longer exists and is not reconnected to 'web'"]


def test_a_network_of_others_with_the_name_is_not_joined_until_it_is_removed() -> None:
    docker, files = interrupted(CREATE, MTU)
    other = docker._add_network({"Name": "web", "IPAM": {"Config": [{"Subnet": "10.99.0.0/24"}]}})
    words = (
        r"an interrupted run \(recreate network web\) cannot be finished: network 'web': cannot be created again, "
        rf"because another program created network 'web' \({other[:12]}\).*Until then both, dynamic, fixed, once, "
        r"stopped are not connected to it. The next run tries again. To give up these endpoints, delete /journals/"
    )
    for action in (Process(docker, files).preview, Process(docker, files).recover):
        with pytest.raises(FleetnetError, match=words):
            action()
    assert endpoints(docker, "web") == {}
    assert len(files) == 1
    docker.delete(f"/networks/{other}")
    Process(docker, files).recover()
    assert files == {}
    assert endpoints(docker, "web").keys() == {"fixed", "dynamic", "both", "stopped", "once"}


def test_a_network_of_others_that_has_all_containers_ends_the_journal() -> None:
    docker, files = interrupted(CREATE, MTU)
    other = docker._add_network({"Name": "web", "IPAM": {"Config": [{"Subnet": "10.99.0.0/24"}]}})
    for each in ("fixed", "dynamic", "both", "stopped", "once"):
        docker.post(f"/networks/{other}/connect", {"Container": each})
    before = docker.state()
    (line,) = Process(docker, files).recover()
    assert line == "finish an interrupted run (recreate network web): nothing is left to do"
    assert (files, docker.state()) == ({}, before)


def test_a_subnet_that_is_taken_meanwhile_undoes_the_step_if_the_former_one_is_free() -> None:
    moved = {**WEB, "ipam_config": [{"subnet": "10.65.0.0/24"}]}
    docker, files = interrupted(CREATE, moved)
    docker._add_network({"Name": "other", "IPAM": {"Config": [{"Subnet": "10.65.0.0/16"}]}})
    operations = Process(docker, files).recover()
    assert operations[0].startswith(
        "undo an interrupted run (recreate network web): create network web (bridge, 10.64.1.0/24"
    )
    old = prepared("28.5.2").state()
    assert docker.state()["web"] == old["web"]


def test_a_subnet_that_is_taken_meanwhile_blocks_the_recovery_until_it_is_free() -> None:
    docker, files = interrupted(CREATE, MTU)
    other = docker._add_network({"Name": "other", "IPAM": {"Config": [{"Subnet": "10.64.1.128/25"}]}})
    with pytest.raises(FleetnetError, match=r"because network 'other' \(.*\) has subnet 10.64.1.128/25. Remove that"):
        Process(docker, files).recover()
    docker.delete(f"/networks/{other}")
    Process(docker, files).recover()
    assert endpoints(docker, "web").keys() == {"fixed", "dynamic", "both", "stopped", "once"}


def test_an_address_that_is_taken_meanwhile_leaves_the_journal_and_connects_the_others() -> None:
    docker, files = interrupted("POST /networks/", MTU)
    (journal,) = Process(docker, files).unfinished()
    web = docker.network("web")["Id"]
    # the run was killed before it disconnected the first container
    assert journal.key == web
    by_name = {each["Name"][1:]: cid for cid, each in docker.containers.items()}
    docker.post(f"/networks/{web}/disconnect", {"Container": by_name["fixed"]})
    thief = docker.add_container("thief", web={"IPAMConfig": {"IPv4Address": "10.64.1.50"}})
    with pytest.raises(FleetnetError, match=r"fixed \(10.64.1.50\) on network 'web' \(.*Address already in use"):
        Process(docker, files).recover()
    assert len(files) == 1
    docker.post(f"/networks/{web}/disconnect", {"Container": thief})
    Process(docker, files).recover()
    assert endpoints(docker, "web")["fixed"]["addresses"][0] == "10.64.1.50"


def test_containers_that_joined_a_network_that_is_still_to_be_removed_are_reconnected() -> None:
    docker, files = interrupted_between_removals()
    late = docker.add_container("late", dual={})
    Process(docker, files).recover()
    assert files == {}
    assert "late" in endpoints(docker, "dual")
    assert late in docker.containers


def interrupted_between_removals() -> tuple[t.Any, dict[str, str]]:
    """Two networks that swap their subnets: one is removed, the other is not."""
    swapped = (
        {**WEB, "ipam_config": [{"subnet": "10.64.2.0/24"}]},
        {**DUAL, "ipam_config": [{"subnet": "10.64.1.0/24"}, {"subnet": "fd00:64:2::/64"}]},
    )
    docker, files = interrupted("DELETE", *swapped)
    first = next(state for state in parse_journal(*files.values()).step.before if state.name == "web")
    docker.delete(f"/networks/{first.id}")
    return docker, files


@pytest.mark.parametrize("version", ["20.10.24", "28.5.2"])
def test_after_a_kill_and_a_reboot_at_any_point_all_containers_run_with_their_endpoints(version: str) -> None:
    """A container that was created with the network does not start while the network is absent."""

    def created() -> t.Any:
        docker = FakeDocker(version)
        run(docker, WEB)
        # started without their addresses, each of the two gets that of the other
        docker.add_container("one", mode="web", web={"IPAMConfig": {"IPv4Address": "10.64.1.3"}, "Aliases": ["www"]})
        docker.add_container("two", mode="web", web={"IPAMConfig": {"IPv4Address": "10.64.1.2"}})
        docker.add_container("other", web={"IPAMConfig": {"IPv4Address": "10.64.1.60"}})
        docker.add_container("off", running=False, mode="web", web={"IPAMConfig": {"IPv4Address": "10.64.1.70"}})
        return docker

    def running(docker: t.Any) -> list[str]:
        return [each["Name"] for each in docker.containers.values() if each["State"]["Running"]]

    before, life = endpoints(created(), "web"), Life()
    Process(created(), {}, life).execute(MTU)
    started = 0
    for number in range(life.actions):
        for after_effect in (False, True):
            docker, files = created(), {}
            assert killed(Process(docker, files, Life(number, after_effect)).execute, MTU)
            docker.reboot()
            journaled = bool(files)
            down = "/one" not in running(docker)
            operations = Process(docker, files).recover()
            assert journaled or not down
            assert any("start container one" in line for line in operations) == down
            started += down
            assert running(docker) == ["/one", "/two", "/other"]
            assert endpoints(docker, "web") == before
            assert (files, Process(docker, files).recover()) == ({}, [])
    assert started >= 2


def test_a_container_that_was_stopped_meanwhile_is_not_started() -> None:
    docker, files = interrupted(CREATE, MTU)
    fixed = next(each for each in docker.containers.values() if each["Name"] == "/fixed")
    fixed["State"] = {"Running": False, "Status": "exited", "Error": ""}
    assert not any("start" in line for line in Process(docker, files).recover())
    assert not fixed["State"]["Running"]


def test_an_interrupted_recreate_of_a_network_without_containers_is_finished() -> None:
    docker, files = FakeDocker(), {}
    run(docker, WEB)
    assert killed(Process(docker, files, Life(stop=CREATE)).execute, MTU)
    assert Process(docker, files).recover() == [
        "finish an interrupted run (recreate network web): create network web (bridge, 10.64.1.0/24)"
    ]
    assert docker.network("web")["Options"]["com.docker.network.driver.mtu"] == "1400"


def test_without_a_journal_nothing_is_read() -> None:
    docker = populated()
    docker.fail_call(None)
    assert Process(docker, {}).recover() == Process(docker, {}).preview() == []
    assert docker.calls == []
