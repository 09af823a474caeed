# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An undo, also one that is killed, leaves an adopted network adopted, and one of others to them."""

from __future__ import annotations

import contextlib
import pathlib
import typing as t

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.checkpoint.networks_undo import (
    networks_text,
    parse_networks,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.journal import Journal
from ansible_collections.fleetnet.docker.plugins.module_utils._host.checkpoint.engine import (
    current_networks,
    undo_networks,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.checkpoint.folder import CheckpointFolder
from ansible_collections.fleetnet.docker.plugins.module_utils._host.engine.port import EngineError
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.bridges import UnknownBridges
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.executor import NetworkExecutor
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.journals import NoJournals
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.recovery import Recoverer
from ansible_collections.fleetnet.docker.plugins.module_utils._host.ownership import (
    AdoptionFile,
    read_adopted,
)

from .adopting_host import ITEM, MOVED, THEIRS, Host, shown
from .kills import Life, Process, killed


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


def test_an_undo_by_another_name_of_the_engine_keeps_the_adoption(make: t.Callable[..., Host]) -> None:
    host = make()
    host.run(ITEM)
    other = AdoptionFile(str(host.path.with_name("adopted-2.json")), set())
    other.replace(host.id, "f" * 64)
    other.replace("e" * 64, "d" * 64)
    everywhere = read_adopted(str(host.path.with_name("adopted-*.json")))
    assert everywhere == {host.id: "shop", "f" * 64: "shop"}


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
