# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Other programs and swarms interfere with a plan: no container loses its endpoint."""

from __future__ import annotations

import threading
import typing as t

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._host.engine.port import EngineError
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.executor import NetworkExecutor
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.signals import signals_held

from .fake_docker import FakeDocker, Json
from .networks_runs import plan_on, run

WEB = {"name": "web", "ipam_config": [{"subnet": "10.64.1.0/24"}]}


def duplicated(other: Json, connect: t.Callable[[], None] = lambda: None) -> tuple[FakeDocker, t.Any]:
    """An engine that lets two controllers create a name twice, and a plan that recreates the network with containers.

    The other controller creates ``other`` just before the plan creates its network. ``connect`` is called before the
    first container is connected to it.
    """
    docker = FakeDocker("20.10.24")
    run(docker, WEB)
    docker.add_container("fixed", web={"IPAMConfig": {"IPv4Address": "10.64.1.50"}})
    docker.add_container("dynamic", web={})
    plan = plan_on(docker, {**WEB, "mtu": 1400}, allow_disconnect=True)

    def create() -> None:
        first = docker._add_network(other)
        hidden = docker.networks.pop(first)  # the engine does not report it yet
        docker.before_call("GET /networks", lambda: docker.networks.update({first: hidden}))
        docker.before_call(f"POST /networks/{first}/connect", connect)

    docker.before_call("POST /networks/create", create)
    return docker, plan


def connected(docker: FakeDocker) -> set[str]:
    return set(docker.state()["web"]["endpoints"])


SAME = {
    "Name": "web",
    "Driver": "bridge",
    "Labels": {"io.fleetnet.managed": "true"},
    "IPAM": {"Config": [{"Subnet": "10.64.1.0/24"}]},
    "Options": {"com.docker.network.driver.mtu": "1400"},
}


def test_containers_move_to_a_network_with_other_options_that_another_program_created() -> None:
    docker, plan = duplicated({**SAME, "Options": {"com.docker.network.driver.mtu": "1300"}})
    with pytest.raises(FleetnetError, match=r"'web' with other options at the same time.* connected to the other one"):
        NetworkExecutor(docker, allow_disconnect=True, sleep=lambda _s: None).execute(plan)
    assert docker.network("web")["Options"]["com.docker.network.driver.mtu"] == "1300"
    assert connected(docker) == {"fixed", "dynamic"}


def test_addresses_are_kept_and_those_that_the_network_reserves_are_chosen_anew() -> None:
    taken = {"Config": [{"Subnet": "10.64.1.0/24", "AuxiliaryAddresses": {"printer": "10.64.1.50"}}]}
    docker, plan = duplicated({**SAME, "IPAM": taken})
    NetworkExecutor(docker, allow_disconnect=True, sleep=lambda _s: None).execute(plan)
    endpoints = docker.state()["web"]["endpoints"]
    assert endpoints["dynamic"]["addresses"][0] == "10.64.1.2"
    assert endpoints["fixed"]["addresses"][0] not in ("10.64.1.2", "10.64.1.50")


def test_a_container_that_cannot_move_is_named_and_the_others_move() -> None:
    def fail() -> None:
        raise EngineError("injected", 500)

    docker, plan = duplicated(SAME, fail)
    with pytest.raises(FleetnetError, match=r"duplicate of network 'web' is removed; NOT connected: .*fixed \(10\.64"):
        NetworkExecutor(docker, allow_disconnect=True, sleep=lambda _s: None).execute(plan)
    assert connected(docker) == {"dynamic"}


def swarm() -> FakeDocker:
    docker = FakeDocker()
    docker.info["Swarm"] = {"ControlAvailable": True, "LocalNodeState": "active"}
    docker._add_network(
        {
            "Name": "over",
            "Driver": "overlay",
            "Scope": "swarm",
            "Attachable": True,
            "Labels": {"io.fleetnet.managed": "true"},
            "IPAM": {"Config": [{"Subnet": "10.65.0.0/24"}]},
        }
    )
    return docker


