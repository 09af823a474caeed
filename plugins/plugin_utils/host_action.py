# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running a module on a host that may be compromised: of its answer only the documented part reaches Ansible."""

from __future__ import annotations

import contextlib
import json
import resource
import signal
import typing as t
from pathlib import Path

from ansible.errors import AnsibleConnectionFailure
from ansible.module_utils.json_utils import _filter_non_json_lines
from ansible.plugins.action import ActionBase

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.answer import (
    COMMON,
    documented_part,
    message_of,
    name_host,
    parsed_answer,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.report import (
    check_answer,
    checked_report,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.printable import (
    attributed,
    indented,
    printable,
    short,
)
from ansible_collections.fleetnet.docker.plugins.plugin_utils.return_documentation import documentation_of

Result = t.Dict[str, t.Any]

# Memory that the process of a task may use for a host's answer, in bytes. The process handles only this host. What is
# received takes less, and Ansible's time for it grows with the square of its size.
_TO_RECEIVE = 96 << 20
_TO_PARSE = 1 << 30
# A host that never answers, or that sends an answer without reading what it receives, would stop the run.
_LONGEST = 1800.0  # seconds


class HostAction(ActionBase):  # type: ignore[misc]
    """Runs the module of this collection with the name ``MODULE`` on a host."""

    _supports_check_mode = True
    # The answer of an asynchronous task arrives with async_status, which does not reduce it.
    _supports_async = False
    MODULE: t.ClassVar[str]
    #: Documented keys of the result that are not from the host.
    OWN_KEYS: t.ClassVar[t.Sequence[str]] = ()

    def run(self, tmp: str | None = None, task_vars: Result | None = None) -> Result:
        result: Result = super().run(tmp, task_vars)
        result.update(self.run_module(self._task.args, task_vars or {}))
        return result

    def run_module(self, arguments: Result, task_vars: Result) -> Result:
        """Run the module, and return the documented part of its answer, or a failure."""
        return self.answer_of(self.MODULE, arguments, task_vars)

    def answer_of(self, module: str, arguments: Result, task_vars: Result) -> Result:
        """Run a module, and return the documented part of its answer, or a failure."""
        self._module = module
        self._is_reduced = False  # a task with retries calls this again
        self._answering = str(self._task.delegate_to or task_vars.get("inventory_hostname"))
        try:
            with _limited_memory(_TO_PARSE), _limited_time(self._task.timeout):
                answer: Result = self._execute_module(f"fleetnet.docker.{self._module}", arguments, task_vars=task_vars)
            # Otherwise the answer is not JSON.
            return answer if self._is_reduced else self._unparsed(answer)
        except (MemoryError, RecursionError):
            reason = (
                f"the answer is deeply nested, needs more than {_TO_RECEIVE >> 20} MiB of memory to be received, or "
                f"{_TO_PARSE >> 20} MiB to be parsed. It is ignored."
            )
        except _NoAnswer:
            reason = (
                f"the host did not answer within {_LONGEST / 60:.0f} minutes. Check it, or go on without it: --limit "
                "'!HOST'. The keyword timeout of a task sets another time."
            )
        except AnsibleConnectionFailure as error:
            # What the host sent to the connection's program, such as a banner.
            raise AnsibleConnectionFailure(attributed(self._answering, printable(str(error), lines=True))) from None
        except FleetnetError as error:
            reason = str(error)
        return {"failed": True, "msg": f"{self._place}: {reason}"}

    @property
    def _place(self) -> str:
        return f"host {self._answering}: answer of module {self._module}"

    def _low_level_execute_command(self, *arguments: t.Any, **options: t.Any) -> Result:
        with _limited_memory(_TO_RECEIVE):
            result: Result = super()._low_level_execute_command(*arguments, **options)
        return result

    def _parse_returned_data(self, result: Result, *profile: t.Any) -> t.Any:
        """Parse what the module printed. Only the documented part of it reaches ansible-core, which interprets keys."""
        text, junk = result["stdout"], []
        try:
            text, junk = _filter_non_json_lines(text, objects_only=True)
            answer = parsed_answer(text)
        except ValueError:
            # A failure that says why. Text after the answer would become a warning without the host.
            shown = {**result, "stdout": text} if junk else result
            return super()._parse_returned_data(shown, *profile)
        documented = {key: each for key, each in documentation_of(self._module).items() if key not in self.OWN_KEYS}
        reduced = documented_part(answer, documented)
        check_answer(reduced.kept)
        # Ansible prints a warning without the host, and equal ones only once.
        given = [each for key in ("warnings", "deprecations") for each in reduced.kept.pop(key, None) or ()]
        warnings = [f"host {self._answering}: {message_of(each)}" for each in given]
        if reduced.warning:
            warnings.append(f"{self._place}: {reduced.warning}")
        if junk:
            after = "\n".join(result["stdout"].splitlines()).partition(text)[2].strip()
            warnings.append(f"{self._place}: {short(after)}: text after the answer is ignored.")
        try:
            checked_report(self._answering, reduced.kept.get("network_info") or {})
        except FleetnetError as error:
            warnings.append(str(error))
        if warnings:
            reduced.kept["warnings"] = warnings
        self._is_reduced = True
        kept = name_host(self._answering, reduced.kept)
        return super()._parse_returned_data({**result, "stdout": json.dumps(kept)}, *profile)

    def _unparsed(self, answer: Result) -> Result:
        """The failure of ansible-core for an answer that is not JSON. Its texts are from the host."""
        of_host = {key: value for key, value in answer.items() if key in COMMON}
        kept = documented_part(of_host, {}).kept
        for key in ("msg", "exception"):
            if isinstance(kept.get(key), str):
                kept[key] = indented(f"{self._place}: {kept[key]}")
        return {**answer, **kept, "failed": True}


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
