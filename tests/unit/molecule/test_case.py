# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the runner of cases reads, and which answers it rejects."""

from __future__ import annotations

import typing as t

import pytest
from case import Answers, Case, InvalidCase, compare, parse_group

DONE = {"changed": True, "diff": [{"after": "x"}], "operations": ["create a", "remove b"], "warnings": ["odd"]}
AGAIN = {"changed": False, "diff": [], "operations": []}
FAILED = {"failed": True, "msg": "networks: 7: must be a list of networks."}


def problems(
    predicted: dict[str, t.Any], done: dict[str, t.Any], again: dict[str, t.Any] | None, **expected: t.Any
) -> list[str]:
    return compare(Case("c", {}, **expected), Answers(predicted, done, again))


def test_expected_answers() -> None:
    assert problems(DONE, DONE, AGAIN, operations=r"^create a \+ remove b$", warnings="odd") == []
    assert problems(FAILED, FAILED, None, refused="^networks: 7: must be") == []
    assert problems(DONE, FAILED, None, refused="must be", unforeseen=True) == []


@pytest.mark.parametrize(
    ("answers", "expected", "problem"),
    [
        ((FAILED, FAILED, None), {}, "failed: networks: 7: must be a list of networks."),
        ((FAILED, FAILED, None), {"refused": "must not"}, "msg: expected 'must not', got 'networks: 7: "),
        ((DONE, DONE, AGAIN), {"refused": "must"}, "did not fail: expected 'must'"),
        ((DONE, DONE, AGAIN), {"operations": "^remove"}, "operations: expected '^remove', got 'create a + remove b'"),
        ((DONE, DONE, AGAIN), {"warnings": "even"}, "warnings: expected 'even', got 'odd'"),
        ((DONE, DONE, DONE), {}, "the second run changed: ['create a', 'remove b']"),
        ((DONE, DONE, FAILED), {}, "the second run failed: networks: 7"),
        (({**DONE, "operations": []}, DONE, AGAIN), {}, "operations: check mode predicted [], the run returned ['crea"),
        (({**DONE, "diff": []}, DONE, AGAIN), {}, "diff: check mode predicted []"),
        (({**DONE, "changed": False}, DONE, AGAIN), {}, "changed: check mode predicted False"),
        ((DONE, FAILED, None), {"refused": "must"}, "msg: check mode predicted None"),
        ((FAILED, DONE, AGAIN), {}, "msg: check mode predicted 'networks: 7"),
        (({**FAILED, "msg": "must"}, FAILED, None), {"refused": "must"}, "msg: check mode predicted 'must'"),
        ((FAILED, FAILED, None), {"refused": "must", "unforeseen": True}, "unforeseen: check mode predicts whether"),
    ],
)
def test_unexpected_answers(answers: tuple[dict[str, t.Any], ...], expected: dict[str, t.Any], problem: str) -> None:
    found = problems(*answers, **expected)
    assert found
    assert found[0].startswith(problem)


def parse(
    *cases: dict[str, t.Any], engine: str = "20.10.24+dfsg1", backend: str = "iptables", **header: t.Any
) -> list[Case]:
    return parse_group({"module": "m", **header, "cases": list(cases)}, engine, backend).cases


def test_options() -> None:
    (case,) = parse({"name": "c", "net": {"mtu": 9}, "options": {"prune": True, "a": 2}}, options={"a": 1, "b": 1})
    assert case.options == {"networks": [{"name": "t", "mtu": 9}], "prune": True, "a": 2, "b": 1}


def test_the_options_of_all_cases_apply_to_an_interrupted_run() -> None:
    (case,) = parse({"name": "c", "interrupted": {"options": {"b": 2}, "during": "true"}}, options={"a": 1})
    assert case.interrupted == {"options": {"a": 1, "b": 2}, "during": "true"}


def test_older_engines_must_refuse_and_nothing_is_inspected() -> None:
    data = {"name": "c", "since": "28.0", "options": {"bip6": "::1"}, "seen": {"true": "x"}, "operations": "y"}
    (case,) = parse(data)
    assert case.refused == "requires engine 28\\.0"
    assert case.seen == {}
    (case,) = parse(data, too_old="^{option}: requires Docker engine {since}")
    assert case.refused == "^bip6: requires Docker engine 28\\.0"
    (case,) = parse(data, engine="28.0.1")
    assert (case.refused, case.seen) == ("", {"true": "x"})


def test_cases_of_the_other_firewall_backend_are_left_out() -> None:
    both, iptables, nftables = parse(
        {"name": "a"}, {"name": "b", "backend": "iptables"}, {"name": "c", "backend": "nftables"}, backend="nftables"
    )
    assert (both.left_out, nftables.left_out) == ("", "")
    assert iptables.left_out == "requires the firewall backend iptables"
    with pytest.raises(InvalidCase, match="case 'd': backend: 'ebtables': is not one of iptables, nftables"):
        parse({"name": "d", "backend": "ebtables"})


def test_whole_messages() -> None:
    (case,) = parse({"networks": 7, "error": FAILED["msg"]}, messages=True)
    assert case.options == {"networks": 7}
    answers = Answers(FAILED, FAILED, None)
    assert compare(case, answers) == []
    longer = {**FAILED, "msg": f"{FAILED['msg']} Why?"}
    assert compare(case, Answers(longer, longer, None))


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ({"options": {}}, "name: is missing"),
        ({"name": "c", "operation": "x"}, "case 'c': operation: is not a key of a case. Use name, "),
        ({"name": "c", "since": 28.0}, "case 'c': since: 28.0: must be of type str"),
        ({"name": "c", "seen": {"cat x": 0}}, "case 'c': seen: cat x: 0: must be a string"),
        ({"name": "c", "interrupted": {"kill": "x"}}, "case 'c': interrupted: kill: is not a key"),
    ],
)
def test_invalid_cases(case: dict[str, t.Any], message: str) -> None:
    with pytest.raises(InvalidCase, match=message):
        parse(case)


@pytest.mark.parametrize("file", [[{"name": "c"}], {"cases": []}, None])
def test_a_file_needs_a_module(file: t.Any) -> None:
    with pytest.raises(InvalidCase, match="must be a mapping with the keys module and cases"):
        parse_group(file, "28.0", "iptables")
