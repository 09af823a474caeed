# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The state of a local engine's socket after a failed connection, read without the SDK."""

from __future__ import annotations

import glob
import grp
import os
import socket

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.support import SocketState
from ansible_collections.fleetnet.docker.plugins.module_utils._host.privilege import user_name

SECONDS = 5.0
_ROOTLESS = ("/run/user/*/docker.sock",)
_PODMAN = ("/run/podman/podman.sock", "/run/user/*/podman/podman.sock")


def read_socket_state(path: str) -> SocketState:
    """Connect to the socket at ``path`` and close the connection."""
    return SocketState(
        path, _connection_code(path), user_name(), _group(path), _existing(_ROOTLESS), _existing(_PODMAN)
    )


def _connection_code(path: str) -> int:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(SECONDS)
        try:
            client.connect(path)
        except OSError as error:
            return error.errno or 0
    return 0


def _group(path: str) -> str:
    try:
        return grp.getgrgid(os.stat(path).st_gid).gr_name
    except (OSError, KeyError):
        return "docker"


def _existing(patterns: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(path for pattern in patterns for path in sorted(glob.glob(pattern)))
