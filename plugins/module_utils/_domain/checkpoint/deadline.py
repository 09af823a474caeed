# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a host undoes a change that is not confirmed, and whose changes a checkpoint covers. Pure.

Times are in seconds since the boot of the host that ``boot`` identifies. After another boot they are invalid.
"""

from __future__ import annotations

import json
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.readable import UNEXPECTED_FORM


class Deadline(t.NamedTuple):
    """Of a checkpoint: the change began at ``armed``, and ``timeout`` seconds after its end the host undoes it.

    ``manual``: a user's play took it, in the run of ansible-playbook that ``run`` identifies.
    """

    id: str
    timeout: float
    armed: float
    boot: str
    run: str
    manual: bool


class Kernel(t.NamedTuple):
    """Values that a change may set. ``policies`` are those of the chain FORWARD, by program."""

    sysctls: t.Mapping[str, str]
    policies: t.Mapping[str, str]


class Progress(t.NamedTuple):
    """What followed a checkpoint: ``applied`` is when the change ended, ``kernel`` are the values then; None before.

    ``undo``: the undo must begin. ``asked``: a task asked for it, before the time was over.
    """

    applied: float | None = None
    kernel: Kernel | None = None
    undo: bool = False
    asked: bool = False


def parse_deadline(text: str) -> Deadline:
    """The deadline of a checkpoint's text (see checkpoint.py). Raises ValueError if the text is not one."""
    try:
        return Deadline(*json.loads(text)["deadline"])
    except UNEXPECTED_FORM as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error


def applied_text(applied: float, kernel: Kernel) -> str:
    """The end of a change as text, for :func:`parse_progress`."""
    return json.dumps({"applied": applied, **kernel._asdict()}) + "\n"


def request_text(deadline: Deadline, asked: bool) -> str:
    """A request for the undo as text, for :func:`parse_progress`."""
    return json.dumps({"id": deadline.id, "asked": asked}) + "\n"


def parse_progress(deadline: Deadline, applied: str | None, request: str | None) -> Progress:
    """The texts are None before the end of the change, and without a request. Damaged ones count as none.

    A request for another checkpoint counts as none, too.
    """
    progress = Progress()
    try:
        data: dict[str, t.Any] = json.loads(applied or "")
        kernel = Kernel(dict(data["sysctls"]), dict(data["policies"]))
        progress = progress._replace(applied=float(data["applied"]), kernel=kernel)
    except UNEXPECTED_FORM:
        pass
    try:
        data = json.loads(request or "")
        meant = data["id"] == deadline.id
        return progress._replace(undo=meant, asked=meant and bool(data["asked"]))
    except UNEXPECTED_FORM:
        return progress


def seconds_left(deadline: Deadline, progress: Progress, boot: str, now: float) -> float:
    """Seconds until the host undoes the change. Without the end of the change, they count from its begin."""
    if progress.undo or boot != deadline.boot:
        return 0.0
    began = deadline.armed if progress.applied is None else progress.applied
    return max(0.0, began + deadline.timeout - now)


def former_kernel(before: Kernel, after: Kernel | None, now: Kernel) -> Kernel:
    """The values that an undo sets: those before the change, but what another program set after its end stays.

    ``after`` are the values at the end of the change, None if they are unknown.
    """

    def former(name: str) -> dict[str, str]:
        saved, applied, present = ({} if each is None else getattr(each, name) for each in (before, after, now))
        return {
            key: value if key not in applied or present.get(key) == applied[key] else present.get(key, value)
            for key, value in saved.items()
        }

    return Kernel(former("sysctls"), former("policies"))


def is_of(deadline: Deadline, run: str) -> bool:
    """Whether the play of this run took the checkpoint: it covers the changes of this run until its time is over."""
    return deadline.manual and deadline.run == run
