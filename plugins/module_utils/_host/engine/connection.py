# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The Docker engine: the port that everything else uses. The adapter is in sdk.py."""

from __future__ import annotations

import os
import re
import typing as t

from ansible.module_utils.basic import env_fallback

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError

Json = t.Dict[str, t.Any]

DEFAULT_SOCKET = "unix:///var/run/docker.sock"


def _in_cert_folder(name: str) -> str:
    """The file ``name`` where Docker's own client looks for it; a fallback like ``env_fallback``."""
    return os.path.join(str(env_fallback("DOCKER_CERT_PATH")), name)


def engine_argument_spec() -> Json:
    """The connection options of modules that use the engine, with the names that community.docker uses."""
    return {
        "docker_host": {
            "type": "str",
            "default": DEFAULT_SOCKET,
            "fallback": (env_fallback, ["DOCKER_HOST"]),
            "aliases": ["docker_url"],
        },
        "tls": {"type": "bool", "default": False, "fallback": (env_fallback, ["DOCKER_TLS"])},
        "validate_certs": {
            "type": "bool",
            "default": False,
            "fallback": (env_fallback, ["DOCKER_TLS_VERIFY"]),
            "aliases": ["tls_verify"],
        },
        "tls_hostname": {"type": "str", "fallback": (env_fallback, ["DOCKER_TLS_HOSTNAME"])},
        "ca_path": {
            "type": "path",
            "fallback": (_in_cert_folder, ["ca.pem"]),
            "aliases": ["ca_cert", "tls_ca_cert", "cacert_path"],
        },
        "client_cert": {
            "type": "path",
            "fallback": (_in_cert_folder, ["cert.pem"]),
            "aliases": ["tls_client_cert", "cert_path"],
        },
        "client_key": {
            "type": "path",
            "fallback": (_in_cert_folder, ["key.pem"]),
            "aliases": ["tls_client_key", "key_path"],
        },
        "api_version": {
            "type": "str",
            "default": "auto",
            "fallback": (env_fallback, ["DOCKER_API_VERSION"]),
            "aliases": ["docker_api_version"],
        },
        "timeout": {"type": "int", "default": 60, "fallback": (env_fallback, ["DOCKER_TIMEOUT"])},
    }


class EngineError(FleetnetError):
    """The engine rejected a request or cannot be reached. ``status`` is the HTTP status, None without an answer."""

    def __init__(self, message: str, status: int | None = None) -> None:
        self.status = status
        super().__init__(message)


class EngineVersion(t.NamedTuple):
    """An engine's release, comparable with plain tuples: ``version >= (28, 2)``."""

    major: int
    minor: int
    patch: int

    @classmethod
    def parse(cls, text: str) -> EngineVersion:
        """Parse ``28.5.2+dfsg3``, ``20.10.24`` or ``26.1``; suffixes are ignored. Raises EngineError."""
        found = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?", text)
        if not found:
            raise EngineError(f"the engine's version: {text!r}: must have the form MAJOR.MINOR.PATCH")
        return cls(int(found[1]), int(found[2]), int(found[3] or 0))

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"


class Engine(t.Protocol):
    """The port. Payloads and answers are the engine API's own JSON."""

    @property
    def version(self) -> EngineVersion: ...

    def get(self, path: str, **query: str) -> t.Any:
        """GET ``path`` (``/networks/ID``). Raises EngineError with ``status`` 404 if it does not exist."""

    def post(self, path: str, body: Json | None = None, **query: str) -> t.Any: ...

    def delete(self, path: str) -> None: ...


def connect(params: Json) -> Engine:
    """Connect with a module's parameters (:func:`engine_argument_spec`). Raises EngineError that says what to do."""
    # Loading the SDK takes a third of a module's start, and not every run queries the engine.
    from ansible_collections.fleetnet.docker.plugins.module_utils._host.engine.sdk import connect_by_sdk

    return connect_by_sdk(params)
