# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Networks that exist are taken over without a change, on an engine in memory, and given back."""

from __future__ import annotations

import contextlib
import errno
import fnmatch
import pathlib
import stat
import typing as t

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.checkpoint.networks_undo import (
    networks_text,
    parse_networks,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.journal import Journal
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.steps import NetworksPlan, network_facts
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.host import parse_networks as reported
from ansible_collections.fleetnet.docker.plugins.module_utils._host import ownership
from ansible_collections.fleetnet.docker.plugins.module_utils._host.checkpoint.engine import (
    current_networks,
    undo_networks,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.checkpoint.folder import CheckpointFolder
from ansible_collections.fleetnet.docker.plugins.module_utils._host.checkpoint.host_state import HostState
from ansible_collections.fleetnet.docker.plugins.module_utils._host.engine.port import EngineError
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks import engine_reader
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.bridges import UnknownBridges
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.executor import NetworkExecutor
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.journal_folder import JournalPaths
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.journals import NoJournals
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.recovery import Recoverer
from ansible_collections.fleetnet.docker.plugins.module_utils._host.ownership import (
    ADOPTED_FILES,
    AdoptionFile,
    read_adopted,
)

from .fake_docker import FakeDocker
from .kills import Life, Process, killed
from .networks_runs import Json, plan_on

THEIRS = {
    "Name": "shop",
    "Labels": {"com.docker.compose.project": "shop"},
    "IPAM": {"Config": [{"Subnet": "172.18.0.0/16", "Gateway": "172.18.0.1"}]},
}
ITEM: Json = {
    "name": "shop",
    "driver": "bridge",
    "internal": False,
    "ipam_config": [{"subnet": "172.18.0.0/16", "gateway": "172.18.0.1"}],
    "bridge_name": "fn-shop",
    "masquerade": False,
    "adopt": True,
    "adopt_keeps": ["bridge_name", "masquerade"],
}
MOVED = {**ITEM, "ipam_config": [{"subnet": "10.64.1.0/24"}]}


class Host:
    """An engine with a network of compose, and the record of the host."""

    def __init__(self, path: pathlib.Path, version: str = "28.5.2", used: bool = True) -> None:
        self.path = path
        self.docker = FakeDocker(version)
        self.docker._add_network(dict(THEIRS))
        if used:
            self.docker.add_container("app", shop={"Aliases": ["web"]})

    @property
    def id(self) -> str:
        return str(self.docker.network("shop")["Id"])

    @property
    def adopted(self) -> dict[str, str]:
        return read_adopted(str(self.path))

    def plan(self, *items: Json, **options: t.Any) -> NetworksPlan:
        return plan_on(self.docker, *items, **{"strict": True, "prune": True, **options})

    def run(self, *items: Json, **options: t.Any) -> NetworksPlan:
        plan = self.plan(*items, **options)
        existing = {each.id for each in engine_reader.read_networks(self.docker)}
        NetworkExecutor(
            self.docker,
            options.get("allow_disconnect", False),
            sleep=lambda _seconds: None,
            adoptions=AdoptionFile(str(self.path), existing),
        ).execute(plan)
        return plan

    def managed(self) -> bool:
        networks = engine_reader.read_networks(self.docker)
        facts = network_facts(networks, ["shop"])["shop"]["managed"]
        (report,) = [each for each in reported(self.docker.get("/networks"), self.adopted) if each["name"] == "shop"]
        assert facts == report["managed"]
        return bool(facts)


def shown(docker: FakeDocker) -> Json:
    """The networks and endpoints, without how the requests that created them were written."""
    endpoints = {name: each["endpoints"] for name, each in docker.state().items()}
    return {each.name: (each.definition, endpoints[each.name]) for each in engine_reader.read_networks(docker)}


@pytest.fixture
def make(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> t.Callable[..., Host]:
    path = tmp_path / "fleetnet" / "adopted-1.json"
    monkeypatch.setattr(engine_reader, "read_adopted", lambda: read_adopted(str(path.with_name("adopted-*.json"))))
    return lambda **options: Host(path, **options)


@pytest.mark.parametrize("used", [False, True])
@pytest.mark.parametrize("version", ["20.10.24", "28.5.2", "29.7.2"])
def test_a_network_that_fits_is_recorded_and_not_changed(make: t.Callable[..., Host], version: str, used: bool) -> None:
    host = make(version=version, used=used)
    before = host.docker.state()
    assert not host.managed()
    assert host.run(ITEM).operations == ["adopt network shop"]
    assert (host.docker.state(), host.adopted, host.managed()) == (before, {host.id: "shop"}, True)
    assert stat.S_IMODE(host.path.stat().st_mode) == 0o600
    assert not host.plan(ITEM).changed


@pytest.mark.parametrize("used", [False, True])
def test_a_network_that_differs_is_not_adopted_whatever_is_allowed(make: t.Callable[..., Host], used: bool) -> None:
    host = make(used=used)
    before = host.docker.state()
    with pytest.raises(FleetnetError, match="cannot be adopted, because adoption changes nothing"):
        host.run(MOVED, allow_disconnect=True)
    assert (host.docker.state(), host.adopted) == (before, {})


def test_a_network_is_given_back_when_it_is_no_longer_declared(make: t.Callable[..., Host]) -> None:
    host = make()
    host.run(ITEM)
    before = host.docker.state()
    assert not host.plan(prune=False).changed
    # This is what playbooks/reset.yml does, too.
    assert host.run().operations == ["release network shop (prune)"]
    assert (host.docker.state(), host.adopted, host.managed()) == (before, {}, False)
    assert not host.path.parent.exists()
    assert not host.plan().changed


def test_a_network_is_given_back_when_the_declaration_no_longer_says_adopt(make: t.Callable[..., Host]) -> None:
    host = make()
    host.run(ITEM)
    fits = {"name": "shop", "ipam_config": ITEM["ipam_config"]}
    assert host.run(fits, strict=False).operations == ["release network shop (without adopt)"]
    assert host.adopted == {}
    # and never recreated, even while the record has it
    host.run(ITEM)
    with pytest.raises(FleetnetError, match="no longer says adopt: true"):
        host.run({**fits, "mtu": 1400}, allow_disconnect=True)


def test_a_declaration_of_the_roles_without_adopt_is_refused_with_what_helps(make: t.Callable[..., Host]) -> None:
    """It differs in what the network keeps."""
    host = make()
    host.run(ITEM)
    before = host.docker.state()
    item = {key: value for key, value in ITEM.items() if not key.startswith("adopt")}
    with pytest.raises(FleetnetError, match=r"no longer says adopt: true.* leave it out of the declaration, with"):
        host.run(item, allow_disconnect=True)
    assert (host.docker.state(), host.managed()) == (before, True)
    assert not host.plan(ITEM).changed
    assert host.run().operations == ["release network shop (prune)"]


def test_a_kept_subnet_is_left_for_a_leased_one_as_the_plan_says(make: t.Callable[..., Host]) -> None:
    """An adopted network is recreated. One of another program is removed first."""
    host = make(used=False)
    with pytest.raises(FleetnetError, match="cannot be adopted"):
        host.run(MOVED)
    host.docker.delete(f"/networks/{host.id}")
    assert host.run(MOVED).operations == ["create network shop (bridge, 10.64.1.0/24)"]
    host = make(used=False)
    host.run(ITEM)
    assert "recreate network shop" in host.run(MOVED).operations[0]


def test_an_adopted_network_is_recreated_with_consent_and_then_has_the_label(make: t.Callable[..., Host]) -> None:
    host = make()
    host.run(ITEM)
    with pytest.raises(FleetnetError, match="would disconnect 1 container: app"):
        host.run(MOVED)
    former = host.id
    host.run(MOVED, allow_disconnect=True)
    network = host.docker.network("shop")
    assert network["Labels"] == {"com.docker.compose.project": "shop", "io.fleetnet.managed": "true"}
    assert network["Options"]["com.docker.network.bridge.name"] == "fn-shop"
    assert network["Id"] != former
    assert not host.plan(MOVED).changed
    assert host.adopted == {}


def test_records_of_networks_that_no_longer_exist_go_with_the_next_one(make: t.Callable[..., Host]) -> None:
    host = make(used=False)
    host.run(ITEM)
    host.docker.delete(f"/networks/{host.id}")
    host.docker._add_network({**THEIRS, "Name": "other", "IPAM": {"Config": [{"Subnet": "172.19.0.0/16"}]}})
    other = {"name": "other", "adopt": True, "ipam_config": [{"subnet": "172.19.0.0/16"}]}
    host.run(other)
    assert list(host.adopted.values()) == ["other"]


def test_an_undo_of_several_networks_keeps_all_of_them(make: t.Callable[..., Host]) -> None:
    """Each is created again with an id that was not on the engine when the run read its networks."""

    def refuse() -> None:
        raise EngineError("no more networks", 500)

    host = make(used=False)
    host.docker._add_network({**THEIRS, "Name": "lab", "IPAM": {"Config": [{"Subnet": "172.19.0.0/16"}]}})
    lab = {**ITEM, "name": "lab", "bridge_name": "fn-lab", "ipam_config": [{"subnet": "172.19.0.0/16"}]}
    host.run(ITEM, lab)
    former = set(host.adopted)
    assert len(former) == 2
    # each takes the subnet of the other, so that one step recreates both
    swapped = [{**ITEM, "ipam_config": lab["ipam_config"]}, {**lab, "ipam_config": ITEM["ipam_config"]}]
    host.docker.before_call("POST /networks/create", refuse)
    with pytest.raises(FleetnetError, match="the former state is restored"):
        host.run(*swapped)
    ids = {str(host.docker.network(name)["Id"]) for name in ("shop", "lab")}
    assert ids.isdisjoint(former)
    assert ids <= set(host.adopted)  # the former ids go with the next change


def test_the_record_of_a_network_that_is_removed_by_its_name_goes_with_it(make: t.Callable[..., Host]) -> None:
    host = make(used=False)
    host.run(ITEM)
    assert host.run({"name": "shop"}, state="absent").operations == ["remove network shop (absent)"]
    assert host.adopted == {}


def test_a_network_that_another_program_makes_again_is_foreign_until_the_next_run(make: t.Callable[..., Host]) -> None:
    host = make(used=False)
    host.run(ITEM)
    former = host.id
    host.docker.delete(f"/networks/{former}")
    host.docker._add_network(dict(THEIRS))
    assert not host.managed()
    assert not host.plan().changed  # neither pruned nor released
    assert host.run(ITEM).operations == ["adopt network shop"]
    assert host.adopted == {host.id: "shop"}


def test_a_record_that_cannot_be_written_changes_nothing(
    make: t.Callable[..., Host], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_args: t.Any, **_options: t.Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    host = make()
    monkeypatch.setattr(ownership, "write_atomically", full)
    before = host.docker.state()
    with pytest.raises(FleetnetError, match=r"adopted-1.json: cannot be written .* without it no network is adopted"):
        host.run(ITEM, {"name": "new"})
    assert host.docker.state() == before


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 2, "networks": {}}', '{"format": 1, "networks": [1]}'])
def test_a_record_that_is_damaged_adopts_nothing_and_is_not_overwritten(make: t.Callable[..., Host], text: str) -> None:
    host = make()
    host.run(ITEM)
    host.path.write_text(text)
    assert not host.managed()
    assert not host.plan().changed
    before = host.docker.state()
    with pytest.raises(
        FleetnetError, match=r"adopted-1.json: cannot be read as the record of adopted networks .* delete"
    ):
        host.run(ITEM, {"name": "new"})
    assert (host.docker.state(), host.path.read_text()) == (before, text)
    host.path.unlink()
    assert host.run(ITEM).operations == ["adopt network shop"]
    assert host.managed()


@pytest.mark.parametrize("known", [True, False])
def test_an_undo_leaves_adopted_networks(make: t.Callable[..., Host], known: bool) -> None:
    """Networks that the change created go, also if the change was not known when the host saved its state."""
    host = make()
    items = (ITEM, {"name": "new"})
    before = host.docker.state()
    texts = (networks_text("", host.plan(*items).steps), current_networks("", host.docker))
    journal = parse_networks(texts[0 if known else 1])
    host.run(*items)
    assert "new" in host.docker.state()
    undo_networks(host.docker, NoJournals(), journal)
    assert host.docker.state() == before


def test_each_engine_of_a_host_has_its_own_record(make: t.Callable[..., Host], tmp_path: pathlib.Path) -> None:
    """The networks of the other engine are not those that no longer exist."""
    one, two = make(), Host(tmp_path / "fleetnet" / "adopted-2.json")
    two.docker._add_network({**THEIRS, "Name": "lab", "IPAM": {"Config": [{"Subnet": "172.20.0.0/16"}]}})
    lab = {"name": "lab", "adopt": True, "ipam_config": [{"subnet": "172.20.0.0/16"}]}
    two.run(lab, prune=False)
    one.run(ITEM)
    assert list(two.adopted.values()) == ["lab"]
    assert list(one.adopted.values()) == ["shop"]
    assert one.managed()
    assert not two.plan(lab, prune=False).changed
    one.run()
    assert read_adopted(str(tmp_path / "fleetnet" / "adopted-*.json")) == two.adopted
    paths = [JournalPaths.of(f"unix:///run/{name}.sock").adopted for name in ("docker", "other")]
    assert paths[0] != paths[1]
    assert fnmatch.filter(paths, ADOPTED_FILES) == paths


def test_a_network_is_given_back_by_any_name_of_its_engine(make: t.Callable[..., Host]) -> None:
    """A socket and a TCP address of one engine have records of their own."""
    host = make()
    host.run(ITEM)
    other = AdoptionFile(str(host.path.with_name("adopted-2.json")), {host.id})
    other.release("f" * 64)
    assert host.managed()
    NetworkExecutor(host.docker, adoptions=other).execute(host.plan())
    assert (host.managed(), host.path.exists()) == (False, False)


def test_an_undo_by_another_name_of_the_engine_keeps_the_adoption(make: t.Callable[..., Host]) -> None:
    host = make()
    host.run(ITEM)
    other = AdoptionFile(str(host.path.with_name("adopted-2.json")), set())
    other.replace(host.id, "f" * 64)
    other.replace("e" * 64, "d" * 64)
    everywhere = read_adopted(str(host.path.with_name("adopted-*.json")))
    assert everywhere == {host.id: "shop", "f" * 64: "shop"}


@pytest.mark.parametrize("text", ["", "{"])
def test_a_record_of_another_engine_that_is_damaged_is_left_alone(make: t.Callable[..., Host], text: str) -> None:
    host = make()
    path = host.path.with_name("adopted-0.json")
    path.parent.mkdir()
    path.write_text(text)
    host.run(ITEM)
    host.run()
    assert (host.managed(), path.read_text()) == (False, text)
    AdoptionFile(str(host.path)).release("f" * 64)
    assert path.read_text() == text


def test_an_undo_restores_an_adopted_network_that_was_recreated(
    make: t.Callable[..., Host], tmp_path: pathlib.Path
) -> None:
    host = make()
    host.run(ITEM)
    before = shown(host.docker)
    record = host.path.read_text()
    folder = CheckpointFolder(str(tmp_path / "checkpoint"))
    folder.record_networks(current_networks("", host.docker))
    folder.record_networks(networks_text("", host.plan(MOVED, allow_disconnect=True).steps))
    journal = t.cast(Journal, folder.networks())
    host.run(MOVED, allow_disconnect=True)
    assert shown(host.docker) != before
    host.path.parent.mkdir(exist_ok=True)
    host.path.write_text(record)  # the undo restores files first
    undo_networks(host.docker, NoJournals(), journal, AdoptionFile(str(host.path)))
    assert shown(host.docker) == before
    assert host.managed()
    assert not host.plan(ITEM).changed
    assert not host.run(ITEM).changed


def test_an_adopted_network_that_cannot_be_recreated_stays_adopted(make: t.Callable[..., Host]) -> None:
    """It is created again with another id, and the next run recreates it."""

    def refuse() -> None:
        raise EngineError("no more networks", 500)

    host = make()
    host.run(ITEM)
    before = shown(host.docker)
    host.docker.before_call("POST /networks/create", refuse)
    with pytest.raises(FleetnetError, match="the former state is restored"):
        host.run(MOVED, allow_disconnect=True)
    assert shown(host.docker) == before
    assert host.managed()
    assert host.run(MOVED, allow_disconnect=True).changed
    assert host.adopted == {}


class MortalRecord(AdoptionFile):
    """The record of a process that can be killed."""

    def __init__(self, path: str, life: Life) -> None:
        super().__init__(path)
        self._life = life

    def replace(self, former_id: str, network_id: str) -> None:
        self._life.act("record", lambda: AdoptionFile.replace(self, former_id, network_id))


def refused_recreate(host: Host, files: dict[str, str], life: Life) -> None:
    """Recreate the network in a process that can be killed. The engine refuses the new network."""

    def refuse() -> None:
        raise EngineError("no more networks", 500)

    host.docker.before_call("POST /networks/create", refuse)
    process, record = Process(host.docker, files, life), MortalRecord(str(host.path), life)
    executor = NetworkExecutor(process, True, lambda _seconds: None, journals=process, adoptions=record)
    try:
        with contextlib.suppress(FleetnetError):
            executor.execute(host.plan(MOVED, allow_disconnect=True))
    finally:
        host.docker.before_call("POST /networks/create", lambda: None)


@pytest.mark.parametrize("after_effect", [False, True])
def test_a_kill_at_any_point_of_an_undo_leaves_the_network_adopted(
    make: t.Callable[..., Host], after_effect: bool
) -> None:
    """The process dies while it restores the former network, and the next one continues."""
    restored, ended, number = 0, False, 0
    while not ended:
        host = make()
        host.path.unlink(missing_ok=True)  # ids are the same in each round
        host.run(ITEM)
        former, before, files = host.id, shown(host.docker), dict[str, str]()
        ended = not killed(refused_recreate, host, files, Life(number, after_effect))
        process = Process(host.docker, files)
        Recoverer(process, UnknownBridges(), process, AdoptionFile(str(host.path))).recover()
        assert host.managed(), f"killed at {number}"
        is_new = host.docker.network("shop")["Labels"].get("io.fleetnet.managed") == "true"
        assert is_new or shown(host.docker) == before, f"killed at {number}"
        restored += not is_new and host.id != former
        number += 1
    assert restored > 5


def test_a_network_of_others_that_is_restored_stays_theirs(make: t.Callable[..., Host]) -> None:
    host = make()
    journal = parse_networks(
        networks_text("", host.plan({"name": "shop"}, state="absent", allow_disconnect=True).steps)
    )
    host.run({"name": "shop"}, state="absent", allow_disconnect=True)
    undo_networks(host.docker, NoJournals(), journal, AdoptionFile(str(host.path)))
    assert "shop" in host.docker.state()
    assert not host.managed()


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("adopted", [True, False])
def test_an_undo_does_not_create_a_network_that_others_removed(
    make: t.Callable[..., Host], adopted: bool, known: bool
) -> None:
    host = make(used=False)
    if adopted:
        host.run(ITEM)
    # the change adopts the network, releases it, or does not concern it
    steps = host.plan(*([] if adopted else [ITEM])).steps
    texts = (networks_text("", steps), current_networks("", host.docker))
    host.docker.delete(f"/networks/{host.id}")
    undo_networks(host.docker, NoJournals(), parse_networks(texts[0 if known else 1]))
    assert "shop" not in host.docker.state()


def test_a_failed_record_does_not_create_a_network_that_others_removed(make: t.Callable[..., Host]) -> None:
    host = make(used=False)

    class Full(AdoptionFile):
        def adopt(self, network_id: str, name: str) -> None:
            host.docker.delete(f"/networks/{network_id}")
            raise FleetnetError(f"{name}: no space left")

    with pytest.raises(FleetnetError, match="no space left"):
        NetworkExecutor(host.docker, adoptions=Full(str(host.path))).execute(host.plan(ITEM))
    assert "shop" not in host.docker.state()


def test_a_checkpoint_covers_the_record(tmp_path: pathlib.Path) -> None:
    name = JournalPaths.of("unix:///run/docker.sock").adopted
    path = tmp_path / name.lstrip("/")
    AdoptionFile(str(path)).adopt("a" * 64, "shop")
    state = HostState(t.cast(t.Any, None), str(tmp_path))
    saved = state.files()
    assert list(saved) == [name]
    AdoptionFile(str(path)).release("a" * 64)
    assert not path.exists()
    for each, file in saved.items():
        state.write(each, file)
    assert read_adopted(str(path)) == {"a" * 64: "shop"}
    state.delete(name)
    assert not path.exists()
