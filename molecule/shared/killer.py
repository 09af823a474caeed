# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kill a client of the engine at one of its changes. Runs on a host, with the standard library only.

``killer.py SOCKET NUMBER before|after`` takes the place of the engine's socket, passes requests on, and kills the
process that sends change number NUMBER (a POST or DELETE, counted from 0): before the engine receives the request, or
after it has answered. It then puts the engine's socket back and ends; also on SIGTERM.
"""

from __future__ import annotations

import http.client
import http.server
import os
import signal
import socket
import socketserver
import struct
import sys
import threading


class Killer(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True

    def __init__(self, path: str, number: int, after: bool) -> None:
        self.engine = f"{path}.engine"
        self._path = path
        self._number = number
        self._after = after
        self._changes = 0
        self._lock = threading.Lock()
        os.rename(path, self.engine)
        super().__init__(path, Forwarder)

    def change(self) -> bool:
        """Count a change; whether the client is killed at it."""
        with self._lock:
            number = self._changes
            self._changes += 1
            return number == self._number

    @property
    def after(self) -> bool:
        return self._after

    def kill(self, client: socket.socket) -> None:
        process, _user, _group = struct.unpack("3i", client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        os.kill(process, signal.SIGKILL)
        self.end()

    def end(self) -> None:
        os.rename(self.engine, self._path)
        sys.stdout.flush()
        os._exit(0)


class Forwarder(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Killer

    def forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        deadly = self.command != "GET" and self.server.change()
        if deadly and not self.server.after:
            self.server.kill(self.connection)
        engine = http.client.HTTPConnection("docker")
        engine.sock = socket.socket(socket.AF_UNIX)
        engine.sock.connect(self.server.engine)
        engine.request(self.command, self.path, body or None, dict(self.headers.items()))
        response = engine.getresponse()
        content = response.read()
        engine.close()
        if deadly:
            self.server.kill(self.connection)
        self.send_response_only(response.status)
        self.send_header("Content-Type", response.getheader("Content-Type") or "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_DELETE = do_HEAD = forward  # noqa: N815 (names of the base class)

    def address_string(self) -> str:
        return "client"

    def log_message(self, *_arguments: object) -> None:
        """Print nothing."""


def main() -> None:
    path, number, when = sys.argv[1:]
    killer = Killer(path, int(number), when == "after")
    signal.signal(signal.SIGTERM, lambda _signal, _frame: killer.end())
    print("ready", flush=True)
    killer.serve_forever()


if __name__ == "__main__":
    main()
