# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from fleetbed.errors import FleetError
from fleetbed.spec import Spec, decide

KNOWN = ("20.10", "26.1", "28.5")
BEFORE = Spec("f", hosts=5, engines=("26.1",), links=2)


@pytest.mark.parametrize(
    ("recorded", "asked", "expected"),
    [
        pytest.param(None, {}, Spec("f", 3, KNOWN, 1), id="one of each"),
        pytest.param(None, {"engines": ["28.5"]}, Spec("f", 1, ("28.5",), 1), id="one of each that is named"),
        pytest.param(None, {"hosts": 5}, Spec("f", 5, KNOWN, 1), id="in turn"),
        pytest.param(BEFORE, {}, BEFORE, id="as before"),
        pytest.param(BEFORE, {"hosts": 2}, Spec("f", 2, ("26.1",), 2), id="fewer"),
        pytest.param(BEFORE, {"engines": ["20.10", "28.5"]}, Spec("f", 5, ("20.10", "28.5"), 2), id="other engines"),
        pytest.param(BEFORE, {"links": 1}, Spec("f", 5, ("26.1",), 1), id="one link"),
    ],
)
def test_decide(recorded: Spec | None, asked: dict[str, Any], expected: Spec) -> None:
    assert decide("f", recorded, KNOWN, **asked) == expected


def test_engines_and_links_are_dealt_out_in_turn() -> None:
    spec = Spec("f", hosts=4, engines=KNOWN, links=2)
    assert [spec.engine(number) for number in range(1, 5)] == ["20.10", "26.1", "28.5", "20.10"]
    assert [spec.link(number) for number in range(1, 5)] == [0, 1, 0, 1]
    assert Spec("f", hosts=2, engines=KNOWN).used_engines() == ("20.10", "26.1")


def test_spec_comes_back_from_its_data() -> None:
    assert Spec.from_data(BEFORE.as_data()) == BEFORE


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"hosts": 0}, "--hosts 0 will not do"),
        ({"hosts": 201}, "choose 1 to 200"),
        ({"links": 9}, "--links 9 will not do"),
        ({"engines": ["19.03"]}, r"engine 19\.03 is unknown, choose from 20\.10, 26\.1, 28\.5"),
    ],
)
def test_what_will_not_do(asked: dict[str, Any], message: str) -> None:
    with pytest.raises(FleetError, match=message):
        decide("f", None, KNOWN, **asked)


@pytest.mark.parametrize("name", ["", "../x", "a/b", "A", "1a", "a_b", "a" * 31])
def test_bad_names(name: str) -> None:
    with pytest.raises(FleetError, match="will not do"):
        decide(name, None, KNOWN)
