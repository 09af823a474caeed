# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The Docker engine: the port that decisions and executors use, and its adapter over the Docker SDK for Python.

The SDK gives the transport (unix, TCP with TLS, SSH), API version negotiation and error classes; requests carry the
engine's own JSON, since the SDK's keyword arguments lag behind the API (``EnableIPv4``, ``GwPriority``,
``ConfigFrom``). One connection a module run.
"""

from __future__ import annotations

import os
import re
import sys
import typing as t

from ansible.module_utils.basic import env_fallback

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError

try:
    import docker
    import docker.errors
    import docker.tls
    from requests.adapters import HTTPAdapter
    from requests.exceptions import RequestException

    HAS_DOCKER = True
except ImportError:
    HAS_DOCKER = False

Json = t.Dict[str, t.Any]

DEFAULT_SOCKET = "unix:///var/run/docker.sock"


def _in_cert_folder(name: str) -> str:
    """The file ``name`` where Docker's own client looks for it: a fallback, as ``env_fallback`` is one."""
    return os.path.join(str(env_fallback("DOCKER_CERT_PATH")), name)


def engine_argument_spec() -> Json:
    """The connection options of every module that talks to an engine, named as community.docker names them."""
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
    """The engine refused a request, or cannot be reached. ``status`` is the HTTP status, None without an answer."""

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
        """``28.5.2+dfsg3`` or ``20.10.24`` or ``26.1`` to numbers; suffixes do not matter to us."""
        found = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?", text)
        if not found:
            raise EngineError(f"the engine reports version {text!r}, which is not of the form MAJOR.MINOR.PATCH")
        return cls(int(found[1]), int(found[2]), int(found[3] or 0))

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"


class Engine(t.Protocol):
    """The port. Payloads and answers are the engine API's own JSON."""

    @property
    def version(self) -> EngineVersion: ...

    def get(self, path: str, **query: str) -> t.Any:
        """GET ``path`` (``/networks/ID``); EngineError with ``status`` 404 where it does not exist."""

    def post(self, path: str, body: Json | None = None, **query: str) -> t.Any: ...

    def delete(self, path: str) -> None: ...


class SdkEngine:
    """The port's adapter over ``docker.APIClient``."""

    def __init__(self, client: t.Any, docker_host: str) -> None:
        self._client = client
        self._docker_host = docker_host
        self._version: EngineVersion | None = None

    @property
    def version(self) -> EngineVersion:
        if self._version is None:
            self._version = EngineVersion.parse(self.get("/version")["Version"])
        return self._version

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
        return answer.json() if answer.content else None


def _error_text(answer: t.Any) -> str:
    try:
        return str(answer.json()["message"]).strip()
    except (ValueError, KeyError, TypeError):
        return f"HTTP status {answer.status_code}: {answer.text.strip()}"


def connect(params: Json) -> SdkEngine:
    """Connect with a module's parameters (:func:`engine_argument_spec`); failures are one line that says what to do."""
    if not HAS_DOCKER:
        raise EngineError(
            f"the Docker SDK for Python is missing from the host's {sys.executable}: install python3-docker "
            "(Debian, Ubuntu) or docker (PyPI), or set ansible_python_interpreter to a Python that has it"
        )
    docker_host = params["docker_host"]
    try:
        client = docker.APIClient(
            base_url=docker_host,
            version=params["api_version"],
            timeout=params["timeout"],
            tls=_tls(params),
            # the system's ssh knows its user's keys, agents and known hosts, and needs no paramiko beside the SDK
            use_ssh_client=docker_host.startswith("ssh://"),
        )
        client.version()  # with a fixed api_version nothing has been asked yet
    except (docker.errors.DockerException, RequestException) as error:
        raise EngineError(f"cannot reach the Docker engine at {docker_host}: {error}; {_hint(params)}") from error
    return SdkEngine(client, docker_host)


def _hint(params: Json) -> str:
    if params["docker_host"].startswith("ssh:"):
        return "is paramiko here (Debian: python3-paramiko), and does ssh to that host work without a password?"
    if not params["docker_host"].startswith("tcp:"):
        return "is it running (systemctl status docker)?"
    if _tls_wanted(params):
        return "does it listen there, and does it know the authority of client_cert?"
    return "does it want TLS (validate_certs, ca_path, client_cert, client_key)?"


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
        _expect(params["tls_hostname"], config)
    return config


def _expect(hostname: str, config: t.Any) -> None:
    """Let the engine's certificate be one for ``hostname``: SDK 7 has no option for that any more."""
    configure = config.configure_client

    def configure_client(client: t.Any) -> None:
        configure(client)
        adapter = HTTPAdapter()
        adapter.init_poolmanager(10, 10, assert_hostname=hostname)
        client.mount("https://", adapter)

    config.configure_client = configure_client
