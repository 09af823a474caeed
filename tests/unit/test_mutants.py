# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which mutants script/mutants makes, and which of them it selects."""

from __future__ import annotations

import ast
import json
import pathlib
import textwrap

import pytest
from mutants import CORE, LEAST, room, sample
from mutation_record import Record, update_record
from mutations import Mutant, mutants


def made(source: str) -> list[tuple[str, str]]:
    return [(mutant.original, mutant.mutated) for mutant in mutants("a.py", textwrap.dedent(source).encode())]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a < b <= c", [("a < b <= c", "(a <= b <= c)"), ("a < b <= c", "(a < b < c)")]),
        ("a in b", [("a in b", "(a not in b)")]),
        ("a and b", [("a and b", "(a or b)")]),
        ("not a", [("not a", "(a)")]),
        ("a + b", [("a + b", "(a - b)")]),
        ("a @ b", []),
        ("0", [("0", "1"), ("0", "-1")]),
        ("True", [("True", "False")]),
        ("None", []),
        ("'leak'", [("'leak'", "'leXak'")]),
        ("b''", [("b''", "b'X'")]),
        ("f'{a} to {b}'", [("f'{a} to {b}'", "f'{a} tXo {b}'")]),
        ("f'{a}'", []),
        ("b if a else c", [("a", "(not a)")]),
        ("[a for a in b if a]", [("a", "(not a)")]),
        ("t.cast('str', a)", []),
    ],
)
def test_expressions(source: str, expected: list[tuple[str, str]]) -> None:
    assert made(f"x = {source}") == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("def f():\n    return a", [("return a", "return None")]),
        ("def f():\n    return None", []),
        ("def f():\n    raise a", [("raise a", "pass")]),
        ("a()", [("a()", "pass")]),
        ("a += b", [("a += b", "pass")]),
        ("for a in b:\n    continue", [("continue", "pass")]),
        ("if a:\n    b = c", [("a", "(not a)")]),
        ("'''Documentation.'''\nclass A:\n    '''More.'''\n    def f(self):\n        '''More.'''", []),
        ("a: 'b' = c\ndef f(a: 'b') -> 'c': ...", []),
    ],
)
def test_statements(source: str, expected: list[tuple[str, str]]) -> None:
    assert made(source) == expected


SOURCE = """\
ä = "ö"
@decorated(1)
def function(default="text"):
    inner = lambda: "é" < \\
        "z"
    return inner
"""


def test_a_mutant_replaces_its_expression_and_nothing_else() -> None:
    source = SOURCE.encode()
    for mutant in mutants("a.py", source):
        changed = mutant.apply(source)
        ast.parse(changed)
        assert changed.decode() == SOURCE.replace(mutant.original, mutant.mutated, 1)


def test_defaults_and_decorators_run_where_the_function_is_defined() -> None:
    found = {mutant.original: mutant.function for mutant in mutants("a.py", SOURCE.encode())}
    assert (found['"ö"'], found["1"], found['"text"']) == (None, None, None)
    assert found["return inner"] == found['"é"'] == 2


def a_mutant(name: str, start: int, mutated: str = "b") -> Mutant:
    return Mutant(f"{CORE}{name}", 1, None, start, start + 1, f"a{start}", mutated)


def test_each_room_has_its_share_of_the_sample() -> None:
    found = [a_mutant(name, start) for name, size in (("a/x.py", 300), ("b/y.py", 100), ("c/z.py", 5), ("top.py", 20))
             for start in range(size)]  # fmt: skip
    chosen = sample(found, 85, "0")
    rooms = [room(mutant.file) for mutant in chosen]
    assert {each: rooms.count(each) for each in rooms} == {"a": 60, "b": 20, "c": 5, ".": LEAST}
    assert sample(found, 85, "0") == chosen
    assert sample(found, 85, "1") != chosen


def test_an_expression_is_changed_once_and_other_changes_of_the_file_change_nothing() -> None:
    found = [a_mutant("a.py", start, mutated) for start in range(20) for mutated in "bc"]
    chosen = sample(found, 10, "0")
    assert len({mutant.start for mutant in chosen}) == 10
    assert set(sample(found[2:], 10, "0")) >= {mutant for mutant in chosen if mutant.start}


def record(**tests: float) -> Record:
    return Record(digests={}, seconds=tests, calls={"f": sorted(tests)}, imported=[], modules=[])


def test_only_changed_tests_are_recorded_again(tmp_path: pathlib.Path) -> None:
    runs: list[list[str]] = []

    def run(files: list[str], file: pathlib.Path) -> int:
        runs.append(files)
        file.write_text(json.dumps(record(**{f"{name}::test{len(runs)}": 1.0 for name in files})), encoding="utf-8")
        return 0

    path = tmp_path / "record.json"
    update_record(path, {"a": "1", "b": "1", "c": "1"}, run)
    found = update_record(path, {"a": "1", "b": "2"}, run)
    assert update_record(path, {"a": "1", "b": "2"}, run) == found
    assert runs == [["a", "b", "c"], ["b"]]
    assert found["calls"] == {"f": ["a::test1", "b::test2"]}
    assert set(found["seconds"]) == {"a::test1", "b::test2"}


def test_a_failure_without_a_mutant_is_an_error(tmp_path: pathlib.Path) -> None:
    with pytest.raises(SystemExit, match="fail without any mutant"):
        update_record(tmp_path / "record.json", {"a": "1"}, lambda _files, _file: 1)
