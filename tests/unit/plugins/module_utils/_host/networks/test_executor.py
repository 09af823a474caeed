# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plans executed on an engine in memory: endpoints stay, each failure is undone, other programs interfere."""

from __future__ import annotations

import signal
import typing as t

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._host.engine.port import EngineError
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.executor import NetworkExecutor

from .fake_docker import FakeDocker
from .networks_runs import plan_on, run

Json = dict[str, t.Any]


def endpoints(docker: t.Any, network: str) -> Json:
    return dict(docker.state()[network]["endpoints"])


WEB = {"name": "web", "ipam_config": [{"subnet": "10.64.1.0/24", "gateway": "10.64.1.1"}], "mtu": 1500}
DUAL = {
    "name": "dual",
    "enable_ipv6": True,
    "ipam_config": [{"subnet": "10.64.2.0/24"}, {"subnet": "fd00:64:2::/64"}],
}


def populated(version: str = "28.5.2") -> t.Any:
    """Two networks with every kind of endpoint: fixed, dynamic, stopped, never started, on both networks."""
    docker = FakeDocker(version)
    run(docker, WEB, DUAL)
    docker.add_container("fixed", web={"IPAMConfig": {"IPv4Address": "10.64.1.50"}, "Aliases": ["www", "front"]})
    docker.add_container("dynamic", web={"Links": ["fixed:peer"], "DriverOpts": {"a": "b"}})
    docker.add_container("both", web={"GwPriority": 7}, dual={"IPAMConfig": {"IPv6Address": "fd00:64:2::99"}})
    docker.add_container("stopped", running=False, web={"IPAMConfig": {"IPv4Address": "10.64.1.60"}})
    stopped = docker.add_container("once", web={"Aliases": ["new"]})  # ran before, and so knows the network's id
    docker.containers[stopped]["State"] = {"Running": False, "Status": "exited"}
    docker.containers[stopped]["NetworkSettings"]["Networks"]["web"]["IPAddress"] = ""
    return docker


RECREATE = (
    pytest.param([{**WEB, "mtu": 1400}], {}, id="one network"),
    pytest.param([{**WEB, "mtu": 1400}, {**DUAL, "labels": {"a": "b"}}], {}, id="two networks"),
    pytest.param(
        [
            {**WEB, "ipam_config": [{"subnet": "10.64.2.0/24"}]},
            {**DUAL, "ipam_config": [{"subnet": "10.64.1.0/24"}, {"subnet": "fd00:64:2::/64"}]},
        ],
        {},
        id="subnets swapped",
    ),
    pytest.param([{**WEB, "mtu": 1400, "connected": ["fixed", "stranger"]}], {}, id="others connected"),
    pytest.param([{"name": "web", "connected": ["fixed", "stranger"]}], {}, id="only others connected"),
    pytest.param([{**DUAL, "internal": True}], {"prune": True}, id="prune and recreate"),
    pytest.param([{"name": "new", "connected": ["fixed", "stranger"]}], {}, id="create and connect"),
    pytest.param([{"name": "web"}, {"name": "dual"}], {"state": "absent"}, id="remove"),
)


def visible(state: Json, names: t.Iterable[str]) -> Json:
    return {name: state.get(name) for name in names}


@pytest.mark.parametrize("version", ["20.10.24", "28.5.2"])
@pytest.mark.parametrize(("items", "options"), RECREATE)
def test_after_any_failure_each_network_is_the_old_or_the_new_one_with_all_endpoints(
    items: list[Json], options: Json, version: str, record_property: t.Callable[[str, object], None]
) -> None:
    def prepared() -> t.Any:
        docker = populated(version)
        docker.add_container("stranger")
        return docker

    docker = prepared()
    old = docker.state()
    plan = plan_on(docker, *items, allow_disconnect=True, **options)
    docker.fail_call(None)
    NetworkExecutor(docker, allow_disconnect=True, sleep=lambda _s: None).execute(plan)
    requests = len(docker.calls)
    new = docker.state()
    assert old != new
    steps = [[state.name for state in (*step.before, *step.after)] for step in plan.steps]
    tried = 0
    for index in range(requests):
        for fault in ({}, {"after_effect": True}, {"half_made": True}):
            docker = prepared()
            plan = plan_on(docker, *items, allow_disconnect=True, **options)
            docker.fail_call(index, **fault)
            where = f"request {index} ({fault})"
            failure = ""
            try:
                NetworkExecutor(docker, allow_disconnect=True, sleep=lambda _s: None).execute(plan)
            except FleetnetError as error:
                failure = str(error)
            where += f" {docker.calls[index]}: {failure}"
            assert "NOT restored" not in failure, where
            now = docker.state()
            for names in steps:
                seen = visible(now, names)
                assert seen in (visible(old, names), visible(new, names)), where
            if not failure:
                assert now == new, where
            tried += 1
    assert tried == 3 * requests
    record_property("fault_positions", tried)


