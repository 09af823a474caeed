# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Executing a plan against a host that plays along, or does not: at the end it works as declared, or as before."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.observe import RunningContainer
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.overlap import Surroundings
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.plan import DesiredDaemon, plan_daemon
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._host.daemon import default_bridge as daemon_apply
from ansible_collections.fleetnet.docker.plugins.module_utils._host.daemon.default_bridge import DefaultBridgeExecutor
from ansible_collections.fleetnet.docker.plugins.module_utils._host.daemon.state import State
from ansible_collections.fleetnet.docker.plugins.module_utils._host.daemon.unit import DaemonUnit
from ansible_collections.fleetnet.docker.plugins.module_utils._host.engine.port import EngineError, EngineVersion

BEFORE = '{"debug": true, "mtu": 1500}\n'


class World:
    """A host: systemd, dockerd with its API, and the kernel, as far as the executor sees them."""

    name = "docker.service"
    version = EngineVersion(28, 5, 2)

    def __init__(self, folder: Path) -> None:
        self.path = folder / "daemon.json"
        self.path.write_text(BEFORE)
        self.config: dict[str, t.Any] = json.loads(BEFORE)
        self.active = "active"
        self.starts = 1
        self.running = {"1": True}
        self.events: list[str] = []
        self.refused: t.Callable[[dict[str, t.Any]], bool] = lambda _: False
        self.ignored: set[str] = set()
        self.lost: set[str] = set()

    # --- the daemon's unit
    def unit(self) -> DaemonUnit:
        argv = ("/usr/sbin/dockerd", f"--config-file={self.path}")
        return DaemonUnit(self.name, "loaded", self.active, "running", 1, 0, f"run{self.starts}", 2e9, argv)

    def restart(self, _seconds: float) -> None:
        self.events.append("restart")
        if not self.config.get("live-restore"):
            self.running = dict.fromkeys(self.running, False)
        config = json.loads(self.path.read_text()) if self.path.exists() else {}
        self.starts += 1
        if self.refused(config):
            self.active = "failed"
            raise FleetnetError("docker.service does not start")
        self.active = "active"
        self.config = {key: value for key, value in config.items() if key not in self.ignored}

    def reload(self) -> None:
        self.events.append("reload")
        self.config["live-restore"] = json.loads(self.path.read_text()).get("live-restore", False)

    def log_since(self, _moment: float) -> list[str]:
        return ["level=info msg=starting", "failed to start daemon: no such bridge"] if self.active == "failed" else []

    def help_text(self, _argv: t.Sequence[str]) -> str:
        return ""

    # --- the engine's API
    def get(self, path: str, **_query: str) -> t.Any:
        if path == "/info":
            return {"LiveRestoreEnabled": self.config.get("live-restore", False)}
        if path == "/networks/bridge":
            return {
                "IPAM": {"Config": [{"Subnet": "172.17.0.0/16", "Gateway": "172.17.0.1"}]},
                "Options": {"com.docker.network.driver.mtu": str(self.config.get("mtu", 1500))},
            }
        if path == "/containers/json":
            return [{"Id": key} for key, runs in self.running.items() if runs]
        key = path.split("/")[2]
        if key not in self.running:
            raise EngineError("no such container", 404)
        state = {"Running": self.running[key], "StartedAt": key}
        return {"Name": f"/c{key}", "HostConfig": {}, "State": state}

    def post(self, path: str, _body: object = None, **_query: str) -> t.Any:
        self.events.append(path)
        key, action = path.split("/")[2:]
        if action == "start" and key in self.lost:
            raise EngineError("port is already allocated", 500)
        self.running[key] = action == "start"


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    link = {"name": "docker0", "addresses": ["172.17.0.1/16"]}
    monkeypatch.setattr(daemon_apply, "read_links", lambda _: [link])
    monkeypatch.setattr(daemon_apply, "_surroundings", lambda *_: Surroundings())
    monkeypatch.setattr(daemon_apply, "ip_program", lambda _: "/sbin/ip")
    monkeypatch.setattr(daemon_apply, "RELOAD_SECONDS", 0.0)
    monkeypatch.setattr(daemon_apply, "RESUME_SECONDS", 0.0)
    return World(tmp_path)


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State("docker.service", str(tmp_path / "run"))


@pytest.fixture
def host(world: World, state: State) -> DefaultBridgeExecutor:
    return DefaultBridgeExecutor(t.cast(t.Any, None), t.cast(t.Any, world), state, lambda: t.cast(t.Any, world), 1)


def apply(host: DefaultBridgeExecutor, values: dict[str, t.Any]) -> list[str]:
    desired = DesiredDaemon(values)
    observed = host.observe()
    plan = plan_daemon(desired, observed, allow_restart=True)
    host.execute(plan, desired, observed)
    return plan.operations()


