# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The engine's API over its Unix socket, without waiting. Only what the reconciler reads."""

from __future__ import annotations

import json
import os
import socket
import typing as t

_FILTERS = '{"type":["container","network"],"event":["start","die","connect","disconnect"]}'
_EVENTS = "/events?filters=" + _FILTERS.replace('"', "%22").replace("{", "%7B").replace("}", "%7D")
CONTAINERS = "/containers/json"
NETWORKS = "/networks"

_BUFFER = 65536


class EngineUnreachable(Exception):
    """The engine does not run, or closed the connection."""


def engine_runs(pid_file: str) -> bool:
    """Whether the engine runs. Connecting to the socket of a stopped engine would start it (docker.socket).

    dockerd's option ``pidfile`` may name another file. Then its process is found by its name, in the same network
    namespace.
    """
    try:
        with open(pid_file, encoding="ascii") as file:
            os.kill(int(file.read()), 0)
    except (OSError, ValueError):
        return any(_is_engine(process) for process in os.listdir("/proc") if process.isdigit())
    return True


def _is_engine(process: str) -> bool:
    try:
        with open(f"/proc/{process}/comm", encoding="utf-8", errors="replace") as file:
            if file.read().strip() != "dockerd":
                return False
        return os.readlink(f"/proc/{process}/ns/net") == os.readlink("/proc/self/ns/net")
    except OSError:
        return False


def events_since(seconds: float) -> str:
    """The request for the events since a time, in seconds since the epoch, and from then on.

    The engine subscribes after it has accepted the request. Without a time, a change before that and after the first
    lists would have no event.
    """
    return f"{_EVENTS}&since={int(seconds)}"


class Response:
    """A response that arrives in pieces."""

    def __init__(self, path: str, request: str) -> None:
        """Connect and send the request. Raises EngineUnreachable."""
        try:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        except OSError as error:  # too many open files
            raise EngineUnreachable(str(error)) from error
        self._data = b""
        self.complete = False
        try:
            self._socket.connect(path)
            # With this version of HTTP, the end of the response is the end of the connection.
            self._socket.sendall(f"GET {request} HTTP/1.0\r\nHost: docker\r\n\r\n".encode("ascii"))
        except OSError as error:
            self._socket.close()
            raise EngineUnreachable(str(error)) from error
        self._socket.setblocking(False)

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()

    def receive(self) -> int:
        """Read what arrived; return its length. ``complete`` is set at the end of the response."""
        try:
            piece = self._socket.recv(_BUFFER)
        except BlockingIOError:
            return 0
        except OSError:
            piece = b""
        self.complete = not piece
        self._data += piece
        return len(piece)

    def forget(self) -> None:
        """Forget what was read."""
        self._data = b""

    def parsed(self) -> t.Any:
        """The body of a complete response. Raises EngineUnreachable if it is not a success with JSON."""
        head, _separator, body = self._data.partition(b"\r\n\r\n")
        status = head.split(b"\r\n", 1)[0].split(b" ")
        if len(status) < 2 or status[1] != b"200":
            raise EngineUnreachable(head.split(b"\r\n", 1)[0].decode(errors="replace") or "no response")
        try:
            return json.loads(body)
        except ValueError as error:
            raise EngineUnreachable(str(error)) from error
