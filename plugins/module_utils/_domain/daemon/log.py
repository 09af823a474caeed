# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lines of dockerd's log that explain why it did not start."""

from __future__ import annotations

import re
import typing as t

MOST_LINES = 4

_ERROR_LINE = re.compile(r"level=(error|fatal)|^failed to start|unable to configure|\bpanic:|^failed to |cannot ")
# systemd's messages about any unit, and those of a healthy daemon: neither contains a reason.
_NO_REASON = re.compile(
    r"level=(info|debug)|^\S+\.service: |^(Starting|Started|Stopping|Stopped|Failed to start|Triggering) "
)
_ERROR = re.compile(r'error="((?:[^"\\]|\\.)*)"')
_MESSAGE = re.compile(r'msg="((?:[^"\\]|\\.)*)"')


def failure_lines(log: t.Sequence[str]) -> list[str]:
    """Return at most MOST_LINES lines of ``log``: errors, or else the last lines, without duplicates, in order."""
    return errors_in(log) or _last([line for line in log if not _NO_REASON.search(line)]) or _last(log)


def errors_in(log: t.Sequence[str]) -> list[str]:
    """Return at most MOST_LINES lines of ``log`` that report errors."""
    return _last([line for line in log if _ERROR_LINE.search(line)])


def _last(lines: t.Sequence[str]) -> list[str]:
    unique: list[str] = []
    for line in lines:
        text = _text(line)
        if text and text not in unique:
            unique.append(text)
    return unique[-MOST_LINES:]


def _text(line: str) -> str:
    fields = [found[1].replace('\\"', '"').strip() for found in (_MESSAGE.search(line), _ERROR.search(line)) if found]
    return ": ".join(fields) if fields else line.strip()
