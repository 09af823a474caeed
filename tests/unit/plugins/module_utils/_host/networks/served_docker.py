# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The engine in memory behind a Unix socket, for code that has no other connection to an engine."""

from __future__ import annotations

import contextlib
import http.server
import json
import pathlib
import socketserver
import threading
import typing as t
import urllib.parse

from ansible_collections.fleetnet.docker.plugins.module_utils._host.engine.port import EngineError

from .fake_docker import FakeDocker


class ServedDocker(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True

    def __init__(self, docker: FakeDocker, path: pathlib.Path) -> None:
        self.docker = docker
        super().__init__(str(path), _Handler)


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        url = urllib.parse.urlsplit(self.path)
        docker = self._docker
        if url.path == "/events":
            self.send_response(200)
            self.end_headers()
            threading.Event().wait()  # no event arrives
        elif url.path == "/version":
            self._answer(lambda: {"Version": str(docker.version)})
        else:
            query = dict(urllib.parse.parse_qsl(url.query))
            self._answer(lambda: docker.get(url.path, **query))

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self._answer(lambda: self._docker.post(self.path, body))

    def do_DELETE(self) -> None:
        self._answer(lambda: self._docker.delete(self.path))

    @property
    def _docker(self) -> FakeDocker:
        return t.cast("ServedDocker", self.server).docker

    def _answer(self, action: t.Callable[[], t.Any]) -> None:
        status = 200
        try:
            answer = action()
        except EngineError as error:
            status, answer = error.status or 500, {"message": str(error)}
        text = b"" if answer is None else json.dumps(answer).encode()
        self.send_response(status if text else 204)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_arguments: t.Any) -> None:
        """Print nothing."""

    def address_string(self) -> str:
        return "client"


@contextlib.contextmanager
def served(docker: FakeDocker, path: pathlib.Path) -> t.Iterator[None]:
    with ServedDocker(docker, path) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield
        finally:
            server.shutdown()