@pytest.mark.parametrize("rounds", [0, 3])
def test_a_recreate_waits_until_the_swarm_has_removed_the_network(rounds: int) -> None:
    docker = swarm()
    removed: list[Json] = []
    slept: list[float] = []
    original = docker._delete

    def delete(path: str) -> None:
        network = docker._find_network(path.rsplit("/", 1)[1])
        original(path)
        removed.append(network)
        if rounds:
            docker.networks[network["Id"]] = network  # a swarm removes it later

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == rounds:
            del docker.networks[removed[0]["Id"]]

    docker._delete = delete  # type: ignore[method-assign]
    plan = plan_on(docker, {"name": "over"}, state="absent")
    NetworkExecutor(docker, sleep=sleep).execute(plan)
    assert len(slept) == rounds
    assert "over" not in docker.state()


def test_a_network_that_the_swarm_does_not_remove_is_an_error() -> None:
    docker = swarm()
    docker._delete = lambda _path: None  # type: ignore[method-assign]
    plan = plan_on(docker, {"name": "over"}, state="absent")
    with pytest.raises(FleetnetError, match="the swarm did not remove network 'over' within 15 s"):
        NetworkExecutor(docker, sleep=lambda _seconds: None).execute(plan)


def test_a_thread_does_not_touch_the_handlers_of_signals() -> None:
    """Only the main thread may set them; a step still runs."""
    ran: list[str] = []

    def step() -> None:
        with signals_held():
            ran.append("step")

    thread = threading.Thread(target=step)
    thread.start()
    thread.join()
    assert ran == ["step"]


def test_an_interrupt_within_a_step_restores_the_endpoints() -> None:
    """An exception that is not expected (Ctrl-C, a bug) must not leave containers disconnected either."""
    docker = FakeDocker()
    run(docker, WEB)
    docker.add_container("c", web={"IPAMConfig": {"IPv4Address": "10.64.1.50"}})
    before = docker.state()
    plan = plan_on(docker, {**WEB, "mtu": 1400}, allow_disconnect=True)

    def interrupt() -> None:
        raise KeyboardInterrupt

    docker.before_call("POST /networks/create", interrupt)
    with pytest.raises(KeyboardInterrupt):
        NetworkExecutor(docker, allow_disconnect=True).execute(plan)
    assert docker.state() == before


def test_warnings_of_the_engine_are_reported() -> None:
    docker = FakeDocker()
    create = docker._create
    docker._create = lambda body: {**create(body), "Warning": "careful"}  # type: ignore[method-assign]
    assert run(docker, WEB)[1] == ["network 'web': careful"]


def test_an_endpoint_without_a_container_does_not_prevent_the_removal() -> None:
    """The engine lists such an endpoint by name after its container was removed in a crash."""
    docker = FakeDocker()
    run(docker, WEB)
    nid = docker.network("web")["Id"]
    gone = {"ep-1": {"Name": "gone"}}
    inspected, delete, disconnect = docker._inspected, docker._delete, docker._disconnect

    def remove(path: str) -> None:
        if gone:
            raise EngineError("network web has active endpoints", 403)
        delete(path)

    def leave(reference: str, body: Json) -> None:
        if gone.pop("ep-1", None) is None or body != {"Container": "gone", "Force": True} or reference != nid:
            disconnect(reference, body)

    docker._inspected = lambda network: {**inspected(network), "Containers": dict(gone)}  # type: ignore[method-assign]
    docker._delete, docker._disconnect = remove, leave  # type: ignore[method-assign]
    run(docker, {"name": "web"}, state="absent")
    assert "web" not in docker.state()


def test_a_network_that_containers_join_again_and_again_stays_and_the_error_says_so() -> None:
    docker = FakeDocker()
    run(docker, WEB)
    joined: list[str] = []

    def join() -> None:
        joined.append(f"c{len(joined)}")
        docker.add_container(joined[-1], web={})
        docker.before_call("DELETE", join)

    plan = plan_on(docker, {**WEB, "mtu": 1400}, allow_disconnect=True)
    docker.before_call("DELETE", join)
    with pytest.raises(FleetnetError, match=r"cannot remove network 'web': .*active endpoints; the former state is"):
        NetworkExecutor(docker, allow_disconnect=True).execute(plan)
    assert connected(docker) == set(joined)
    assert docker.network("web")["Options"] == {}