def test_a_change_is_made_and_the_containers_run_again(world: World, host: DefaultBridgeExecutor) -> None:
    apply(host, {"mtu": 1400})
    assert world.events == ["restart", "/containers/1/start"]
    assert world.running == {"1": True}
    assert json.loads(world.path.read_text()) == {"debug": True, "mtu": 1400}
    assert apply(host, {"mtu": 1400}) == []


def test_a_daemon_that_does_not_start_gets_its_file_back(
    world: World, host: DefaultBridgeExecutor, state: State
) -> None:
    world.refused = lambda config: config["mtu"] == 1400
    with pytest.raises(FleetnetError) as raised:
        apply(host, {"mtu": 1400})
    assert str(raised.value) == (
        f"docker.service does not start. The former {world.path} is back and docker.service runs with it. "
        "docker.service said: failed to start daemon: no such bridge"
    )
    assert world.path.read_text() == BEFORE
    assert world.active == "active"
    assert world.running == {"1": True}
    assert state.pending() is None


def test_a_change_that_is_ignored_is_put_back(world: World, host: DefaultBridgeExecutor) -> None:
    world.ignored = {"mtu"}
    with pytest.raises(FleetnetError, match=r"after the restart of docker\.service mtu is 1500 instead of 1400"):
        apply(host, {"mtu": 1400})
    assert world.path.read_text() == BEFORE
    assert world.running == {"1": True}


def test_a_container_that_does_not_come_back_puts_the_file_back(world: World, host: DefaultBridgeExecutor) -> None:
    world.lost = {"1"}
    with pytest.raises(FleetnetError, match="the container c1 does not start again: port is already allocated"):
        apply(host, {"mtu": 1400})
    assert world.path.read_text() == BEFORE


def test_a_failure_to_put_back_is_told_and_left_for_the_next_run(
    world: World, host: DefaultBridgeExecutor, state: State
) -> None:
    world.refused = lambda _: True
    with pytest.raises(FleetnetError, match=r"Putting the former .* back failed as well: docker\.service does not"):
        apply(host, {"mtu": 1400})
    assert state.pending() is not None
    world.refused = lambda _: False
    assert "was put back" in (host.recover() or "")
    assert world.active == "active"
    assert apply(host, {}) == ["start again what does not run afterwards: c1"]
    assert world.running == {"1": True}
    assert state.pending() is None


def test_a_file_that_did_not_exist_is_gone_again(world: World, host: DefaultBridgeExecutor) -> None:
    world.path.unlink()
    world.refused = bool
    with pytest.raises(FleetnetError, match="does not start"):
        apply(host, {"mtu": 1400})
    assert not world.path.exists()


def test_live_restored_containers_are_stopped_for_docker0(world: World, host: DefaultBridgeExecutor) -> None:
    world.config["live-restore"] = True
    apply(host, {"mtu": 1400})
    assert world.events == ["/containers/1/stop", "restart", "/containers/1/start"]


def test_a_written_default_does_not_hide_what_the_daemon_has_read(world: World, host: DefaultBridgeExecutor) -> None:
    """The file is newer than the daemon then, and yet the next run knows what is in effect."""
    assert apply(host, {"userland_proxy": True, "mtu": 1500}) == [f"write {world.path}"]
    assert apply(host, {"userland_proxy": True, "mtu": 1500}) == []
    assert "userland_proxy true -> false" in apply(host, {"userland_proxy": False})[1]


def test_a_reload_is_enough_for_live_restore(world: World, host: DefaultBridgeExecutor) -> None:
    apply(host, {"live_restore": True})
    assert world.events == ["reload"]
    assert apply(host, {"live_restore": True}) == []


def test_a_disk_that_is_full_changes_nothing(
    world: World, host: DefaultBridgeExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(daemon_apply, "write_atomically", full)
    with pytest.raises(FleetnetError, match=r"cannot be replaced: .*No space left on device; nothing was changed"):
        apply(host, {"mtu": 1400})
    assert world.events == []
    assert world.path.read_text() == BEFORE


def test_a_daemon_that_is_down_is_not_started_by_looking_at_it(world: World, host: DefaultBridgeExecutor) -> None:
    world.active = "inactive"
    with pytest.raises(FleetnetError, match=r"^docker\.service is inactive, and default_bridge compares with the"):
        host.observe()
    world.path.write_text('{"mtu": }')
    with pytest.raises(FleetnetError, match="is broken, line 1, column 9"):
        host.observe()


def test_a_gone_container_is_not_awaited(host: DefaultBridgeExecutor, state: State) -> None:
    state.begin(BEFORE, [RunningContainer("9", "gone")])
    assert apply(host, {}) == []
    assert state.pending() is None


def test_two_runs_at_once_are_refused(state: State) -> None:
    with state.locked(), pytest.raises(FleetnetError, match="another run"), state.locked():
        pass
