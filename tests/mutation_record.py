# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run unit tests for mutants in a copy of the checkout: what the tests call, and whether some of them pass."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import pathlib
import resource
import signal
import sys
import time
import types
import typing as t
from collections.abc import Callable, Collection, Iterator, Sequence

import pytest

COLLECTION = pathlib.PurePath("ansible_collections/fleetnet/docker")
MEMORY = 4 << 30
# A test that waits instead of computing. The limit of computing time is the one that counts on a busy machine.
WALL_SECONDS = 600


class Record(t.TypedDict):
    """What runs of the tests recorded.

    ``digests`` are those of each file of tests and all that it uses. ``seconds`` are processor seconds per test.
    ``calls`` are the tests that call a function, by file and its first line. ``imported`` are functions that run while
    tests are collected. ``modules`` are the libraries that the tests import.
    """

    digests: dict[str, str]
    seconds: dict[str, float]
    calls: dict[str, list[str]]
    imported: list[str]
    modules: list[str]


def pytest_in_child(
    copy: pathlib.Path, files: Collection[str], plugin: object, log: pathlib.Path, seconds: float
) -> int | None:
    """Run pytest in a fork that has the imported libraries, and return its exit code, or None if it is out of time."""
    child = os.fork()
    if child == 0:
        code = 70
        try:
            os.setpgid(0, 0)
            limit = int(seconds) + 1
            resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 1))
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
            output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
            os.dup2(output, 1)
            os.dup2(output, 2)
            os.chdir(copy / COLLECTION)
            # The libraries are already imported, so pytest cannot rewrite the assertions of those that are its plugins.
            options = ["-x", "-q", "--durations=0", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
            code = int(pytest.main([*options, *sorted(files)], plugins=[plugin]))
        finally:
            os._exit(code)
    deadline = time.monotonic() + WALL_SECONDS
    while True:
        pid, status, _usage = os.wait4(child, os.WNOHANG)
        if pid:
            break
        if time.monotonic() > deadline:
            os.killpg(child, signal.SIGKILL)
        time.sleep(0.02)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)  # what the tests started
    return None if os.WIFSIGNALED(status) else os.waitstatus_to_exitcode(status)


def import_libraries(modules: Sequence[str]) -> None:
    for module in modules:
        with contextlib.suppress(Exception):  # then each child imports it
            importlib.import_module(module)


def _processor_seconds() -> float:
    """Of this process and of those that it waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


class Select:
    """Runs these tests, in this order."""

    def __init__(self, tests: Sequence[str]) -> None:
        self._order = {test: number for number, test in enumerate(tests)}

    def pytest_configure(self) -> None:
        without_shrinking()

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = sorted(
            (item for item in items if item.nodeid in self._order), key=lambda item: self._order[item.nodeid]
        )


def without_shrinking() -> None:
    """Uses the same examples in every run. A failure is enough; the smallest one is not needed."""
    from hypothesis import Phase, settings

    phases = (Phase.explicit, Phase.generate)
    settings.register_profile("mutants", parent=settings.get_profile("ci"), phases=phases)
    settings.load_profile("mutants")


class Recorder:
    """Records which tests call which functions below a folder, and writes the record."""

    def __init__(self, copy: pathlib.Path, folder: str, file: pathlib.Path) -> None:
        self._root = f"{copy / COLLECTION}/"
        self._folder = f"{self._root}{folder}"
        self._file = file
        self._seconds: dict[str, float] = {}
        self._calls: dict[str, set[str]] = {}
        self._imported: set[str] = set()
        self._called: set[types.CodeType] = set()

    def pytest_configure(self) -> None:
        without_shrinking()
        sys.settrace(self._trace)

    def _trace(self, frame: types.FrameType, _event: str, _argument: object) -> None:
        self._called.add(frame.f_code)

    def _keys(self) -> Iterator[str]:
        for code in self._called:
            if code.co_filename.startswith(self._folder):
                yield f"{code.co_filename[len(self._root) :]}:{code.co_firstlineno}"
        self._called.clear()

    def pytest_collection_finish(self) -> None:
        self._imported.update(self._keys())

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> t.Generator[None, object, object]:
        sys.settrace(self._trace)  # a test may have replaced it
        self._called.clear()
        started = _processor_seconds()
        result = yield
        self._seconds[item.nodeid] = _processor_seconds() - started
        for key in self._keys():
            self._calls.setdefault(key, set()).add(item.nodeid)
        return result

    def pytest_sessionfinish(self) -> None:
        sys.settrace(None)
        own = ("ansible_collections", "tests", "conftest", "__main__")
        record = Record(
            digests={},
            seconds=self._seconds,
            calls={key: sorted(tests) for key, tests in sorted(self._calls.items())},
            imported=sorted(self._imported),
            modules=sorted(each for each in sys.modules if not each.startswith(own)),
        )
        self._file.write_text(json.dumps(record), encoding="utf-8")


def update_record(
    file: pathlib.Path, digests: t.Mapping[str, str], record_tests: Callable[[list[str], pathlib.Path], int | None]
) -> Record:
    """Return the record in the file, after it recorded the tests of which something changed.

    Raises SystemExit if a test fails without any mutant.
    """
    record = Record(digests={}, seconds={}, calls={}, imported=[], modules=[])
    if file.exists():
        record = json.loads(file.read_text(encoding="utf-8"))
    changed = [name for name, digest in digests.items() if record["digests"].get(name) != digest]
    if changed:
        new_file = file.with_suffix(".new")
        code = record_tests(changed, new_file)
        if code != 0:
            sys.exit(f"the unit tests fail without any mutant (exit code {code}). Run script/test units")
        record = _merge(record, json.loads(new_file.read_text(encoding="utf-8")), {*digests} - {*changed})
        record["digests"] = dict(digests)
        new_file.write_text(json.dumps(record), encoding="utf-8")
        new_file.replace(file)
    return record


def _merge(old: Record, new: Record, kept: Collection[str]) -> Record:
    """The new record with the tests of the old one that are in the files to keep."""
    calls = {key: set(tests) for key, tests in new["calls"].items()}
    for key, tests in old["calls"].items():
        if found := {test for test in tests if file_of(test) in kept}:
            calls.setdefault(key, set()).update(found)
    seconds = {test: seconds for test, seconds in old["seconds"].items() if file_of(test) in kept}
    return Record(
        digests={},
        seconds={**seconds, **new["seconds"]},
        calls={key: sorted(tests) for key, tests in sorted(calls.items())},
        imported=sorted({*old["imported"], *new["imported"]}),
        modules=sorted({*old["modules"], *new["modules"]}),
    )


def file_of(test: str) -> str:
    """The file of a test, from the name that pytest gives the test."""
    return test.partition("::")[0]
