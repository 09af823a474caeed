# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A second process that keeps the tables if the first one is killed.

Without ``persist`` the kernel removes a table when the socket of its owner is closed. The second process shares this
socket. It uses it only when the next reconciler starts, to give the tables up.
"""

from __future__ import annotations

import contextlib
import os
import signal
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._host.reconciler.control import (
    Control,
    NotRunning,
    request,
)


class Standby:
    """The second process, a copy of this one. ``release`` gives the tables up and returns the error, or None."""

    def __init__(self, path: str, release: t.Callable[[], str | None], descriptors: t.Iterable[int]) -> None:
        """``path`` is that of its control socket; it closes ``descriptors``."""
        self._process = os.fork()
        if self._process == 0:
            status = 1
            try:
                _keep(path, release, descriptors)
                status = 0
            finally:
                os._exit(status)

    def runs(self) -> bool:
        """Whether it runs. Must not be called after it returned false."""
        return os.waitpid(self._process, os.WNOHANG) == (0, 0)

    def end(self) -> None:
        """End it. The tables must have been given up."""
        os.kill(self._process, signal.SIGKILL)
        os.waitpid(self._process, 0)


def _keep(path: str, release: t.Callable[[], str | None], descriptors: t.Iterable[int]) -> None:
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for descriptor in descriptors:
        os.close(descriptor)
    released = False

    def give_up() -> str | None:
        nonlocal released
        error = release()
        released = error is None
        return error

    control = Control(path, {"release": give_up})
    while not released:
        control.answer()


def release_standby(path: str) -> None:
    """Let the second process of a killed reconciler, if there is one, give the tables up."""
    with contextlib.suppress(NotRunning):
        request(path, "release")
