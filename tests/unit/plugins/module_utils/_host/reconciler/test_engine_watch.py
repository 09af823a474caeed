# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When the engine is looked for."""

from __future__ import annotations

import os
import pathlib
import selectors
import time

from ansible_collections.fleetnet.docker.plugins.module_utils._host.reconciler.engine_watch import EngineWatch


def test_an_engine_that_accepts_no_connection_yet_is_looked_for_after_messages_of_the_kernel(
    tmp_path: pathlib.Path,
) -> None:
    """dockerd writes its file before it listens."""
    pid_file = tmp_path / "docker.pid"
    pid_file.write_text(str(os.getpid()))
    with selectors.DefaultSelector() as selector:
        watch = EngineWatch(str(tmp_path / "docker.sock"), str(pid_file), selector, lambda _containers, _networks: True)
        now = time.monotonic()
        watch.turn(now)
        assert watch.due >= now + 5
        watch.look(now + 0.05)
        assert watch.due == now + 0.2
        watch.look(now + 1)
        assert watch.due == now + 0.2
        watch.turn(now + 1)
        watch.look(now + 3)
        assert watch.due == now + 3
