# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Complete a step although the connection to the host breaks or the user stops the run."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import typing as t

_SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


@contextlib.contextmanager
def signals_held() -> t.Iterator[None]:
    """Delay signals that would end the process until the block ends."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set handlers
        return
    received: list[int] = []
    previous = {number: signal.signal(number, lambda caught, _frame: received.append(caught)) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
        for caught in received[:1]:
            os.kill(os.getpid(), caught)
