# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Networks that exist are taken over without a change, on an engine in memory, and given back."""

from __future__ import annotations

import errno
import fnmatch
import pathlib
import stat
import threading
import typing as t

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._host import ownership
from ansible_collections.fleetnet.docker.plugins.module_utils._host.checkpoint.host_state import HostState
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.executor import NetworkExecutor
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.journal_folder import JournalPaths
from ansible_collections.fleetnet.docker.plugins.module_utils._host.ownership import (
    ADOPTED_FILES,
    AdoptionFile,
    read_adopted,
)

from .adopting_host import ITEM, MOVED, THEIRS, Host


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


@pytest.mark.parametrize("change", ["release", "replace", "forget_missing"])
def test_runs_by_several_names_of_an_engine_do_not_lose_records(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path, change: str
) -> None:
    """One changes the record of the other name. Meanwhile, the run by that name adopts a network."""
    folder = tmp_path / "fleetnet"
    mine, theirs = folder / "adopted-1.json", folder / "adopted-2.json"
    AdoptionFile(str(theirs)).adopt("a" * 64, "shop")
    if change == "forget_missing":
        AdoptionFile(str(theirs)).adopt("d" * 64, "mail")
    adopts = threading.Thread(target=lambda: AdoptionFile(str(theirs)).adopt("b" * 64, "blog"))
    names = {"write_atomically": ownership.write_atomically, "remove": ownership.remove}

    def writing(name: str) -> t.Callable[..., None]:
        def write(*arguments: t.Any, **more: t.Any) -> None:
            if adopts.ident is None:
                adopts.start()
                # it ends, or waits for the lock
                adopts.join(0.2)
            t.cast(t.Any, names[name])(*arguments, **more)

        return write

    for name in names:
        monkeypatch.setattr(ownership, name, writing(name))
    if change == "release":
        AdoptionFile(str(mine)).release("a" * 64)
    elif change == "replace":
        AdoptionFile(str(mine)).replace("a" * 64, "c" * 64)
    else:
        AdoptionFile(str(theirs), {"d" * 64}).forget_missing()
    adopts.join(60)
    left = {"release": {}, "replace": {"a" * 64: "shop", "c" * 64: "shop"}, "forget_missing": {"d" * 64: "mail"}}
    assert read_adopted(str(folder / "adopted-*.json")) == {**left[change], "b" * 64: "blog"}


def test_a_folder_that_cannot_be_created_adopts_nothing(tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FleetnetError, match=r"cannot be written \(.*\), and without it no network is adopted"):
        AdoptionFile(str(tmp_path / "file/adopted-1.json")).adopt("a" * 64, "shop")
    AdoptionFile(str(tmp_path / "none/adopted-1.json")).release("a" * 64)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


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
