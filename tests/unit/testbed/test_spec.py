# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fleetbed.checkout import full_name
from fleetbed.errors import FleetError
from fleetbed.spec import Spec, check_name, decide

KNOWN = ("20.10", "26.1", "28.5")
BEFORE = Spec("f", hosts=5, engines=("26.1",), links=2)


@pytest.mark.parametrize(
    ("recorded", "requested", "expected"),
    [
        pytest.param(None, {}, Spec("f", 3, KNOWN, 1), id="one per engine"),
        pytest.param(None, {"engines": ["28.5"]}, Spec("f", 1, ("28.5",), 1), id="one per named engine"),
        pytest.param(None, {"hosts": 5}, Spec("f", 5, KNOWN, 1), id="in turn"),
        pytest.param(BEFORE, {}, BEFORE, id="unchanged"),
        pytest.param(BEFORE, {"hosts": 2}, Spec("f", 2, ("26.1",), 2), id="fewer"),
        pytest.param(BEFORE, {"engines": ["20.10", "28.5"]}, Spec("f", 5, ("20.10", "28.5"), 2), id="other engines"),
        pytest.param(BEFORE, {"links": 1}, Spec("f", 5, ("26.1",), 1), id="one segment"),
    ],
)
def test_decide(recorded: Spec | None, requested: dict[str, Any], expected: Spec) -> None:
    assert decide("f", recorded, KNOWN, **requested) == expected


def test_the_default_engines_are_those_of_new_fleets() -> None:
    default = ["26.1", "/opt/docker:nftables"]
    assert decide("f", None, KNOWN, default=default) == Spec("f", 2, tuple(default))
    assert decide("f", None, KNOWN, engines=["28.5"], default=default) == Spec("f", 1, ("28.5",))
    assert decide("f", BEFORE, KNOWN, default=default) == BEFORE


def test_the_folder_of_an_engine_is_recorded_as_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert decide("f", None, KNOWN, engines=["./d:nftables"]).engines == (f"{tmp_path}/d:nftables",)


def test_engines_and_segments_are_assigned_in_turn() -> None:
    spec = Spec("f", hosts=4, engines=KNOWN, links=2)
    assert [spec.engine(number) for number in range(1, 5)] == ["20.10", "26.1", "28.5", "20.10"]
    assert [spec.segment(number) for number in range(1, 5)] == [0, 1, 0, 1]
    assert Spec("f", hosts=2, engines=KNOWN).used_engines() == ("20.10", "26.1")


def test_spec_round_trip() -> None:
    assert Spec.from_data(BEFORE.as_data()) == BEFORE


@pytest.mark.parametrize(
    ("requested", "message"),
    [
        ({"hosts": 0}, "--hosts 0: out of range"),
        ({"hosts": 201}, "Choose 1 to 200"),
        ({"links": 9}, "--links 9: out of range"),
        ({"engines": ["19.03"]}, r"engine 19\.03: unknown\. Choose from 20\.10, 26\.1, 28\.5"),
    ],
)
def test_invalid_values(requested: dict[str, Any], message: str) -> None:
    with pytest.raises(FleetError, match=message):
        decide("f", None, KNOWN, **requested)


@pytest.mark.parametrize("name", ["", "../x", "a/b", "A", "1a", "a_b", "a" * 31])
def test_invalid_names(name: str) -> None:
    with pytest.raises(FleetError, match="not a valid name"):
        decide(name, None, KNOWN)


def test_each_checkout_has_its_own_fleets() -> None:
    here, there = (full_name("demo", Path(folder)) for folder in ("/a/checkout", "/b/checkout"))
    assert (here, there) == ("demo-929867", "demo-40e4d0")
    assert full_name(here, Path("/b/checkout")) == here


def test_full_names_are_valid_up_to_the_longest_name() -> None:
    name = check_name("a" * 30)
    assert check_name(full_name(name, Path("/checkout"))) == full_name(name, Path("/checkout"))
