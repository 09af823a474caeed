# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cases of modules as contributors write them, and the comparison of a module's answers with what a case expects."""

from __future__ import annotations

import dataclasses
import re
import typing as t

Json = dict[str, t.Any]

# Keys of a file: `options` of each case; `too_old`, a pattern for the error message on engines before
# `since`; `messages`, whether each case consists of options and `error`, the whole error message.
FILE_KEYS: dict[str, type] = {"module": str, "cases": list, "options": dict, "too_old": str, "messages": bool}
# Keys of a case, with the type of their values. CONTRIBUTING.md documents them.
KEYS: dict[str, type] = {
    "name": str,
    "options": dict,
    "net": dict,
    "before": str,
    "after": str,
    "interrupted": dict,
    "since": str,
    "backend": str,
    "refused": str,
    "unforeseen": bool,
    "operations": str,
    "warnings": str,
    "seen": dict,
}
BACKENDS = ("iptables", "nftables")
INTERRUPTED_KEYS: dict[str, type] = {"options": dict, "during": str}


class InvalidCase(Exception):
    """A case that is not written as documented."""


@dataclasses.dataclass(frozen=True)
class Case:
    """A run of a module with ``options``, and what is expected of it; the patterns are searched in the answers."""

    name: str
    options: Json
    before: str = ""
    after: str = ""
    interrupted: Json | None = None
    backend: str = ""  # the firewall backend that it requires
    left_out: str = ""  # why it does not run on this host
    refused: str = ""
    predict: bool = True
    unforeseen: bool = False
    operations: str = ""
    warnings: str = ""
    seen: dict[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Group:
    """Cases of one module."""

    module: str
    cases: list[Case]


@dataclasses.dataclass(frozen=True)
class Answers:
    """The results of a module: in check mode, of the run, and of the second run, which follows only a success."""

    predicted: Json | None
    done: Json
    again: Json | None


def parse_group(file: t.Any, engine: str, backend: str) -> Group:
    """Parse a file of cases for a host with this version of the engine and firewall backend; raises InvalidCase."""
    if not isinstance(file, dict) or not {"module", "cases"} <= file.keys():
        raise InvalidCase(f"{str(file)[:80]}: must be a mapping with the keys module and cases.")
    _check_keys("file", file, FILE_KEYS)
    options = file.get("options", {})
    if file.get("messages"):
        return Group(file["module"], [_parse_rejected(each, options) for each in file["cases"]])
    too_old = file.get("too_old", "requires engine {since}")
    cases = [_parse_case(each, options, engine, too_old) for each in file["cases"]]
    return Group(file["module"], [case if case.backend in ("", backend) else _left_out(case) for case in cases])


def _left_out(case: Case) -> Case:
    return dataclasses.replace(case, left_out=f"requires the firewall backend {case.backend}")


def _parse_case(data: Json, defaults: Json, engine: str, too_old: str) -> Case:
    where = f"case {data.get('name', data)!r}"
    _check_keys(where, data, KEYS)
    _check_keys(f"{where}: interrupted", data.get("interrupted", {}), INTERRUPTED_KEYS)
    for command, pattern in data.get("seen", {}).items():
        if not isinstance(pattern, str):
            raise InvalidCase(f"{where}: seen: {command}: {pattern!r}: must be a string. Quote it.")
    if "name" not in data:
        raise InvalidCase(f"{where}: name: is missing. Set it.")
    if data.get("backend", BACKENDS[0]) not in BACKENDS:
        raise InvalidCase(f"{where}: backend: {data['backend']!r}: is not one of {', '.join(BACKENDS)}.")
    options = {**defaults, **data.get("options", {})}
    if "net" in data:
        options["networks"] = [{"name": "t", **data["net"]}]
    fields = {key: value for key, value in data.items() if key not in ("options", "net", "since")}
    if "interrupted" in data:
        fields["interrupted"] = {**data["interrupted"], "options": {**defaults, **data["interrupted"]["options"]}}
    since = data.get("since")
    if since is not None and _version(engine) < _version(since):
        names = data.get("options", {})
        fields["refused"] = too_old.format(option=next(iter(names), ""), since=re.escape(since))
        fields["seen"] = {}
    return Case(**fields, options=options)


def _parse_rejected(data: Json, defaults: Json) -> Case:
    """A case that consists of options and ``error``, the whole message. It runs once."""
    options = {key: value for key, value in data.items() if key != "error"}
    refused = f"^{re.escape(data['error'])}$"
    return Case(name=data["error"], options={**defaults, **options}, refused=refused, predict=False)


def _check_keys(where: str, data: Json, keys: dict[str, type]) -> None:
    for key, value in data.items():
        if key not in keys:
            raise InvalidCase(f"{where}: {key}: is not a key of a case. Use {', '.join(keys)}.")
        if not isinstance(value, keys[key]):
            raise InvalidCase(f"{where}: {key}: {value!r}: must be of type {keys[key].__name__}. Quote text.")


def _version(text: str) -> tuple[int, ...]:
    """The numbers at the beginning: 20.10.24+dfsg1 -> (20, 10, 24)."""
    found = re.match(r"[0-9.]+", text)
    if not found:
        raise InvalidCase(f"{text!r}: is not a version.")
    return tuple(int(number) for number in found.group().strip(".").split("."))


def compare(case: Case, answers: Answers) -> list[str]:
    """What differs from the expectations of the case; empty if nothing does."""
    predicted, done, again = answers.predicted, answers.done, answers.again
    problems = []
    if _failed(done):
        message = done.get("msg", "")
        if not case.refused:
            problems.append(f"failed: {message}")
        elif not re.search(case.refused, message):
            problems.append(f"msg: expected {case.refused!r}, got {message!r}")
    elif case.refused:
        problems.append(f"did not fail: expected {case.refused!r}")
    else:
        problems += _compare_lines("operations", case.operations, done)
        problems += _compare_lines("warnings", case.warnings, done)
    if predicted is not None:
        problems += _compare_prediction(case, predicted, done)
    if again is not None:
        if _failed(again):
            problems.append(f"the second run failed: {again.get('msg')}")
        elif again["changed"]:
            problems.append(f"the second run changed: {again.get('operations')}")
    return problems


def _compare_lines(key: str, pattern: str, done: Json) -> list[str]:
    text = " + ".join(done.get(key, []))
    return [] if re.search(pattern, text) else [f"{key}: expected {pattern!r}, got {text!r}"]


def _compare_prediction(case: Case, predicted: Json, done: Json) -> list[str]:
    if case.unforeseen:
        if _failed(predicted) == _failed(done):
            return ["unforeseen: check mode predicts whether the run fails. Remove the key"]
        return []
    # An operation that a run did before it failed cannot be predicted, so of failures only the messages are compared.
    keys = ("msg",) if _failed(done) else ("msg", "changed", "diff", "operations")
    return [
        f"{key}: check mode predicted {predicted.get(key)!r}, the run returned {done.get(key)!r}"
        for key in keys
        if predicted.get(key) != done.get(key)
    ]


def _failed(answer: Json) -> bool:
    return bool(answer.get("failed", False))
