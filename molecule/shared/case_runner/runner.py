# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run cases on the host itself and print one line per case."""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
import time
import traceback
import typing as t

from case import Answers, Case, Group, compare
from module_run import LIMIT, Json, Modules


def shell(script: str) -> tuple[int, str]:
    """The exit status of a script, and its output and error output. -1 if it exceeds the limit."""
    # A file, not a pipe: what the script leaves running may keep it open.
    with tempfile.TemporaryFile() as output:
        try:
            status = subprocess.run(
                ["/bin/sh", "-c", script],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=LIMIT,
                check=False,
            ).returncode
        except subprocess.TimeoutExpired:
            status = -1
        output.seek(0)
        return status, output.read().decode(errors="replace").strip()


def run_case(modules: Modules, module: str, case: Case) -> tuple[list[str], Json]:
    """The problems of a case, and the module's answers."""
    problems = _script("before", case.before)
    if problems:
        return problems, {}
    if case.interrupted:
        problems += _interrupt(modules, module, case.interrupted)
    predicted = modules.run(module, case.options, check_mode=True) if case.predict else None
    done = modules.run(module, case.options)
    again = None if done.get("failed") else modules.run(module, case.options)
    problems += compare(case, Answers(predicted, done, again))
    for command, pattern in case.seen.items():
        _status, output = shell(command)
        if not re.search(pattern, output):
            problems.append(f"seen: {command}: expected {pattern!r}, got {output!r}")
    problems += _script("after", case.after)
    return problems, {"predicted": predicted, "done": done, "again": again}


def _interrupt(modules: Modules, module: str, interrupted: Json) -> list[str]:
    """Start a run that the script ``during`` kills."""
    run = modules.start(module, interrupted["options"])
    problems = _script("during", interrupted["during"])
    killed = run.result()
    if killed.get("signal") != "SIGKILL":
        problems.append(f"the run was not killed: {killed}")
    return problems


def _script(name: str, text: str) -> list[str]:
    if not text:
        return []
    status, output = shell(f"set -eu\n{text}")
    return [f"{name}: exit status {status}: {output}"] if status else []


def run(modules: Modules, groups: t.Iterable[Group], first: str, report: t.Callable[[str], None]) -> bool:
    """Run the cases from the first one whose name matches; whether there is one and all passed."""
    passed = failed = 0
    started = time.monotonic()
    for module, case in [(group.module, case) for group in groups for case in group.cases]:
        if not passed + failed and not re.search(first, case.name):
            continue
        if case.left_out:
            report(f"LEFT OUT        {module}: {case.name}: {case.left_out}")
            continue
        began = time.monotonic()
        try:
            problems, answers = run_case(modules, module, case)
        except Exception:
            problems, answers = [traceback.format_exc()], {}
        word = "FAILED" if problems else "passed"
        report(f"{word} {time.monotonic() - began:6.2f} s  {module}: {case.name}")
        if problems:
            failed += 1
            report("\n".join(f"    {problem}" for problem in problems))
            report(json.dumps({"case": case.__dict__, "answers": answers}, indent=2))
        else:
            passed += 1
    report(f"{passed + failed} cases: {passed} passed, {failed} failed in {time.monotonic() - started:.1f} s")
    return passed > 0 and not failed
