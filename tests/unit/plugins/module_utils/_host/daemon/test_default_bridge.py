# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Execute plans on a fake host, with and without failures: at the end it works as declared, or as before."""

from __future__ import annotations

import ipaddress
import json
import typing as t
from pathlib import Path

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon import own_bridge
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.observed import RunningContainer
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.overlap import AddressesInUse
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.plan import DesiredDaemon, plan_daemon
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._host.daemon import default_bridge as executor_module
from ansible_collections.fleetnet.docker.plugins.module_utils._host.daemon.default_bridge import DefaultBridgeExecutor
from ansible_collections.fleetnet.docker.plugins.module_utils._host.daemon.run_records import RunRecords
from ansible_collections.fleetnet.docker.plugins.module_utils._host.daemon.unit import DaemonUnit
from ansible_collections.fleetnet.docker.plugins.module_utils._host.engine.port import EngineError, EngineVersion

BEFORE = '{"debug": true, "mtu": 1500}\n'


class FakeHost:
    """A host: systemd, dockerd with its API, and the kernel, as far as the executor uses them."""

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
        self.limits: list[float] = []
        self.rejected: t.Callable[[dict[str, t.Any]], bool] = lambda _: False
        self.ignored: set[str] = set()
        self.broken: set[str] = set()
        self.unit_file = folder / "own-bridge.service"
        self.written: list[str] = []
        self.full: set[str] = set()

    # --- the daemon's unit
    def unit(self) -> DaemonUnit:
        argv = ("/usr/sbin/dockerd", f"--config-file={self.path}")
        return DaemonUnit(self.name, self.active, 0, f"run{self.starts}", 2e9, argv)

    def restart(self, seconds: float) -> None:
        self.events.append("restart")
        self.limits.append(seconds)
        if not self.config.get("live-restore"):
            self.running = dict.fromkeys(self.running, False)
        config = json.loads(self.path.read_text()) if self.path.exists() else {}
        self.starts += 1
        if self.rejected(config):
            self.active = "failed"
            raise FleetnetError("docker.service does not start")
        self.active = "active"
        self.config = {key: value for key, value in config.items() if key not in self.ignored}

    def reload(self) -> None:
        self.events.append("reload")
        self.config["live-restore"] = json.loads(self.path.read_text()).get("live-restore", False)

    def install_own_bridge(self, text: str | None) -> None:
        self.events.append("own bridge")
        if text is None:
            self.unit_file.unlink(missing_ok=True)
        else:
            self.write(str(self.unit_file), text)

    def delete_bridge(self, name: str) -> None:
        self.events.append(f"delete {name}")

    def write(self, path: str, text: str) -> None:
        """write_atomically on a disk that is full for the texts that contain one of ``full``."""
        if any(part in text for part in self.full):
            raise OSError(28, "No space left on device")
        Path(path).write_text(text)
        self.written.append(text)

    def links(self) -> list[dict[str, t.Any]]:
        """docker0, and the bridge that the unit creates."""
        words = self.unit_file.read_text().split() if self.unit_file.exists() else []
        own = [words[at + 1] for at, word in enumerate(words) if word == "add" and "/" in words[at + 1]]
        return [{"name": "docker0", "addresses": ["172.17.0.1/16"]}, {"name": "fn0", "addresses": own}]

    def log_since(self, _moment: float, _without: str = "") -> list[str]:
        return ["level=info msg=starting", "failed to start daemon: no such bridge"] if self.active == "failed" else []

    def help_text(self, _argv: t.Sequence[str]) -> str:
        return ""

    # --- the engine's API
    def get(self, path: str, **_query: str) -> t.Any:
        if path == "/info":
            return {"LiveRestoreEnabled": self.config.get("live-restore", False)}
        if path == "/networks/bridge":
            name = self.config.get("bridge", "docker0")
            if name == "none":
                raise EngineError("network bridge not found", 404)
            (address,) = (each for link in self.links() if link["name"] == name for each in link["addresses"])
            own = ipaddress.ip_interface(address)
            return {
                "IPAM": {"Config": [{"Subnet": str(own.network), "Gateway": str(own.ip)}]},
                "Options": {
                    "com.docker.network.driver.mtu": str(self.config.get("mtu", 1500)),
                    "com.docker.network.bridge.name": name,
                },
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
        if action == "start" and key in self.broken:
            raise EngineError("port is already allocated", 500)
        self.running[key] = action == "start"


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeHost:
    made = FakeHost(tmp_path)
    monkeypatch.setattr(executor_module, "read_links", lambda _: made.links())
    monkeypatch.setattr(executor_module, "write_atomically", made.write)
    monkeypatch.setattr(own_bridge, "UNIT_FILE", str(made.unit_file))
    monkeypatch.setattr(executor_module, "_addresses_in_use", lambda *_: AddressesInUse())
    monkeypatch.setattr(executor_module, "ip_program", lambda _: "/sbin/ip")
    monkeypatch.setattr(executor_module, "RELOAD_SECONDS", 0.0)
    monkeypatch.setattr(executor_module, "RESUME_SECONDS", 0.0)
    return made


@pytest.fixture
def records(tmp_path: Path) -> RunRecords:
    return RunRecords("docker.service", str(tmp_path / "run"))


@pytest.fixture
def executor(fake: FakeHost, records: RunRecords) -> DefaultBridgeExecutor:
    return DefaultBridgeExecutor(t.cast(t.Any, None), t.cast(t.Any, fake), records, lambda: t.cast(t.Any, fake), 1)


def apply(executor: DefaultBridgeExecutor, values: dict[str, t.Any]) -> list[str]:
    desired = DesiredDaemon(values)
    observed = executor.observe()
    plan = plan_daemon(desired, observed, allow_restart=True)
    executor.execute(plan, desired, observed)
    return plan.operations()


def test_a_change_restarts_the_daemon_and_its_containers(fake: FakeHost, executor: DefaultBridgeExecutor) -> None:
    apply(executor, {"mtu": 1400})
    assert fake.events == ["restart", "/containers/1/start"]
    assert fake.running == {"1": True}
    assert json.loads(fake.path.read_text()) == {"debug": True, "mtu": 1400}
    assert apply(executor, {"mtu": 1400}) == []


def test_the_file_is_restored_if_the_daemon_does_not_start(
    fake: FakeHost, executor: DefaultBridgeExecutor, records: RunRecords
) -> None:
    fake.rejected = lambda config: config["mtu"] == 1400
    with pytest.raises(FleetnetError) as raised:
        apply(executor, {"mtu": 1400})
    assert str(raised.value) == (
        f"docker.service does not start. The former {fake.path} is restored and docker.service runs with it. "
        "Log of docker.service: failed to start daemon: no such bridge"
    )
    assert fake.path.read_text() == BEFORE
    assert fake.active == "active"
    assert fake.running == {"1": True}
    assert records.unfinished_run() is None


def test_the_file_is_restored_if_the_daemon_ignores_the_change(fake: FakeHost, executor: DefaultBridgeExecutor) -> None:
    fake.ignored = {"mtu"}
    with pytest.raises(FleetnetError, match=r"not in effect after the restart of docker\.service: mtu 1500 -> 1400"):
        apply(executor, {"mtu": 1400})
    assert fake.path.read_text() == BEFORE
    assert fake.running == {"1": True}


def test_a_short_limit_for_the_change_does_not_limit_the_restore(
    fake: FakeHost, executor: DefaultBridgeExecutor
) -> None:
    fake.rejected = lambda config: config.get("mtu") == 1400
    with pytest.raises(FleetnetError, match=r"is restored and docker\.service runs with it"):
        apply(executor, {"mtu": 1400})
    assert fake.limits == [1, 180]


def test_the_file_is_restored_if_a_container_does_not_start(fake: FakeHost, executor: DefaultBridgeExecutor) -> None:
    fake.broken = {"1"}
    with pytest.raises(FleetnetError, match="container c1 does not start: port is already allocated"):
        apply(executor, {"mtu": 1400})
    assert fake.path.read_text() == BEFORE


def test_the_next_run_recovers_from_a_failed_restore(
    fake: FakeHost, executor: DefaultBridgeExecutor, records: RunRecords
) -> None:
    fake.rejected = lambda _: True
    with pytest.raises(FleetnetError, match=r"Restoring the former .* failed as well: docker\.service does not"):
        apply(executor, {"mtu": 1400})
    assert records.unfinished_run() is not None
    fake.rejected = lambda _: False
    assert "restore " in (executor.recover() or "")
    assert fake.active == "active"
    assert apply(executor, {}) == ["start containers that do not run afterwards: c1"]
    assert fake.running == {"1": True}
    assert records.unfinished_run() is None


def test_a_file_that_did_not_exist_is_removed_again(fake: FakeHost, executor: DefaultBridgeExecutor) -> None:
    fake.path.unlink()
    fake.rejected = bool
    with pytest.raises(FleetnetError, match="does not start"):
        apply(executor, {"mtu": 1400})
    assert not fake.path.exists()


def test_live_restored_containers_stop_for_a_change_of_docker0(fake: FakeHost, executor: DefaultBridgeExecutor) -> None:
    fake.config["live-restore"] = True
    apply(executor, {"mtu": 1400})
    assert fake.events == ["/containers/1/stop", "restart", "/containers/1/start"]


def test_after_writing_a_default_the_startup_config_is_known(fake: FakeHost, executor: DefaultBridgeExecutor) -> None:
    """The file is newer than the daemon then, but the next run knows the value in effect."""
    assert apply(executor, {"userland_proxy": True, "mtu": 1500}) == [f"write {fake.path}"]
    assert apply(executor, {"userland_proxy": True, "mtu": 1500}) == []
    assert "userland_proxy true -> false" in apply(executor, {"userland_proxy": False})[1]


def test_live_restore_requires_only_a_reload(fake: FakeHost, executor: DefaultBridgeExecutor) -> None:
    apply(executor, {"live_restore": True})
    assert fake.events == ["reload"]
    assert apply(executor, {"live_restore": True}) == []


def test_a_full_disk_changes_nothing(
    fake: FakeHost, executor: DefaultBridgeExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(executor_module, "write_atomically", full)
    with pytest.raises(FleetnetError, match=r"cannot replace .*No space left on device\. Nothing was changed"):
        apply(executor, {"mtu": 1400})
    assert fake.events == []
    assert fake.path.read_text() == BEFORE


OWN = {"bridge": "fn0", "bip": "10.0.0.1/24", "mtu": 1500}


def test_an_own_bridge_replaces_docker0(fake: FakeHost, executor: DefaultBridgeExecutor) -> None:
    apply(executor, OWN)
    assert fake.events == ["delete docker0", "own bridge", "restart", "/containers/1/start"]
    assert apply(executor, OWN) == []


def test_an_own_bridge_that_fails_is_removed_again(fake: FakeHost, executor: DefaultBridgeExecutor) -> None:
    fake.rejected = lambda config: "bridge" in config
    with pytest.raises(FleetnetError, match=r"The former .* is restored"):
        apply(executor, OWN)
    assert not fake.unit_file.exists()
    assert fake.path.read_text() == BEFORE
    assert (fake.active, fake.running) == ("active", {"1": True})


def test_a_new_address_of_an_own_bridge_starts_the_daemon_once_without_it(
    fake: FakeHost, executor: DefaultBridgeExecutor
) -> None:
    apply(executor, OWN)
    fake.events.clear()
    fake.written.clear()
    apply(executor, {**OWN, "bip": "10.0.1.1/24"})
    assert fake.events == ["restart", "own bridge", "restart", "/containers/1/start"]
    assert json.loads(fake.written[0])["bridge"] == "none"
    assert json.loads(fake.path.read_text())["bridge"] == "fn0"
    assert apply(executor, {**OWN, "bip": "10.0.1.1/24"}) == []


@pytest.mark.parametrize("start", ["first", "second", "both"])
def test_the_former_own_bridge_is_restored_if_the_daemon_rejects_the_new_file(
    fake: FakeHost, executor: DefaultBridgeExecutor, records: RunRecords, start: str
) -> None:
    """The start without a bridge reads the options of the new file, too, and so must not precede a restore."""
    apply(executor, OWN)
    before, unit = fake.path.read_text(), fake.unit_file.read_text()
    own = {"first": ["none"], "second": ["fn0"], "both": ["none", "fn0"]}[start]
    fake.rejected = lambda config: config.get("mtu") == 1400 and config["bridge"] in own
    with pytest.raises(FleetnetError, match=r"does not start\. The former .* is restored"):
        apply(executor, {**OWN, "bip": "10.0.1.1/24", "mtu": 1400})
    assert fake.path.read_text() == before
    assert fake.unit_file.read_text() == unit
    assert (fake.active, fake.running) == ("active", {"1": True})
    assert records.unfinished_run() is None
    assert apply(executor, OWN) == []


@pytest.mark.parametrize("text", ["10.0.1.1", '"none"'], ids=["unit", "interim"])
def test_a_disk_that_fills_up_during_the_run_restores_everything(
    fake: FakeHost, executor: DefaultBridgeExecutor, records: RunRecords, text: str
) -> None:
    apply(executor, OWN)
    before, unit = fake.path.read_text(), fake.unit_file.read_text()
    fake.full = {text}
    with pytest.raises(FleetnetError, match=r"No space left on device.* is restored|failed as well: .*No space left"):
        apply(executor, {**OWN, "bip": "10.0.1.1/24", "mtu": 1400})
    assert fake.path.read_text() == before
    assert fake.unit_file.read_text() == unit
    assert fake.active == "active"
    fake.full = set()
    executor.recover()
    apply(executor, OWN)
    assert fake.running == {"1": True}
    assert records.unfinished_run() is None


def test_a_container_that_exits_again_restores_everything(
    fake: FakeHost, executor: DefaultBridgeExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the changed configuration it starts and exits; with the former one it runs."""
    monkeypatch.setattr(executor_module, "RESUME_SECONDS", 0.01)
    monkeypatch.setattr(executor_module, "POLL_SECONDS", 0.001)
    started = fake.post

    def post(path: str, *_body: object) -> None:
        started(path)
        fake.running["1"] = fake.config["mtu"] != 1400

    monkeypatch.setattr(fake, "post", post)
    with pytest.raises(FleetnetError, match=r"these containers no longer run: c1\. The former .* is restored"):
        apply(executor, {"mtu": 1400})
    assert fake.path.read_text() == BEFORE
    assert fake.running == {"1": True}


def test_a_reload_takes_a_moment(
    fake: FakeHost, executor: DefaultBridgeExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executor_module, "RELOAD_SECONDS", 60.0)
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            fake.config["live-restore"] = True

    monkeypatch.setattr(fake, "reload", lambda: None)
    monkeypatch.setattr(executor_module.time, "sleep", sleep)
    apply(executor, {"live_restore": True})
    assert len(slept) == 3


def test_observing_does_not_start_the_daemon(fake: FakeHost, executor: DefaultBridgeExecutor) -> None:
    fake.active = "inactive"
    with pytest.raises(FleetnetError, match=r"^docker\.service is inactive, and default_bridge compares with the"):
        executor.observe()
    fake.path.write_text('{"mtu": }')
    with pytest.raises(FleetnetError, match="line 1, column 9"):
        executor.observe()


def test_a_deleted_container_is_ignored(executor: DefaultBridgeExecutor, records: RunRecords) -> None:
    records.begin_run(BEFORE, [RunningContainer("9", "gone")])
    assert apply(executor, {}) == []
    assert records.unfinished_run() is None


def test_concurrent_runs_are_rejected(records: RunRecords) -> None:
    with records.locked(), pytest.raises(FleetnetError, match="another run"), records.locked():
        pass