@pytest.mark.parametrize("version", ["20.10.24", "26.1.5", "28.5.2"])
def test_a_recreate_keeps_every_endpoint(version: str) -> None:
    docker = populated(version)
    before = endpoints(docker, "web")
    run(docker, {**WEB, "mtu": 1400}, allow_disconnect=True)
    assert before.keys() == {"fixed", "dynamic", "both", "stopped", "once"}
    assert endpoints(docker, "web") == before
    assert docker.network("web")["Options"]["com.docker.network.driver.mtu"] == "1400"


def test_a_recreate_keeps_options_that_the_item_omits() -> None:
    docker = FakeDocker()
    full = {
        **WEB,
        "labels": {"a": "b"},
        "attachable": True,
        "driver_options": {"x": "y"},
        "ipam_config": [{"subnet": "10.64.1.0/24", "gateway": "10.64.1.9", "aux_addresses": {"h": "10.64.1.8"}}],
    }
    run(docker, full)
    before = docker.network("web")
    run(docker, {"name": "web", "mtu": 1400, "ipam_config": [{"subnet": "10.64.1.0/24"}]})
    after = docker.network("web")
    assert after["Options"] == {"x": "y", "com.docker.network.driver.mtu": "1400"}
    for key in ("Labels", "Attachable", "IPAM"):
        assert after[key] == before[key]


def test_check_mode_and_run_make_the_same_plan_and_a_second_run_none() -> None:
    docker = populated()
    preview = plan_on(docker, {**WEB, "mtu": 1400}, allow_disconnect=True)
    plan, _warnings = run(docker, {**WEB, "mtu": 1400}, allow_disconnect=True)
    assert preview == plan
    assert not plan_on(docker, {**WEB, "mtu": 1400}, strict=True).changed


def test_nothing_to_change_costs_one_listing() -> None:
    docker = populated()
    docker.fail_call(None)
    assert not plan_on(docker, WEB, DUAL, strict=True, prune=True).changed
    assert docker.calls == ["GET /networks"]


def test_a_container_that_is_removed_stopped_or_started_during_the_run() -> None:
    docker = populated()

    def during_the_run() -> None:
        by_name = {each["Name"]: each for each in docker.containers.values()}
        del docker.containers[by_name["/dynamic"]["Id"]]
        by_name["/fixed"]["State"] = {"Running": False, "Status": "exited"}
        by_name["/stopped"]["State"] = {"Running": True, "Status": "running"}

    docker.before_call("POST /networks/create", during_the_run)
    _plan, warnings = run(docker, {**WEB, "mtu": 1400}, allow_disconnect=True)
    after = endpoints(docker, "web")
    assert after.keys() == {"fixed", "both", "stopped", "once"}
    assert after["stopped"]["addresses"][0] == "10.64.1.60"
    assert warnings == ["container 'dynamic' no longer exists and is not reconnected to 'web'"]


def test_a_container_that_is_removed_before_it_is_disconnected() -> None:
    docker = populated()

    def during_the_run() -> None:
        del docker.containers[next(cid for cid, each in docker.containers.items() if each["Name"] == "/fixed")]

    docker.before_call("POST /networks", during_the_run)
    run(docker, {**WEB, "mtu": 1400}, allow_disconnect=True)
    assert endpoints(docker, "web").keys() == {"dynamic", "both", "stopped", "once"}


def test_a_container_that_joins_during_the_run_is_reconnected() -> None:
    docker = populated()
    docker.before_call(
        "DELETE", lambda: docker.add_container("late", web={"IPAMConfig": {"IPv4Address": "10.64.1.70"}})
    )
    run(docker, {**WEB, "mtu": 1400}, allow_disconnect=True)
    assert endpoints(docker, "web")["late"]["addresses"][0] == "10.64.1.70"


