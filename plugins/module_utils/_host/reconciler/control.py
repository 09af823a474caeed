# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The control socket of the reconciler, which only root can connect to, and its client."""

from __future__ import annotations

import contextlib
import os
import socket
import typing as t

_DONE = b"done\n"
_TIMEOUT = 30.0  # seconds


class NotRunning(Exception):
    """No reconciler answers."""


class Control:
    """The server. Each of ``commands`` returns an error or None."""

    def __init__(self, path: str, commands: t.Mapping[str, t.Callable[[], str | None]]) -> None:
        """Raises OSError if the socket cannot be created."""
        self._commands = commands
        self._path = path
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        mask = os.umask(0o177)
        try:
            self._socket.bind(path)
            self._socket.listen()
            self._number = os.stat(path).st_ino
        except OSError:
            self._socket.close()
            raise
        finally:
            os.umask(mask)

    def fileno(self) -> int:
        return self._socket.fileno()

    def reachable(self) -> bool:
        """Whether its path still leads to it."""
        try:
            return os.stat(self._path).st_ino == self._number
        except OSError:
            return False

    def close(self) -> None:
        self._socket.close()

    def answer(self) -> None:
        """Serve one client."""
        client, _address = self._socket.accept()
        with client, contextlib.suppress(OSError):
            client.settimeout(1)
            command = self._commands.get(client.recv(64).decode(errors="replace").strip())
            if command is not None:
                client.sendall((command() or "").encode() or _DONE)


def request(path: str, command: str) -> str | None:
    """Let the reconciler execute one of its commands; return the error. Raises NotRunning."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(_TIMEOUT)
        try:
            client.connect(path)
            client.sendall(f"{command}\n".encode())
            answer = b"".join(iter(lambda: client.recv(4096), b""))
        except OSError as error:
            raise NotRunning(str(error)) from error
    if not answer:
        raise NotRunning("it ended before it answered")
    return None if answer == _DONE else answer.decode(errors="replace")


def notify_systemd(text: str) -> None:
    """Report a state to systemd (sd_notify(3)), if it started this process."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
            client.sendto(text.encode(), "\0" + address[1:] if address.startswith("@") else address)
