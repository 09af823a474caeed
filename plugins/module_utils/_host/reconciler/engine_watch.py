# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Follow the engine: read the lists of containers and networks after each change."""

from __future__ import annotations

import selectors
import time
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.reconciler.endpoints import Json
from ansible_collections.fleetnet.docker.plugins.module_utils._host.reconciler.engine_responses import (
    CONTAINERS,
    NETWORKS,
    EngineUnreachable,
    Response,
    engine_runs,
    events_since,
)

# In seconds: how often a stopped engine is looked for, after messages of the kernel and without them, how long the
# events of one container take to arrive, and the timeout of an answer.
_LOOK, _RETRY = 0.2, 5.0
_SETTLE = 0.05
_TIMEOUT = 60.0
_NEVER = float("inf")


class EngineWatch:
    """``due`` is when :meth:`turn` must be called next. ``found`` receives the lists of containers and networks, and
    returns whether it used them; otherwise they are read again.

    ``path`` is that of the engine's socket, ``pid_file`` exists while the engine runs.
    """

    def __init__(
        self,
        path: str,
        pid_file: str,
        selector: selectors.BaseSelector,
        found: t.Callable[[t.Sequence[Json], t.Sequence[Json]], bool],
    ) -> None:
        self.due = 0.0
        self._path = path
        self._pid_file = pid_file
        self._selector = selector
        self._found = found
        self._events: Response | None = None
        self._answer: Response | None = None
        self._lists: dict[str, t.Any] = {}
        self._changed = False
        # when the engine was last looked for, and did not run or accepted no connection
        self._stopped: float | None = None

    def look(self, now: float) -> None:
        """Something changed on the host: a stopped engine may have started. It starts containers before it answers."""
        if self._stopped is not None:
            self.due = min(self.due, max(now, self._stopped + _LOOK))

    def turn(self, now: float) -> None:
        """Connect to the engine if it runs, and read its lists."""
        if now < self.due:
            return
        if self._answer is not None:  # it took too long
            self._disconnect()
        try:
            if self._events is None:
                if not engine_runs(self._pid_file):
                    self._stopped = now
                    self.due = now + _RETRY
                    return
                self._stopped = None
                self._events = self._request(events_since(time.time()), self._receive_event)
            self._changed = False
            self._lists = {}
            self._read(NETWORKS)
        except EngineUnreachable:
            self._disconnect()
            self._stopped = now

    def _receive_event(self) -> None:
        if self._events is None:
            return
        self._events.receive()
        self._events.forget()
        if self._events.complete:
            self._disconnect()
            return
        self._changed = True
        if self._answer is None:
            self.due = time.monotonic() + _SETTLE

    def _read(self, request: str) -> None:
        """Raises EngineUnreachable."""
        self._answer = self._request(request, lambda: self._receive_list(request))
        self.due = time.monotonic() + _TIMEOUT

    def _receive_list(self, request: str) -> None:
        answer = self._answer
        if answer is None:
            return
        answer.receive()
        if not answer.complete:
            return
        self._close(answer)
        self._answer = None
        try:
            self._lists[request] = answer.parsed()
            if request == NETWORKS:
                self._read(CONTAINERS)
                return
            used = self._found(self._lists[CONTAINERS], self._lists[NETWORKS])
        except (EngineUnreachable, AttributeError, KeyError, TypeError, ValueError):
            self._disconnect()
            return
        self.due = _NEVER if used else time.monotonic() + _RETRY
        if self._changed:
            self.due = time.monotonic() + _SETTLE

    def _request(self, request: str, receive: t.Callable[[], None]) -> Response:
        response = Response(self._path, request)
        self._selector.register(response, selectors.EVENT_READ, receive)
        return response

    def _disconnect(self) -> None:
        """Containers go on without the engine, so that the elements stay."""
        for response in (self._events, self._answer):
            if response is not None:
                self._close(response)
        self._events = self._answer = None
        self.due = time.monotonic() + _RETRY

    def _close(self, response: Response) -> None:
        self._selector.unregister(response)
        response.close()
