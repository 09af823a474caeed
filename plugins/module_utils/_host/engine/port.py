# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The Docker engine as decisions and executors see it: its API, its version and its errors.

Adapters: ``unix_socket.py`` for an engine on the same host, ``sdk.py`` for others.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.support import (
    engine_refusal,
    info_refusal,
)

Json = t.Dict[str, t.Any]


#: The status of a request with invalid values.
INVALID = 400


class EngineError(FleetnetError):
    """The engine rejected a request or cannot be reached. ``status`` is the HTTP status; None without a response."""

    def __init__(self, message: str, status: int | None = None) -> None:
        self.status = status
        super().__init__(message)


class EngineVersion(t.NamedTuple):
    """An engine's release, comparable with plain tuples: ``version >= (28, 2)``."""

    major: int
    minor: int
    patch: int

    @classmethod
    def parse(cls, text: object) -> EngineVersion:
        """Parse ``28.5.2+dfsg3``, ``20.10.24`` or ``26.1``; ignores suffixes. Raises EngineError if invalid."""
        found = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?", str(text))
        if not found:
            raise EngineError(f"the engine reports version {text!r}, which is not of the form MAJOR.MINOR.PATCH")
        return cls(int(found[1]), int(found[2]), int(found[3] or 0))

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"


class Engine(t.Protocol):
    """The engine API. Request and response bodies are its own JSON."""

    @property
    def version(self) -> EngineVersion: ...

    def get(self, path: str, **query: str) -> t.Any:
        """GET ``path`` (``/networks/ID``); EngineError with ``status`` 404 where it does not exist."""

    def post(self, path: str, body: Json | None = None, **query: str) -> t.Any: ...

    def delete(self, path: str) -> None: ...


def supported_version(answer: object, docker_host: str) -> EngineVersion:
    """The version in an answer to GET ``/version``. Raises EngineError if the engine is not supported."""
    refusal = engine_refusal(answer) if isinstance(answer, dict) else None
    if refusal:
        raise EngineError(f"{docker_host}: {refusal}")
    return EngineVersion.parse(answer.get("Version") if isinstance(answer, dict) else answer)


def read_info(engine: Engine) -> Json:
    """GET ``/info``. Raises EngineError if the engine is not supported."""
    info: Json = engine.get("/info")
    refusal = info_refusal(info)
    if refusal:
        raise EngineError(refusal)
    return info
