# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""daemon.json as text: foreign keys stay byte for byte, and errors name line and column."""

from __future__ import annotations

import json
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.config import BrokenFile, edit, parse, same

from ..planning import assert_golden, message_of

PATH = "/etc/docker/daemon.json"

FOREIGN = """\
{
\t"log-driver": "json-file",
\t"log-opts": {"max-size":"10m",   "max-file": "3"},
\t"bip": "172.17.0.1/16",
\t"default-ulimits": { "nofile": {"Name": "nofile", "Hard": 64000, "Soft": 6.4e4} }
}
"""


def test_only_the_changed_value_differs() -> None:
    assert edit(FOREIGN, {"bip": "10.64.0.1/24"}, (), PATH) == FOREIGN.replace("172.17.0.1/16", "10.64.0.1/24")


def test_a_new_key_comes_last_in_the_files_own_indentation() -> None:
    text = edit(FOREIGN, {"mtu": 1400}, (), PATH)
    assert text == FOREIGN.replace("6.4e4} }\n}", '6.4e4} },\n\t"mtu": 1400\n}')


def test_the_indentation_is_that_of_the_outermost_keys() -> None:
    text = '{ "a": {\n\t\t"b": 1},\n    "c": 2\n}'
    assert edit(text, {"d": 3}, (), PATH) == '{ "a": {\n\t\t"b": 1},\n    "c": 2,\n    "d": 3\n}'


def test_an_equal_value_is_not_rewritten() -> None:
    text = '{"default-address-pools":[ {"size":24, "base":"10.64.8.0/21"} ]}'
    assert edit(text, {"default-address-pools": [{"base": "10.64.8.0/21", "size": 24}]}, (), PATH) == text


def test_pools_are_written_on_several_lines() -> None:
    pools = [{"base": "10.64.8.0/21", "size": 24}]
    assert edit("", {"default-address-pools": pools}, (), PATH) == (
        '{\n  "default-address-pools": [\n    {\n      "base": "10.64.8.0/21",\n      "size": 24\n    }\n  ]\n}\n'
    )


@pytest.mark.parametrize(
    ("text", "removed", "left"),
    [
        ('{"a": 1, "b": 2, "c": 3}', ["a"], '{"b": 2, "c": 3}'),
        ('{"a": 1, "b": 2, "c": 3}', ["b"], '{"a": 1, "c": 3}'),
        ('{"a": 1, "b": 2, "c": 3}', ["c", "a"], '{"b": 2}'),
        ('{\n  "a": 1\n}\n', ["a"], "{}\n"),
        ('{"a": 1}', ["x"], '{"a": 1}'),
    ],
)
def test_a_removed_key_takes_its_comma(text: str, removed: list[str], left: str) -> None:
    assert edit(text, {}, removed, PATH) == left


@pytest.mark.parametrize("text", ["", " \n", "\ufeff", "{}", "{ }\n", "\ufeff{}"])
def test_an_empty_file_takes_a_first_key(text: str) -> None:
    assert parse(edit(text, {"mtu": 1400}, (), PATH), PATH) == {"mtu": 1400}


BROKEN = [
    ('{\n  "bip": "10.0.0.1/24"\n  "mtu": 1500\n}', (3, 3), "expected ',' or the closing '}'"),
    ('{\n  "bip": "10.0.0.1/24",\n}', (3, 1), "expected a key in double quotes"),
    ('{"bip": }', (1, 9), "expecting value"),
    ('{"bip" "x"}', (1, 8), "expected ':' after"),
    ('{"bip": "x', (1, 9), "unterminated string"),
    ("[]", (1, 1), "must begin here with '{'"),
    ("{} {}", (1, 4), "unexpected text after"),
    ('{"a": 1,\n "a": 2}', (2, 2), "duplicate key"),
    ("# comment\n{}", (1, 1), "must begin here with '{'"),
    ('{"a": 1', (1, 8), "expected ',' or the closing '}'"),
]


def test_messages() -> None:
    assert_golden("daemon/broken.yml", [message_of(parse, text, PATH) for text, _place, _reason in BROKEN])


@pytest.mark.parametrize(("text", "place", "reason"), BROKEN)
def test_a_syntax_error_names_line_and_column(text: str, place: tuple[int, int], reason: str) -> None:
    with pytest.raises(BrokenFile, match=r"^/etc/docker/daemon\.json: line \d+, column \d+: ") as raised:
        parse(text, PATH)
    assert (raised.value.line, raised.value.column) == place
    assert reason in str(raised.value)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
OBJECTS = st.dictionaries(st.text(max_size=4), VALUES, max_size=6)


@given(
    before=OBJECTS,
    changes=OBJECTS,
    removed=st.lists(st.text(max_size=4), max_size=3),
    indent=st.sampled_from([None, 1, 4, "\t"]),
)
def test_a_merge_keeps_the_rest_and_its_order(
    before: dict[str, t.Any], changes: dict[str, t.Any], removed: list[str], indent: int | str | None
) -> None:
    removed = [name for name in removed if name not in changes]
    text = edit(json.dumps(before, indent=indent), changes, removed, PATH)
    after = parse(text, PATH)

    # dockerd and Python read the same
    assert json.dumps(json.loads(text)) == json.dumps(after)
    expected = {name: changes.get(name, value) for name, value in before.items() if name not in removed}
    expected.update(changes)
    assert list(after) == list(expected)
    assert same(after, expected)
    # foreign values are unchanged
    for name in set(before) - set(changes) - set(removed):
        assert json.dumps(before[name]) == json.dumps(after[name])
    # a second merge changes nothing
    assert edit(text, changes, removed, PATH) == text


@given(before=OBJECTS, changes=OBJECTS)
def test_foreign_text_is_kept_byte_for_byte(before: dict[str, t.Any], changes: dict[str, t.Any]) -> None:
    members = {name: f"{json.dumps(name)} :\t{json.dumps(value, indent=3)}" for name, value in before.items()}
    text = edit("{ " + " ,\n".join(members.values()) + "\n}", changes, (), PATH)
    for name in set(before) - set(changes):
        assert members[name] in text
