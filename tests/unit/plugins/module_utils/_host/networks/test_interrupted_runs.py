# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module after an interrupted run: check mode predicts what it does, and it does it once."""

from __future__ import annotations

import contextlib
import functools
import os
import pathlib
import re
import typing as t

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._host.engine.port import EngineError
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks import engine_reader
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.bridges import UnknownBridges
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.executor import NetworkExecutor
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.journal_folder import JournalPaths
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.journals import JournalFolder, NoJournals
from ansible_collections.fleetnet.docker.plugins.module_utils._host.ownership import read_adopted
from ansible_collections.fleetnet.docker.plugins.module_utils._host.parts import networks as part
from ansible_collections.fleetnet.docker.plugins.module_utils._host.task import Connection, Task
from ansible_collections.fleetnet.docker.plugins.modules import network_endpoint as endpoint_module

from .kills import HOST, Life, Process, killed, prepared
from .networks_runs import Json
from .test_executor import DUAL, RECREATE, WEB


class Host:
    """A host with an engine and a folder of journals, on which the module runs."""

    def __init__(self, version: str, journals: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.docker = prepared(version)
        self.journals = journals
        self.warnings: list[str] = []
        monkeypatch.setattr(part, "journals_of", lambda _docker_host: self.journals)
        monkeypatch.setattr(part, "RecordedBridges", lambda _commands: UnknownBridges())
        monkeypatch.setattr(part, "NetworkExecutor", functools.partial(NetworkExecutor, sleep=lambda _seconds: None))
        monkeypatch.setattr(part, "read_interfaces", lambda _docker_host: frozenset())

    def apply(self, *items: Json, check_mode: bool = False, life: Life | None = None, **options: t.Any) -> Json:
        engine = Process(self.docker, {}, life)
        params = {
            "docker_host": HOST,
            "networks": list(items),
            "state": "present",
            "prune": False,
            "on_drift": "recreate",
            "allow_disconnect": True,
            "strict": False,
            **options,
        }
        task = Task(params, check_mode, None, self.warnings.append, Connection(lambda _params: engine))  # type: ignore[arg-type]
        return part.apply(task)


@pytest.fixture
def host(tmp_path: t.Any, monkeypatch: pytest.MonkeyPatch) -> t.Callable[[str], Host]:
    def make(version: str = "28.5.2") -> Host:
        journals = JournalFolder(JournalPaths.of(HOST, str(tmp_path / "lib/networks"), str(tmp_path / "run")), wait=0)
        return Host(version, journals, monkeypatch)

    return make


@pytest.mark.parametrize("version", ["20.10.24", "28.5.2"])
@pytest.mark.parametrize(("items", "options"), RECREATE)
def test_check_mode_predicts_the_run_after_a_kill_at_any_point(
    items: list[Json], options: Json, version: str, host: t.Callable[[str], Host]
) -> None:
    number = 0
    recovered = 0
    while True:
        one = host(version)
        if not killed(one.apply, *items, life=Life(number), **options):
            break
        begun = one.journals.interrupted()
        preview = one.apply(*items, check_mode=True, **options)
        result = one.apply(*items, **options)
        where = f"killed at {number}: {preview['operations']}"
        for key in ("changed", "operations", "differences", "interrupted", "diff"):
            assert result[key] == preview[key], f"{where} {key}"
        assert result["changed"] == bool(result["differences"]), where
        again = one.apply(*items, **options)
        assert (again["changed"], again["operations"]) == (False, []), where
        assert not one.journals.unfinished()
        assert begun == any("an interrupted run" in line for line in result["operations"]), where
        recovered += begun
        number += 1
    if not all(item.get("connected") for item in items):
        assert recovered > 5
    assert not one.apply(*items, **options)["changed"]


def test_check_mode_shows_the_whole_of_an_undone_recreate_that_follows_again(host: t.Callable[[], Host]) -> None:
    one = host()
    assert killed(one.apply, {**WEB, "mtu": 1400}, life=Life(stop="DELETE"))
    result = one.apply({**WEB, "mtu": 1400}, check_mode=True)
    undo = "undo an interrupted run (recreate network web): connect"
    assert result["operations"] == [
        f"{undo} both (10.64.1.3) to web",
        f"{undo} dynamic (10.64.1.2) to web",
        f"{undo} fixed (10.64.1.50) to web",
        f"{undo} once (stopped) to web",
        f"{undo} stopped (10.64.1.60, stopped) to web",
        "recreate network web (mtu 1500 -> 1400): disconnects and reconnects both (10.64.1.3), dynamic (10.64.1.2), "
        "fixed (10.64.1.50), once (stopped), stopped (10.64.1.60, stopped)",
    ]
    assert {each["container"] for each in result["interrupted"]} == {"both", "dynamic", "fixed", "once", "stopped"}


def test_a_network_that_check_mode_only_predicts_is_not_a_fact(host: t.Callable[[], Host]) -> None:
    one = host()
    assert killed(one.apply, {**WEB, "mtu": 1400}, DUAL, life=Life(stop="POST /networks/create"))
    assert one.apply({**WEB, "mtu": 1400}, DUAL, check_mode=True)["networks"].keys() == {"dual"}
    assert one.apply({**WEB, "mtu": 1400}, DUAL)["networks"].keys() == {"web", "dual"}


def test_another_run_is_awaited_and_its_journal_is_not_touched(host: t.Callable[[], Host]) -> None:
    one = host()
    assert killed(one.apply, {**WEB, "mtu": 1400}, life=Life(stop="POST /networks/create"))
    with one.journals.locked():
        with pytest.raises(FleetnetError, match=r"another run \(process \d+\) is changing the networks of this host"):
            one.apply({**WEB, "mtu": 1400})
        assert not one.journals.interrupted()
        preview = one.apply({**WEB, "mtu": 1400}, check_mode=True)
        assert not any("interrupted" in line for line in preview["operations"])
    assert one.journals.interrupted()


def test_a_record_of_adopted_networks_that_cannot_be_read_is_a_warning(
    host: t.Callable[[], Host], monkeypatch: pytest.MonkeyPatch, tmp_path: t.Any
) -> None:
    """Also if the run would not write it: until then, no adopted network is changed or given back."""
    record = tmp_path / "adopted.json"
    monkeypatch.setattr(JournalPaths, "adopted", property(lambda _self: str(record)))
    one = host()
    one.apply(check_mode=True)
    assert one.warnings == []
    record.write_text("{")
    for check_mode in (True, False):
        one.apply(check_mode=check_mode)
        assert re.match(rf"{record}: cannot be read as the record of adopted networks .* delete it", one.warnings.pop())
    assert record.read_text() == "{"


@pytest.fixture
def record(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> pathlib.Path:
    """The record of adopted networks."""
    path = tmp_path / "fleetnet" / "adopted-1.json"
    monkeypatch.setattr(JournalPaths, "adopted", property(lambda _self: str(path)))
    monkeypatch.setattr(engine_reader, "read_adopted", lambda: read_adopted(str(path)))
    monkeypatch.setattr(part, "read_ports_of_others", lambda _commands: {})
    return path


THEIRS = {"Name": "shop", "IPAM": {"Config": [{"Subnet": "172.18.0.0/16", "Gateway": "172.18.0.1"}]}}
SHOP: Json = {"name": "shop", "adopt": True, "ipam_config": [{"subnet": "172.18.0.0/16", "gateway": "172.18.0.1"}]}


@pytest.mark.parametrize("prune", [False, True])
def test_the_record_of_networks_that_others_removed_goes_when_networks_are_pruned(
    host: t.Callable[[], Host], record: pathlib.Path, prune: bool
) -> None:
    """Also if nothing else is removed, so that a host that leaves the fleet keeps no file."""
    one = host()
    one.docker._add_network(dict(THEIRS))
    one.apply(SHOP, prune=True)
    one.docker.delete(f"/networks/{one.docker.network('shop')['Id']}")
    for check_mode in (True, False):
        assert not one.apply(prune=prune, check_mode=check_mode)["changed"]
        assert record.exists() is (check_mode or not prune)
    assert record.parent.exists() is not prune


def test_check_mode_predicts_the_run_after_a_killed_undo_of_an_adopted_network(
    host: t.Callable[[], Host], record: pathlib.Path
) -> None:
    """The undo creates the network again, which stays adopted, at whatever point it was killed."""

    def refuse() -> None:
        raise EngineError("no more networks", 500)

    moved = {**SHOP, "ipam_config": [{"subnet": "10.99.0.0/24"}]}
    number = undone = 0
    while True:
        one = host()
        record.unlink(missing_ok=True)
        one.docker._add_network(dict(THEIRS))
        one.docker.add_container("app", shop={})
        one.apply(SHOP)
        one.docker.before_call("POST /networks/create", refuse)
        ended = not killed(_apply, one, moved, Life(number))
        one.docker.before_call("POST /networks/create", lambda: None)
        if ended:
            break
        previews = [one.apply(item, check_mode=True) for item in (SHOP, moved)]
        lines = previews[1]["operations"]
        undone += any(line.startswith("undo an") and "create network shop" in line for line in lines)
        result = one.apply(moved)
        for key in ("changed", "operations", "differences", "interrupted", "diff"):
            assert result[key] == previews[1][key], f"killed at {number}: {key}"
        assert not any("adopt" in line for line in previews[0]["operations"]), f"killed at {number}"
        number += 1
    assert undone > 1


def _apply(host: Host, item: Json, life: Life) -> None:
    with contextlib.suppress(FleetnetError):
        host.apply(item, life=life)


def test_a_user_who_cannot_keep_a_journal_is_warned(host: t.Callable[[], Host]) -> None:
    one = host()
    one.journals = NoJournals()
    one.apply(WEB)
    assert one.warnings == []
    one.apply({**WEB, "mtu": 1400})
    assert "cannot keep a journal" in one.warnings[-1]


def test_without_room_for_the_journal_nothing_changes(
    host: t.Callable[[], Host], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = host()
    before = one.docker.state()

    def full(*_arguments: t.Any, **_options: t.Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(
        "ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.journals.write_atomically", full
    )
    with pytest.raises(FleetnetError, match=r"cannot be written \(No space left on device\)"):
        one.apply({**WEB, "mtu": 1400})
    assert one.docker.state() == before


def test_the_journal_is_private_and_ends_with_the_step(host: t.Callable[[], Host], tmp_path: t.Any) -> None:
    one = host()
    assert killed(one.apply, {**WEB, "mtu": 1400}, life=Life(stop="DELETE"))
    folder = tmp_path / "lib/networks"
    (file,) = folder.iterdir()
    assert (folder.stat().st_mode & 0o777, file.stat().st_mode & 0o777) == (0o700, 0o600)
    assert file.stem.partition("-")[2] == one.docker.network("web")["Id"]
    one.apply({**WEB, "mtu": 1400})
    assert not (tmp_path / "lib").exists()


def test_a_journal_of_another_engine_stays(host: t.Callable[[], Host], tmp_path: t.Any) -> None:
    one = host()
    assert killed(one.apply, {**WEB, "mtu": 1400}, life=Life(stop="DELETE"))
    other = JournalPaths.of("tcp://192.0.2.1:2376", str(tmp_path / "lib/networks"), str(tmp_path / "run"))
    assert not other.interrupted()
    assert JournalFolder(other).unfinished() == []
    with JournalFolder(other).locked(), one.journals.locked():
        """Runs on different engines do not wait for each other."""
    assert len(one.journals.unfinished()) == 1


def test_a_journal_that_cannot_be_read_is_an_error_that_names_it(host: t.Callable[[], Host], tmp_path: t.Any) -> None:
    one = host()
    assert killed(one.apply, {**WEB, "mtu": 1400}, life=Life(stop="DELETE"))
    (file,) = (tmp_path / "lib/networks").iterdir()
    file.write_text(file.read_text().replace('"format": 1', '"format": 9'))
    for check_mode in (True, False):
        with pytest.raises(FleetnetError, match=rf"{file}: is not a journal .*its format is 9, not 1.*delete it"):
            one.apply(WEB, check_mode=check_mode)


def test_the_journal_is_on_disk_before_the_first_change(
    host: t.Callable[[], Host], monkeypatch: pytest.MonkeyPatch, tmp_path: t.Any
) -> None:
    """The file and each folder whose names are new are synchronized before the first container is disconnected."""
    one = host()
    events: list[str] = []
    fsync = os.fsync

    def recorded(descriptor: int) -> None:
        events.append(f"sync {os.path.relpath(os.readlink(f'/proc/self/fd/{descriptor}'), tmp_path)}")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", recorded)
    post = one.docker.post

    def posted(path: str, body: Json | None = None, **query: str) -> t.Any:
        events.append(f"POST {path.rsplit('/', 1)[-1]}")
        return post(path, body, **query)

    one.docker.post = posted
    network = one.docker.network("web")["Id"]
    one.apply({**WEB, "mtu": 1400})
    file, *folders = sorted(events[: events.index("POST disconnect")], key=len, reverse=True)
    assert file.startswith("sync lib/networks/.")
    assert f"-{network}.json." in file
    assert folders == ["sync lib/networks", "sync lib", "sync ."]
    assert events[-1] == "sync lib/networks"


class EndpointModule:
    """What the module network_endpoint needs of AnsibleModule."""

    def __init__(self, check_mode: bool, **params: t.Any) -> None:
        self.check_mode = check_mode
        options = {"docker_host": HOST, "container": "fixed", "state": "present", "prune": False, "run": None}
        self.params = {**options, **params}
        self.warnings: list[str] = []
        self.warn = self.warnings.append


@pytest.mark.parametrize("version", ["20.10.24", "28.5.2"])
def test_network_endpoint_finishes_what_check_mode_predicts(
    version: str, host: t.Callable[[str], Host], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own interrupted reconnects, and interrupted recreates of networks."""
    networks = [{"name": "web", "ipv4_address": "10.64.1.77"}]
    number = recovered = 0

    def run_on(one: Host, check_mode: bool = False, life: Life | None = None) -> Json:
        monkeypatch.setattr(endpoint_module, "connect", lambda _params: Process(one.docker, {}, life))
        monkeypatch.setattr(endpoint_module, "journals_of", lambda _docker_host: one.journals)
        monkeypatch.setattr(endpoint_module, "alone", lambda _params, **_options: contextlib.nullcontext())
        return endpoint_module.handle(EndpointModule(check_mode, networks=networks))  # type: ignore[arg-type]

    while True:
        one = host(version)
        if not killed(run_on, one, life=Life(number)):
            break
        begun = one.journals.interrupted()
        preview = run_on(one, check_mode=True)
        result = run_on(one)
        for key in ("changed", "operations", "interrupted", "diff"):
            assert result[key] == preview[key], f"killed at {number}: {key}"
        assert begun == any("an interrupted run" in line for line in result["operations"])
        assert result["endpoints"]["web"]["ipv4_address"] == "10.64.1.77"
        assert result["endpoints"]["web"]["aliases"] == ["front", "www"]
        assert not run_on(one)["changed"]
        recovered += begun
        number += 1
    assert recovered > 1
    for stop in ("DELETE", "POST /networks/create"):
        one = host(version)
        assert killed(one.apply, {**WEB, "mtu": 1400}, life=Life(stop=stop))
        preview = run_on(one, check_mode=True)
        result = run_on(one)
        assert result["operations"] == preview["operations"]
        assert result["endpoints"]["web"]["ipv4_address"] == "10.64.1.77"
        assert one.docker.state()["web"]["endpoints"].keys() == {"fixed", "dynamic", "both", "stopped", "once"}
