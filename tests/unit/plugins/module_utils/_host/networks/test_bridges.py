# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bridges that a failed creation leaves: this collection's are removed, those of others never."""

from __future__ import annotations

import pathlib
import shutil
import typing as t

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError, InvalidValue
from ansible_collections.fleetnet.docker.plugins.module_utils._host.engine.port import EngineError
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.bridges import UnknownBridges
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.executor import NetworkExecutor
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.left_over_bridges import RecordedBridges

from .fake_docker import FakeDocker
from .networks_runs import plan_on

NEW = {"name": "new", "bridge_name": "fn-new", "ipam_config": [{"subnet": "10.64.1.0/24"}]}


class Kernel:
    """Interfaces as in /sys/class/net, and ``ip link delete``."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder / "net"
        self.record = folder / "run" / "record.json"
        self.failing = False
        self.add("eth0", bridge=False)

    def add(self, name: str, bridge: bool = True, port: str = "") -> None:
        path = self.folder / name
        path.mkdir(parents=True)
        if bridge:
            (path / "brif").mkdir()
        if port:
            (path / "brif" / port).touch()

    @property
    def names(self) -> set[str]:
        return {path.name for path in self.folder.iterdir()}

    def find(self, program: str) -> str:
        return program

    def run(self, *argv: str, stdin: str | None = None) -> str:  # noqa: ARG002
        program, link, delete, dev, name, *kind = argv
        assert (program, link, delete, dev, kind) == ("ip", "link", "delete", "dev", ["type", "bridge"])
        if self.failing:
            raise FleetnetError("Device or resource busy")
        shutil.rmtree(self.folder / name)
        return ""

    def bridges(self) -> RecordedBridges:
        """As the next run of the module sees them."""
        return RecordedBridges(self, str(self.record), str(self.folder))


@pytest.fixture
def kernel(tmp_path: pathlib.Path) -> Kernel:
    return Kernel(tmp_path)


def create(docker: FakeDocker, kernel: Kernel, *items: dict[str, t.Any], **options: t.Any) -> list[str]:
    """Plan and execute as the module does; return the operations."""
    bridges = kernel.bridges()
    in_use = {each["Options"].get("com.docker.network.bridge.name") for each in docker.networks.values()}
    left_over = bridges.left_over() - in_use
    plan = plan_on(docker, *items, interfaces=frozenset(kernel.names), left_over=left_over, **options)
    NetworkExecutor(docker, sleep=lambda _seconds: None, bridges=bridges).execute(plan)
    return plan.operations


def fails(docker: FakeDocker, kernel: Kernel, **fault: bool) -> None:
    """Let the next creation fail after the engine has made the bridge."""
    docker.before_call("POST /networks/create", lambda: kernel.add("fn-new"))
    docker.fail_call(1, **fault)


def test_the_bridge_of_a_failed_creation_is_removed(kernel: Kernel) -> None:
    docker = FakeDocker()
    fails(docker, kernel)
    with pytest.raises(FleetnetError, match="everything that the step created is removed"):
        create(docker, kernel, NEW)
    assert kernel.names == {"eth0"}
    assert not kernel.record.exists()
    docker.fail_call(None)
    assert create(docker, kernel, NEW) == ["create network new (bridge, 10.64.1.0/24)"]


def test_a_bridge_that_could_not_be_removed_is_removed_by_the_next_run(kernel: Kernel) -> None:
    docker = FakeDocker()
    fails(docker, kernel)
    kernel.failing = True
    with pytest.raises(FleetnetError, match=r"NOT restored: removing bridge 'fn-new' \(Device or resource busy\)"):
        create(docker, kernel, NEW)
    assert kernel.names == {"eth0", "fn-new"}
    kernel.failing = False
    docker.fail_call(None)
    assert create(docker, kernel, NEW) == [
        "create network new (bridge, 10.64.1.0/24; removes bridge fn-new, left by a failed creation)"
    ]
    assert kernel.names == {"eth0"}  # the engine in memory makes none
    assert not kernel.record.exists()


def test_a_run_that_was_killed_is_taken_up(kernel: Kernel) -> None:
    docker = FakeDocker()

    class Killed(BaseException):
        pass

    def die() -> None:
        kernel.add("fn-new")
        docker.before_call("GET", die_too)
        raise Killed

    def die_too() -> None:
        raise Killed

    docker.before_call("POST /networks/create", die)
    with pytest.raises(Killed):
        create(docker, kernel, NEW)
    assert kernel.names == {"eth0", "fn-new"}
    docker._hooks.clear()
    create(docker, kernel, NEW)
    assert kernel.names == {"eth0"}


def test_a_bridge_of_others_is_refused_and_kept(kernel: Kernel) -> None:
    kernel.add("fn-new")
    with pytest.raises(InvalidValue, match="'fn-new': is another interface of this host"):
        create(FakeDocker(), kernel, NEW)
    assert kernel.names == {"eth0", "fn-new"}


def test_a_bridge_that_has_got_a_port_is_no_longer_a_left_over(kernel: Kernel) -> None:
    kernel.bridges().request("fn-new")
    kernel.add("fn-new", port="veth1")
    with pytest.raises(InvalidValue, match="is another interface of this host"):
        create(FakeDocker(), kernel, NEW)
    kernel.bridges().remove("fn-new")
    assert kernel.names == {"eth0", "fn-new"}


def test_an_interface_that_is_not_a_bridge_or_is_older_than_the_request_is_kept(kernel: Kernel) -> None:
    bridges = kernel.bridges()
    kernel.add("fn-old")
    for name in ("fn-new", "fn-old", "eth0"):
        bridges.request(name)
    kernel.add("fn-new", bridge=False)
    assert bridges.left_over() == frozenset()
    for name in ("fn-new", "fn-old", "eth0"):
        bridges.remove(name)
    assert kernel.names == {"eth0", "fn-new", "fn-old"}


def test_a_creation_that_the_engine_rejects_leaves_no_claim_to_a_later_bridge(kernel: Kernel) -> None:
    docker = FakeDocker()
    docker.fail_call(1)
    with pytest.raises(FleetnetError, match="everything that the step created is removed"):
        create(docker, kernel, NEW)
    kernel.add("fn-new")  # another program's
    docker.fail_call(None)
    with pytest.raises(InvalidValue, match="'fn-new': is another interface of this host"):
        create(docker, kernel, NEW)
    assert kernel.names == {"eth0", "fn-new"}


def test_the_bridge_of_a_network_whose_creation_was_not_answered_is_kept(kernel: Kernel) -> None:
    docker = FakeDocker()
    docker.before_call("POST /networks/create", lambda: kernel.add("fn-new"))
    docker.fail_call(1, after_effect=True)
    create(docker, kernel, NEW)  # the network exists
    assert kernel.names == {"eth0", "fn-new"}
    assert kernel.bridges().left_over() == frozenset()


def test_a_creation_that_the_engine_may_still_complete_keeps_its_bridge_until_the_next_run(kernel: Kernel) -> None:
    docker = FakeDocker()

    def hang() -> None:
        kernel.add("fn-new")
        raise EngineError("Read timed out")

    docker.before_call("POST /networks/create", hang)
    with pytest.raises(
        FleetnetError, match="NOT restored: the engine may still create bridge 'fn-new', which the next"
    ):
        create(docker, kernel, NEW)
    assert kernel.names == {"eth0", "fn-new"}
    create(docker, kernel, NEW)
    assert kernel.names == {"eth0"}


def test_the_bridge_of_a_network_that_another_program_created_is_kept(kernel: Kernel) -> None:
    docker = FakeDocker()

    def other() -> None:
        kernel.add("fn-new")
        docker.post("/networks/create", {"Name": "new", "Options": {"com.docker.network.bridge.name": "fn-new"}})

    docker.before_call("POST /networks/create", other)
    with pytest.raises(FleetnetError, match="already exists"):
        create(docker, kernel, NEW)
    assert kernel.names == {"eth0", "fn-new"}


def test_without_access_to_the_host_nothing_is_recorded() -> None:
    bridges = UnknownBridges()
    bridges.request("fn-new")
    bridges.settle("fn-new")
    bridges.remove("fn-new")
    assert bridges.left_over() == frozenset()


def test_an_unreadable_record_is_ignored(kernel: Kernel) -> None:
    kernel.record.parent.mkdir()
    kernel.record.write_text("{", encoding="utf-8")
    assert kernel.bridges().left_over() == frozenset()
