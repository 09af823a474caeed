# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a part is checked next. Pure: time comes as an argument, in seconds of a monotonic clock.

A message of the kernel starts a check shortly after, so that the messages of one change start one check. If another
program undoes each repair, the checks that messages start become rarer.
"""

from __future__ import annotations

# The messages of one change arrive within this time.
SETTLE = 0.03
# Checks without a message. Each costs some 50 ms of a core.
POLL = 300.0
# A check that failed is repeated.
RETRY = 1.0
# A part that was repaired more often than _FREE times within _WINDOW is repaired again only after a pause, which
# doubles each time up to LONGEST_PAUSE. When firewalld reloads, engines write their rules one by one, and undo several
# repairs.
_WINDOW = 60.0
_FREE = 20
LONGEST_PAUSE = 30.0
_NEVER = float("inf")


# A second process that ends sooner than this after its start has failed.
_STABLE = 60.0


class Attempts:
    """When something that fails is tried next: at once after the first failure, then after pauses that double."""

    def __init__(self) -> None:
        self.due = 0.0
        self._failures = 0

    def failed(self, now: float, lasted: float = 0.0) -> None:
        """An attempt failed, after it had ``lasted`` for seconds."""
        self._failures = 0 if lasted >= _STABLE else self._failures + 1
        self.due = now + (min(LONGEST_PAUSE, 2.0 ** (self._failures - 2)) if self._failures > 1 else 0.0)


class Schedule:
    """The schedule of one part."""

    def __init__(self, now: float) -> None:
        self.due = now + SETTLE
        self.repairs = 0
        self._recent: list[float] = []
        self._not_before = now

    def started(self) -> None:
        """A check started. A change from now on may come too late for it."""
        self.due = _NEVER

    def changed(self, now: float) -> None:
        """A message of the kernel concerns the part."""
        self.due = min(self.due, max(now + SETTLE, self._not_before))

    def checked(self, now: float, *, repaired: bool, failed: bool = False) -> None:
        """A check ended: it repaired something, or it failed and is repeated."""
        self._recent = [when for when in self._recent if when > now - _WINDOW]
        if repaired or failed:
            self._recent.append(now)
        self.repairs += repaired
        self._not_before = now + self.pause
        self.due = max(min(self.due, now + (RETRY if failed else POLL)), self._not_before)

    @property
    def pause(self) -> float:
        """Seconds until the next check can start. 0 unless another program undoes the repairs, or checks fail."""
        more = len(self._recent) - _FREE
        return min(LONGEST_PAUSE, 2.0**more) if more > 0 else 0.0
