# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which small changes of the pure core the unit tests do not notice; see script/mutants."""

from __future__ import annotations

import argparse
import collections
import dataclasses
import functools
import hashlib
import multiprocessing
import os
import pathlib
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence

from affected import ROOT, closure
from mutation_record import (
    COLLECTION,
    Record,
    Recorder,
    Select,
    file_of,
    import_libraries,
    pytest_in_child,
    update_record,
)
from mutations import Mutant, mutants

CORE = "plugins/module_utils/_domain/"
UNITS = "tests/unit/"
# Each room has at least this number of mutants in the sample.
LEAST = 8
CAUGHT, TIMED_OUT, SURVIVED = "caught", "timed out", "survived"


@dataclasses.dataclass(frozen=True)
class Result:
    mutant: Mutant
    outcome: str
    tests: int
    left_out: int


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="script/mutants", description=__doc__)
    parser.add_argument("--sample", type=int, default=240, help="number of mutants (default: %(default)s)")
    parser.add_argument("--seed", default="0", help="another seed selects other mutants (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=2, help="mutants to test side by side (default: %(default)s)")
    parser.add_argument(
        "--seconds", type=float, default=20, help="processor seconds of tests per mutant (default: %(default)s)"
    )
    parser.add_argument("folders", nargs="*", metavar="FOLDER", help=f"folders or files of {CORE} (default: all)")
    options = parser.parse_args(arguments)
    started = time.monotonic()
    files = sorted(str(path.relative_to(ROOT)) for path in (ROOT / CORE).rglob("*.py"))
    files = [file for file in files if not options.folders or _is_below(file, options.folders)]
    found = [each for file in files for each in mutants(file, (ROOT / file).read_bytes())]
    chosen = sample(found, options.sample, options.seed)
    if not chosen:
        parser.error("no mutants found: the arguments name no files of the pure core")
    results = run(chosen, options)
    report(results)
    print(f"{len(results)} mutants in {time.monotonic() - started:.0f} s")


def _is_below(file: str, folders: Iterable[str]) -> bool:
    path = (ROOT / file).resolve()
    return any(path.is_relative_to(pathlib.Path(each).resolve()) for each in folders)


def room(file: str) -> str:
    """``verify`` for ``.../_domain/verify/text.py``, ``.`` for a file without a room."""
    return file[len(CORE) :].rpartition("/")[0].partition("/")[0] or "."


def sample(found: Sequence[Mutant], size: int, seed: str) -> list[Mutant]:
    """A random sample from each room, by its number of mutants, at most one mutant per expression.

    The same seed selects the same mutants, also after a change elsewhere in the code.
    """
    rooms: dict[str, dict[tuple[str, int], tuple[str, Mutant]]] = collections.defaultdict(dict)
    seen: dict[tuple[str, str, str], int] = collections.Counter()
    for mutant in found:
        identity = mutant.file, mutant.original, mutant.mutated
        rank = hashlib.sha256(repr((seed, *identity, seen[identity])).encode()).hexdigest()
        seen[identity] += 1
        ranked = rooms[room(mutant.file)]
        place = mutant.file, mutant.start
        ranked[place] = min(ranked.get(place, (rank, mutant)), (rank, mutant), key=lambda each: each[0])
    total = sum(map(len, rooms.values()))
    chosen = []
    for ranked in rooms.values():
        share = max(LEAST, round(size * len(ranked) / total)) if len(rooms) > 1 else size
        chosen += [mutant for _rank, mutant in sorted(ranked.values(), key=lambda each: each[0])[:share]]
    return chosen


# Of each worker: its copy of the checkout, and the record of all tests.
_copy = pathlib.Path()
_record: Record
_seconds = 0.0


def run(chosen: Sequence[Mutant], options: argparse.Namespace) -> list[Result]:
    sources = [path for path in _sources() if (ROOT / path).is_file()]
    file = pathlib.Path(os.environ["FLEETNET_WORK"]) / "mutants.json"
    copy = pathlib.Path(os.environ["FLEETNET_SCRATCH"]) / "original"
    for source in sources:
        target = copy / COLLECTION / source
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / source, target, follow_symlinks=False)
    os.environ["ANSIBLE_COLLECTIONS_PATH"] = str(copy)
    record = update_record(file, _digests(sources), functools.partial(_record_tests, copy))
    results = []
    with multiprocessing.get_context("fork").Pool(options.jobs, _start_worker, (copy, record, options.seconds)) as pool:
        for result in pool.imap_unordered(check, chosen):
            results.append(result)
            if result.outcome == SURVIVED:
                print(f"\n{sentence(result)}", flush=True)
            if len(results) % 10 == 0:
                print(f"{len(results)} of {len(chosen)}", flush=True)
    return results


