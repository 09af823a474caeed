# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The adapter of the engine's port over the Docker SDK for Python, for engines that are not reached over a Unix socket.

The SDK provides the transport (TCP with TLS, SSH), API version negotiation and error classes. Requests contain
the engine's own JSON, because the SDK's keyword arguments lack options of the API (``EnableIPv4``, ``GwPriority``,
``ConfigFrom``). A module run uses one connection.
"""

from __future__ import annotations

import contextlib
import sys
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.readable import Unreadable
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.support import SDK_NEEDS, sdk_hint
from ansible_collections.fleetnet.docker.plugins.module_utils._host.engine.port import (
    EngineError,
    Json,
    supported_version,
)

try:
    import docker
    import docker.errors
    import docker.tls
    from requests.adapters import HTTPAdapter
    from requests.exceptions import RequestException

    HAS_DOCKER = True
except ImportError:
    HAS_DOCKER = False


class SdkEngine:
    """The port's adapter over ``docker.APIClient``. Raises EngineError if the engine is not supported."""

    def __init__(self, client: t.Any, docker_host: str) -> None:
        self._client = client
        self._docker_host = docker_host
        self.version = supported_version(self.get("/version"), docker_host)

    def get(self, path: str, **query: str) -> t.Any:
        return self._request("GET", path, None, query)

    def post(self, path: str, body: Json | None = None, **query: str) -> t.Any:
        return self._request("POST", path, body, query)

    def delete(self, path: str) -> None:
        self._request("DELETE", path, None, {})

    def _request(self, method: str, path: str, body: Json | None, query: dict[str, str]) -> t.Any:
        url = f"{self._client.base_url}/v{self._client.api_version}{path}"
        try:
            answer = self._client.request(method, url, json=body, params=query, timeout=self._client.timeout)
        except RequestException as error:
            raise EngineError(f"the Docker engine at {self._docker_host} does not answer: {error}") from error
        if answer.status_code >= 400:
            raise EngineError(_error_text(answer), answer.status_code)
        try:
            return answer.json() if answer.content else None
        except ValueError as error:
            raise Unreadable(f"{path} of the Docker engine at {self._docker_host}", answer.text, error) from error


def _error_text(answer: t.Any) -> str:
    try:
        return str(answer.json()["message"]).strip()
    except (ValueError, KeyError, TypeError):
        return f"HTTP status {answer.status_code}: {answer.text.strip()}"


def connect_by_sdk(params: Json) -> SdkEngine:
    """Connect with a module's parameters (:func:`engine_argument_spec`). Raises EngineError that says what to do."""
    if not HAS_DOCKER:
        raise EngineError(
            f"the Docker SDK for Python is missing for {sys.executable} on the host. Install python3-docker "
            "(Debian, Ubuntu) or docker (PyPI), or set ansible_python_interpreter to a Python that has it."
        )
    docker_host = params["docker_host"]
    try:
        client = docker.APIClient(
            base_url=docker_host,
            version=params["api_version"],
            timeout=params["timeout"],
            tls=_tls(params),
            # the ssh program uses the keys, agents and known hosts of the user
            use_ssh_client=docker_host.startswith("ssh://"),
        )
        if params["api_version"] != "auto":
            client.version()  # the client has not sent a request yet
    except (docker.errors.DockerException, RequestException) as error:
        reason = sdk_hint(_versions()) or f"{error}. {_hint(params)}"
        raise EngineError(f"cannot reach the Docker engine at {docker_host}: {reason}") from error
    except TypeError as error:  # the SDK calls a newer library
        hint = sdk_hint(_versions())
        if hint is None:
            raise
        raise EngineError(f"cannot reach the Docker engine at {docker_host}: {hint}") from error
    return SdkEngine(client, docker_host)


def _versions() -> dict[str, str]:
    import importlib.metadata  # costs time, and only failed connections need it

    versions = {}
    for package in ("docker", *SDK_NEEDS):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[package] = importlib.metadata.version(package)
    return versions


def _hint(params: Json) -> str:
    if params["docker_host"].startswith("ssh:"):
        return (
            "Install paramiko (Debian: python3-paramiko), and check that ssh connects to that host without a password."
        )
    if _tls_wanted(params):
        return "Check that it listens there and trusts the CA of client_cert."
    return "Check whether it requires TLS (validate_certs, ca_path, client_cert, client_key)."


def _tls_wanted(params: Json) -> bool:
    return bool(params["tls"] or params["validate_certs"])


def _tls(params: Json) -> t.Any:
    if not _tls_wanted(params):
        return None
    pair = (params["client_cert"], params["client_key"])
    config = docker.tls.TLSConfig(
        client_cert=pair if all(pair) else None,
        ca_cert=params["ca_path"],
        verify=params["validate_certs"],
    )
    if params["tls_hostname"]:
        _expect_hostname(params["tls_hostname"], config)
    return config


def _expect_hostname(hostname: str, config: t.Any) -> None:
    """Require a certificate for ``hostname``. SDK 7 no longer has an option for that."""
    configure = config.configure_client

    def configure_client(client: t.Any) -> None:
        configure(client)
        adapter = HTTPAdapter()
        adapter.init_poolmanager(10, 10, assert_hostname=hostname)
        client.mount("https://", adapter)

    config.configure_client = configure_client