def test_without_consent_a_container_that_joins_during_the_run_stops_the_recreate() -> None:
    docker = FakeDocker()
    run(docker, WEB)
    docker.before_call("DELETE", lambda: docker.add_container("late", web={}))
    with pytest.raises(
        FleetnetError, match=r"late .* joined network 'web' during the run.*the former state is restored"
    ):
        run(docker, {**WEB, "mtu": 1400})
    assert endpoints(docker, "web").keys() == {"late"}
    assert docker.network("web")["Options"]["com.docker.network.driver.mtu"] == "1500"


@pytest.mark.parametrize("version", ["20.10.24", "28.5.2"])
def test_a_removal_that_fails_restores_endpoints_whose_address_the_engine_chose(version: str) -> None:
    docker = FakeDocker(version)
    run(docker, {"name": "auto"})
    docker.add_container("c", auto={})
    plan = plan_on(docker, {"name": "auto", "mtu": 1400}, allow_disconnect=True)
    docker.fail_call(1)
    with pytest.raises(FleetnetError, match=r"cannot remove network 'auto'.*is restored, with 1 endpoint"):
        NetworkExecutor(docker, allow_disconnect=True).execute(plan)
    assert docker.calls[1].startswith("DELETE")
    assert endpoints(docker, "auto").keys() == {"c"}
    run(docker, {"name": "auto", "mtu": 1400}, allow_disconnect=True)
    assert endpoints(docker, "auto").keys() == {"c"}


def test_a_network_that_is_removed_during_the_run_is_created_again() -> None:
    docker = FakeDocker()
    run(docker, WEB)
    docker.before_call("DELETE", lambda: docker.networks.pop(docker.network("web")["Id"]))
    run(docker, {**WEB, "mtu": 1400})
    assert docker.network("web")["Options"]["com.docker.network.driver.mtu"] == "1400"


@pytest.mark.parametrize("version", ["20.10.24", "28.5.2"])
def test_two_controllers_that_create_at_once_make_one_network(version: str) -> None:
    docker = FakeDocker(version)
    docker.before_call("POST /networks/create", lambda: run(docker, WEB))
    run(docker, WEB)
    assert docker.network("web")["Options"]["com.docker.network.driver.mtu"] == "1500"


def test_two_controllers_with_different_networks_create_one_and_report_an_error() -> None:
    docker = FakeDocker()
    docker.before_call("POST /networks/create", lambda: run(docker, WEB))
    with pytest.raises(FleetnetError, match=r"create network web: .*already exists"):
        run(docker, {**WEB, "mtu": 1400})
    assert docker.network("web")["Options"]["com.docker.network.driver.mtu"] == "1500"


def test_duplicates_that_an_old_engine_let_through_are_settled_for_the_older_one() -> None:
    docker = FakeDocker("20.10.24")
    docker.add_container("c")
    first = docker._add_network({"Name": "web", "Labels": {"io.fleetnet.managed": "true"}})
    hidden = docker.networks.pop(first)
    # The engine creates this network before it reports the other.
    docker.before_call("GET /networks", lambda: None)
    plan = plan_on(docker, {"name": "web", "connected": ["c"]})
    docker.before_call("GET /networks", lambda: docker.networks.update({first: hidden}))
    NetworkExecutor(docker, sleep=lambda _s: None).execute(plan)
    assert docker.network("web")["Id"] == first
    assert endpoints(docker, "web").keys() == {"c"}


def test_a_name_that_is_the_beginning_of_another_networks_id() -> None:
    docker = FakeDocker()
    run(docker, WEB)
    other = docker.network("web")["Id"]
    docker.add_container("c", web={})
    run(docker, {"name": other[:12]})
    assert docker.network(other[:12])["Id"] != other
    run(docker, {"name": other[:12]}, state="absent")
    assert docker.network("web")["Id"] == other
    assert endpoints(docker, "web").keys() == {"c"}


def test_names_that_are_part_of_others_are_other_networks() -> None:
    docker = FakeDocker()
    run(docker, {"name": "web-front"}, {"name": "front-web"})
    plan, _warnings = run(docker, {"name": "web"})
    assert plan.operations == ["create network web (bridge)"]
    run(docker, {"name": "web"}, state="absent")
    assert {"web-front", "front-web"} <= docker.state().keys()


def test_connected_knows_stopped_containers_and_ids() -> None:
    docker = populated()
    by_name = {each["Name"][1:]: cid for cid, each in docker.containers.items()}
    connected = ["fixed", by_name["dynamic"], by_name["both"][:12], "stopped", "once"]
    assert not plan_on(docker, {"name": "web", "connected": connected}).changed
    assert not plan_on(docker, {"name": "web", "connected": ["fixed"], "appends": True}).changed


