# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Differences as records, as lines of a script, and as sentences."""

from __future__ import annotations

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.drift.difference import (
    Difference,
    missing,
    parse_lines,
    sentence,
    unexpected,
)

SENTENCES = [
    (Difference("route", "10.0.0.0/8", "state", "present", None), "route 10.0.0.0/8 is missing"),
    (Difference("network", "old", "state", None, "present"), "network old is not declared"),
    (Difference("file", "/etc/a", "content", "as planned", "different"), "file /etc/a differs from the plan"),
    (Difference("jump", "FLEETNET-X", "position", "first rule", None), "jump FLEETNET-X is not the first rule"),
    (Difference("sysctl", "net.a", "value", "1", "0"), "sysctl net.a: declared 1, observed 0"),
    (Difference("network", "web", "mtu", 1450, None), "network web: mtu: declared 1450, observed none"),
    (Difference("network", "web", "x", {"a": [1]}, "b"), 'network web: x: declared {"a": [1]}, observed b'),
]


@pytest.mark.parametrize(("difference", "text"), SENTENCES)
def test_sentences(difference, text):
    assert sentence(difference) == text


@pytest.mark.parametrize("difference", [each for each, _text in SENTENCES])
def test_data_survives_a_round_trip(difference):
    assert Difference.from_data(difference.to_data()) == difference


def test_missing_and_unexpected():
    assert [missing(each) for each, _text in SENTENCES] == [True, *[False] * 6]
    assert [unexpected(each) for each, _text in SENTENCES] == [False, True, *[False] * 5]


def test_lines_of_a_script():
    assert parse_lines("route\t10.0.0.0/8\tstate\tpresent\t\nsysctl\tnet.a\tvalue\t1\t0\n") == [
        SENTENCES[0][0],
        SENTENCES[4][0],
    ]
    for text in ("route\t10.0.0.0/8\tstate\tpresent", "house\ta\tb\tc\td", "Error: no route"):
        with pytest.raises(ValueError, match="unexpected output"):
            parse_lines(text)
