# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running a module on a host that may be compromised: of its answer only the documented part reaches Ansible."""

from __future__ import annotations

import contextlib
import resource
import signal
import typing as t
from pathlib import Path

from ansible.plugins.action import ActionBase

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.answer import documented_part
from ansible_collections.fleetnet.docker.plugins.plugin_utils.return_documentation import documentation_of

Result = t.Dict[str, t.Any]

# Memory that the process of a task may use for a host's answer, in bytes. The process handles only this host. What is
# received takes less, and Ansible's time for it grows with the square of its size.
_TO_RECEIVE = 96 << 20
_TO_PARSE = 1 << 30
# A host that never answers, or that sends an answer without reading what it receives, would stop the run.
_LONGEST = 1800.0  # seconds
_INTERNAL = "_ansible_"  # ansible-core removes such keys of the host, and adds its own


class HostAction(ActionBase):  # type: ignore[misc]
    """Runs the module of this collection with the name ``MODULE`` on a host."""

    _supports_check_mode = True
    # The answer of an asynchronous task arrives with async_status, which does not reduce it.
    _supports_async = False
    MODULE: t.ClassVar[str]

    def run(self, tmp: str | None = None, task_vars: Result | None = None) -> Result:
        result: Result = super().run(tmp, task_vars)
        result.update(self.run_module(self._task.args, task_vars or {}))
        return result

    def run_module(self, arguments: Result, task_vars: Result) -> Result:
        """Run the module, and return the documented part of its answer, or a failure."""
        try:
            with _limited_memory(_TO_PARSE), _limited_time(self._task.timeout):
                answer = self._execute_module(f"fleetnet.docker.{self.MODULE}", arguments, task_vars=task_vars)
            return self._reduced(answer)
        except (MemoryError, RecursionError):
            reason = (
                f"the answer is deeply nested, needs more than {_TO_RECEIVE >> 20} MiB of memory to be received, or "
                f"{_TO_PARSE >> 20} MiB to be parsed. It is ignored."
            )
            return {"failed": True, "msg": reason}
        except _NoAnswer:
            reason = (
                f"the host did not answer within {_LONGEST / 60:.0f} minutes. Check it, or go on without it: --limit "
                "'!HOST'. The keyword timeout of a task sets another time."
            )
            return {"failed": True, "msg": f"answer of module {self.MODULE}: {reason}"}
        except FleetnetError as error:
            return {"failed": True, "msg": f"answer of module {self.MODULE}: {error}"}

    def _low_level_execute_command(self, *arguments: t.Any, **options: t.Any) -> Result:
        with _limited_memory(_TO_RECEIVE):
            result: Result = super()._low_level_execute_command(*arguments, **options)
        return result

    def _reduced(self, answer: Result) -> Result:
        facts = (
            {}
            if self._discovered_interpreter_key is None
            else {self._discovered_interpreter_key: self._discovered_interpreter}
        )
        internal = {key: value for key, value in answer.items() if key.startswith(_INTERNAL)}
        of_host = {key: value for key, value in answer.items() if key not in internal}
        if of_host.get("ansible_facts") == facts:
            del of_host["ansible_facts"]
        reduced = documented_part(of_host, documentation_of(self.MODULE))
        if reduced.warning:
            reduced.kept["warnings"] = [*(reduced.kept.get("warnings") or ()), reduced.warning]
        if facts:
            reduced.kept["ansible_facts"] = facts
        return {**reduced.kept, **internal}


class _NoAnswer(BaseException):
    """The time is over. Connection plugins catch every Exception, and try again."""


@contextlib.contextmanager
def _limited_time(of_task: int | None) -> t.Iterator[None]:
    """Raise _NoAnswer in this process after ``_LONGEST``. A task with a time limit of its own (seconds) is ended by it.

    Both use the one alarm that a process has.
    """
    if of_task:
        yield
        return

    def end(_signal: int, _frame: t.Any) -> None:
        raise _NoAnswer

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, _LONGEST)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextlib.contextmanager
def _limited_memory(size: int) -> t.Iterator[None]:
    """Limit the memory of this process, which Ansible starts for each task of each host, to ``size`` more bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    used = _used_memory()
    limit = used + size if used else resource.RLIM_INFINITY
    if used and hard not in (resource.RLIM_INFINITY, -1):
        limit = min(limit, hard)
    if used and (soft in (resource.RLIM_INFINITY, -1) or limit < soft):
        resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _used_memory() -> int | None:
    """The process's address space in bytes. None if /proc does not report it; the process is then not limited."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    except (OSError, ValueError):
        return None
    return pages * resource.getpagesize()