def _sources() -> list[str]:
    """The files of the project, committed or not."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate"]
    return [each for each in subprocess.check_output(command, cwd=ROOT, text=True).split("\0") if each]


def _digests(sources: Sequence[str]) -> dict[str, str]:
    """A digest of each file of unit tests with what it imports and the data in its folder."""
    found = {}
    for source in sources:
        folder, _slash, name = source.rpartition("/")
        if source.startswith(UNITS) and name.startswith("test_"):
            data = {each for each in sources if each.startswith(f"{folder}/") and not each.endswith(".py")}
            parts = [(each, (ROOT / each).read_bytes()) for each in sorted(data | _closure(source))]
            found[source] = hashlib.sha256(repr(parts).encode()).hexdigest()
    return found


def _record_tests(copy: pathlib.Path, files: list[str], file: pathlib.Path) -> int | None:
    print(f"recording what the tests in {len(files)} files call", flush=True)
    return pytest_in_child(copy, files, Recorder(copy, CORE, file), file.with_suffix(".log"), 3600)


def _start_worker(original: pathlib.Path, record: Record, seconds: float) -> None:
    """Copy the checkout, as an installed collection, and import what the tests import."""
    global _copy, _record, _seconds
    _copy, _record, _seconds = original.with_name(str(os.getpid())), record, seconds
    shutil.copytree(original, _copy, symlinks=True)
    os.environ["ANSIBLE_COLLECTIONS_PATH"] = str(_copy)
    import_libraries(_record["modules"])


def check(mutant: Mutant) -> Result:
    """Whether the tests that run the changed code notice the change."""
    tests, left_out = _select(mutant)
    path = _copy / COLLECTION / mutant.file
    original = path.read_bytes()
    outcome = SURVIVED
    _replace(path, mutant.apply(original))
    for part in _in_two(tests):
        files = {file_of(test) for test in part}
        seconds = 30 + 5 * sum(_record["seconds"][test] for test in part)
        code = pytest_in_child(_copy, files, Select(part), _copy / "log", seconds)
        if code not in (0, 5):  # 5: no tests left, because their names contain the changed value
            outcome = TIMED_OUT if code is None else CAUGHT
            break
    _replace(path, original)
    return Result(mutant, outcome, len(tests), left_out)


def _replace(path: pathlib.Path, source: bytes) -> None:
    """Write a file of Python code. Python compares only size and second with its cache, so remove the file from it."""
    path.write_bytes(source)
    for cached in path.parent.glob(f"__pycache__/{path.stem}.*.pyc"):
        cached.unlink()


def _in_two(tests: Sequence[str]) -> list[list[str]]:
    """First the tests of a few files, which usually suffice: to collect the tests takes most of the time."""
    first = list(dict.fromkeys(map(file_of, tests)))[:2]
    parts = [test for test in tests if file_of(test) in first], [test for test in tests if file_of(test) not in first]
    return [part for part in parts if part]


def _select(mutant: Mutant) -> tuple[list[str], int]:
    """The tests that can notice a mutant, most likely first, as many as there is time for; and how many are left out.

    Code that runs at import is seen by all tests that import the file, others by those that call its function.
    """
    key = f"{mutant.file}:{mutant.function}"
    calls = set(_record["calls"].get(key, ()))
    tests = calls
    if mutant.function is None or key in _record["imported"]:
        tests = tests | {test for test in _record["seconds"] if mutant.file in _closure(file_of(test))}
    near = f"{UNITS}{mutant.file.rpartition('/')[0]}/"
    seconds = _record["seconds"]
    chosen: list[str] = []
    used, left_out = 0.0, 0
    for test in sorted(tests, key=lambda each: (each not in calls, not each.startswith(near), seconds[each])):
        if chosen and used + seconds[test] > _seconds:
            left_out += 1
        else:
            chosen.append(test)
            used += seconds[test]
    return chosen, left_out


@functools.cache
def _closure(file: str) -> set[str]:
    return closure([file])


def sentence(result: Result) -> str:
    mutant = result.mutant
    left_out = f", {result.left_out} slower ones not run" if result.left_out else ""
    pairs = enumerate(zip(mutant.original, mutant.mutated, strict=False))
    first = next((number for number, (one, other) in pairs if one != other), 0)
    lines = (f"  {sign} {_part(text, first)}" for sign, text in (("-", mutant.original), ("+", mutant.mutated)))
    return "\n".join([f"{mutant.file}:{mutant.line}: survived {result.tests} tests{left_out}", *lines])


def _part(text: str, middle: int, size: int = 100) -> str:
    """The part of a text around its middle, on one line."""
    start = max(0, min(middle - size // 2, len(text) - size))
    part = " ".join(text[start : start + size].split())
    return f"{'...' if start else ''}{part}{'...' if start + size < len(text) else ''}"


def report(results: Sequence[Result]) -> None:
    rooms = sorted({room(result.mutant.file) for result in results})
    print(f"\n{'room':16}{'made':>10}{CAUGHT:>10}{TIMED_OUT:>10}{SURVIVED:>10}")
    for name in [*rooms, "all"]:
        counts = collections.Counter(each.outcome for each in results if name in ("all", room(each.mutant.file)))
        numbers = [sum(counts.values()), counts[CAUGHT], counts[TIMED_OUT], counts[SURVIVED]]
        print(f"{name:16}" + "".join(f"{number:10}" for number in numbers))


if __name__ == "__main__":
    main(sys.argv[1:])
