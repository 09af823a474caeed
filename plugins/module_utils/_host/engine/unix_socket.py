# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The adapter of the engine's port over its Unix socket, with the standard library only: for hosts without the SDK."""

from __future__ import annotations

import http.client
import json
import socket
import typing as t
import urllib.parse

from ansible_collections.fleetnet.docker.plugins.module_utils._host.engine.port import EngineError, EngineVersion, Json

_TIMEOUT = 60.0  # seconds


class SocketEngine:
    """The engine with its socket at ``path``. Raises EngineError if it does not answer."""

    def __init__(self, path: str, timeout: float = _TIMEOUT) -> None:
        self._path = path
        self._timeout = timeout
        answer = self.get("/version")
        self.version = EngineVersion.parse(answer.get("Version") if isinstance(answer, dict) else answer)

    def get(self, path: str, **query: str) -> t.Any:
        return self._request("GET", path, None, query)

    def post(self, path: str, body: Json | None = None, **query: str) -> t.Any:
        return self._request("POST", path, body, query)

    def delete(self, path: str) -> None:
        self._request("DELETE", path, None, {})

    def _request(self, method: str, path: str, body: Json | None, query: t.Mapping[str, str]) -> t.Any:
        connection = _Connection(self._path, self._timeout)
        target = f"{path}?{urllib.parse.urlencode(query)}" if query else path
        content = None if body is None else json.dumps(body)
        headers = {} if body is None else {"Content-Type": "application/json"}
        try:
            connection.request(method, target, content, headers)
            response = connection.getresponse()
            text = response.read().decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            raise EngineError(f"the Docker engine at unix://{self._path} does not answer: {error}") from error
        finally:
            connection.close()
        try:
            answer = json.loads(text) if text.strip() else None
        except ValueError:
            answer = None
        if response.status >= 400:
            raise EngineError(_message(answer) or f"HTTP status {response.status}: {text.strip()}", response.status)
        return answer


def _message(answer: t.Any) -> str | None:
    return str(answer["message"]).strip() if isinstance(answer, dict) and "message" in answer else None


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("docker", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)