def test_an_empty_connected_disconnects() -> None:
    docker = populated()
    run(docker, {"name": "web", "connected": []})
    assert endpoints(docker, "web") == {}
    assert endpoints(docker, "dual").keys() == {"both"}


def test_prune_removes_only_managed_networks_that_are_not_in_use() -> None:
    docker = FakeDocker()
    docker._add_network({"Name": "foreign"})
    run(docker, WEB, DUAL)
    docker.add_container("c", dual={})
    with pytest.raises(FleetnetError, match=r"removing network 'dual' \(prune\) would disconnect 1 container: c "):
        run(docker, WEB, prune=True)
    run(docker, WEB, prune=True, allow_disconnect=True)
    assert docker.state().keys() == {"bridge", "host", "none", "foreign", "web"}


def test_a_network_that_a_swarm_service_uses_is_not_touched() -> None:
    docker = FakeDocker()
    run(docker, WEB)
    cid = docker.add_container("svc.1.abc", web={})
    docker.containers[cid]["Labels"] = {"com.docker.swarm.service.name": "svc"}
    with pytest.raises(FleetnetError, match="recreating network 'web': the swarm services svc use it"):
        run(docker, {**WEB, "mtu": 1400}, allow_disconnect=True)


@pytest.mark.parametrize("version", ["28.5.2", "29.7.2"])
def test_networks_made_from_a_configuration_are_recreated_with_it(version: str) -> None:
    docker = FakeDocker(version)
    config = {"name": "cfg", "config_only": True, "ipam_config": [{"subnet": "10.64.5.0/24"}], "mtu": 1500}
    made = {"name": "made", "config_from": "cfg"}
    run(docker, made, config)
    docker.add_container("c", made={"IPAMConfig": {"IPv4Address": "10.64.5.77"}})
    assert not plan_on(docker, made, config, strict=True, prune=True).changed
    run(docker, made, {**config, "mtu": 1400}, allow_disconnect=True)
    assert docker.network("made")["Options"]["com.docker.network.driver.mtu"] == "1400"
    assert endpoints(docker, "made")["c"]["addresses"][0] == "10.64.5.77"
    with pytest.raises(FleetnetError, match="'made' takes its configuration from it and is not declared"):
        run(docker, {**config, "mtu": 1300}, allow_disconnect=True)


def test_an_address_outside_the_new_subnet_causes_a_warning() -> None:
    docker = populated()
    plan, _warnings = run(docker, {**WEB, "ipam_config": [{"subnet": "10.65.0.0/24"}]}, allow_disconnect=True)
    assert "'fixed' cannot keep 10.64.1.50 on network 'web' (10.65.0.0/24) and gets another address" in plan.warnings
    assert endpoints(docker, "web")["fixed"]["addresses"][0].startswith("10.65.0.")


def test_a_run_that_is_stopped_finishes_its_step() -> None:
    docker = populated()
    plan = plan_on(docker, {**WEB, "mtu": 1400}, allow_disconnect=True)
    stopped: list[int] = []
    previous = signal.signal(signal.SIGHUP, lambda number, _frame: stopped.append(number))
    try:
        docker.before_call("POST /networks/create", lambda: signal.raise_signal(signal.SIGHUP))
        NetworkExecutor(docker, allow_disconnect=True).execute(plan)
    finally:
        signal.signal(signal.SIGHUP, previous)
    assert stopped == [signal.SIGHUP]
    assert endpoints(docker, "web").keys() == {"fixed", "dynamic", "both", "stopped", "once"}


def test_the_error_names_endpoints_that_are_not_restored_if_the_engine_stops() -> None:
    docker = populated()
    plan = plan_on(docker, {**WEB, "mtu": 1400}, allow_disconnect=True)

    def gone(*_args: object, **_query: object) -> None:
        raise EngineError("the Docker engine does not answer")

    def die() -> None:
        docker.get = docker.post = docker.delete = gone
        gone()

    docker.before_call("POST /networks/create", die)
    with pytest.raises(FleetnetError, match=r"does not answer; NOT restored: .*network 'web'.*fixed \(10.64.1.50\) on"):
        NetworkExecutor(docker, allow_disconnect=True).execute(plan)
