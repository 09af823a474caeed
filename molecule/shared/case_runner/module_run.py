# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run modules of Ansible, each run in a process of its own that is forked after the imports.

A module reads its arguments from standard input and prints its result, which every release of ansible-core supports
for modules without an argument on the command line.
"""

from __future__ import annotations

import importlib
import json
import os
import runpy
import signal
import sys
import tempfile
import traceback
import typing as t

Json = dict[str, t.Any]

# Seconds after which a run ends by SIGALRM: only a run that hangs takes as long, even on an overloaded machine.
LIMIT = 900


class Modules:
    """Modules of one collection."""

    def __init__(self, package: str, imports: t.Iterable[str] = ()) -> None:
        """``imports`` are modules that runs import late: they are imported once, here."""
        self._package = package
        self._prepared: set[str] = set()
        self._coverage = start_coverage()
        for name in imports:
            importlib.import_module(name)

    def run(self, module: str, options: Json, check_mode: bool = False) -> Json:
        """The result of a module with this name, which may include its collection."""
        return self.start(module, options, check_mode).result()

    def start(self, module: str, options: Json, check_mode: bool = False) -> Run:
        """Start a module."""
        name = f"{self._package}.{module.rpartition('.')[2]}"
        if name not in self._prepared:
            runpy.run_module(name, run_name="imports")  # what the module imports stays imported
            self._prepared.add(name)
        arguments = {
            **options,
            "_ansible_check_mode": check_mode,
            "_ansible_diff": True,
            "_ansible_module_name": module,
        }
        files = [tempfile.TemporaryFile() for _stream in range(3)]  # noqa: SIM115  # the run reads them when it ends
        files[0].write(json.dumps({"ANSIBLE_MODULE_ARGS": arguments}).encode())
        files[0].seek(0)
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid == 0:
            self._execute(name, [file.fileno() for file in files])
        files[0].close()
        return Run(pid, files[1], files[2])

    def _execute(self, name: str, descriptors: list[int]) -> t.NoReturn:
        """In the child: run the module and end."""
        status = 1
        try:
            for stream, descriptor in enumerate(descriptors):
                os.dup2(descriptor, stream)
            sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w")  # noqa: SIM115
            signal.alarm(LIMIT)
            sys.argv = [name]
            runpy.run_module(name, run_name="__main__", alter_sys=True)
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else int(end.code is not None)
        except BaseException:
            traceback.print_exc()
        finally:
            if self._coverage:
                self._coverage.stop()
                self._coverage.save()
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)


class Run:
    """A module that runs."""

    def __init__(self, pid: int, output: t.IO[bytes], errors: t.IO[bytes]) -> None:
        self._pid = pid
        self._output = output
        self._errors = errors

    def result(self) -> Json:
        """Wait for the end. A module without a result is a failure with ``signal`` or ``rc``, and its output."""
        status = os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])
        texts = []
        for file in (self._output, self._errors):
            file.seek(0)
            texts.append(file.read().decode(errors="replace"))
            file.close()
        try:
            result = json.loads(texts[0])
        except ValueError:
            result = None
        if isinstance(result, dict) and status in (0, 1):
            result["warnings"] = [_text(each) for each in result.get("warnings", [])]
            return result
        ended = {"signal": signal.Signals(-status).name} if status < 0 else {"rc": status}
        return {"failed": True, "msg": "the module printed no result", **ended, "stdout": texts[0], "stderr": texts[1]}


def _text(warning: t.Any) -> str:
    """The text of a warning, which is a record as of ansible-core 2.19."""
    return str(warning if isinstance(warning, str) else warning["event"]["msg"])


def start_coverage() -> t.Any:
    """Measure coverage if COVERAGE_PROCESS_START names a configuration and the host has the package ``coverage``."""
    if not os.environ.get("COVERAGE_PROCESS_START"):
        return None
    coverage = importlib.import_module("coverage")
    return coverage.process_startup() or coverage.Coverage.current()
