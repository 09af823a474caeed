# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Connections to an engine: what they request, why they fail, and TLS options with defaults from the environment."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import pathlib
import socket
import threading
import types
import typing as t

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.common.parameters import set_fallbacks

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.readable import Unreadable
from ansible_collections.fleetnet.docker.plugins.module_utils._host.engine import connection as engine
from ansible_collections.fleetnet.docker.plugins.module_utils._host.engine import sdk as sdk_engine
from ansible_collections.fleetnet.docker.plugins.module_utils._host.engine.port import EngineError, read_info
from ansible_collections.fleetnet.docker.plugins.module_utils._host.engine.socket_state import read_socket_state

Json = dict[str, t.Any]


class TlsConfig:
    """The SDK's class of this name."""

    def __init__(self, **options: t.Any) -> None:
        self.options = options

    def configure_client(self, client: Client) -> None:
        client.mounted["https://"] = self


class Client:
    """The SDK's client, which is a session of requests."""

    def __init__(self) -> None:
        self.mounted: Json = {}

    def mount(self, prefix: str, adapter: t.Any) -> None:
        self.mounted[prefix] = adapter


class Adapter:
    """The HTTP adapter of requests."""

    def init_poolmanager(self, *sizes: int, **options: t.Any) -> None:
        self.sizes = sizes
        self.options = options


class DockerException(Exception):
    """The SDK's error of this name."""


Connect = t.Callable[..., str]


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Connect:
    """``connect(error, docker_host=...)``: the message if the SDK's client raises ``error``."""

    def run(error: Exception, **given: t.Any) -> str:
        def fail(**_options: t.Any) -> t.NoReturn:
            raise error

        monkeypatch.setattr(sdk_engine.docker, "APIClient", fail, raising=False)
        with pytest.raises(EngineError) as raised:
            sdk_engine.connect_by_sdk(parameters(**given))
        return str(raised.value)

    return run


@pytest.fixture(autouse=True)
def sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = types.SimpleNamespace(
        tls=types.SimpleNamespace(TLSConfig=TlsConfig), errors=types.SimpleNamespace(DockerException=DockerException)
    )
    monkeypatch.setattr(sdk_engine, "HAS_DOCKER", True)
    monkeypatch.setattr(sdk_engine, "RequestException", DockerException, raising=False)
    monkeypatch.setattr(sdk_engine, "docker", fake, raising=False)
    monkeypatch.setattr(sdk_engine, "HTTPAdapter", Adapter, raising=False)
    for name in ("HOST", "TLS", "TLS_VERIFY", "TLS_HOSTNAME", "CERT_PATH", "API_VERSION", "TIMEOUT"):
        monkeypatch.delenv(f"DOCKER_{name}", raising=False)


def parameters(**given: t.Any) -> Json:
    """The parameters as AnsibleModule creates them."""
    spec = engine.engine_argument_spec()
    set_fallbacks(spec, given)
    validated = ArgumentSpecValidator(spec).validate(given)
    assert not validated.error_messages
    return dict(validated.validated_parameters)


def test_certificate_files_alone_do_not_enable_tls() -> None:
    assert sdk_engine._tls(parameters(ca_path="/ca.pem")) is None


def test_options_reach_the_sdk() -> None:
    config = sdk_engine._tls(parameters(validate_certs=True, ca_path="/a", client_cert="/b", client_key="/c"))
    assert config.options == {"client_cert": ("/b", "/c"), "ca_cert": "/a", "verify": True}


def test_defaults_from_dockers_environment_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CERT_PATH", "/certificates")
    monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
    monkeypatch.setenv("DOCKER_TLS_HOSTNAME", "h1")
    monkeypatch.setenv("DOCKER_HOST", "tcp://192.0.2.1:2376")
    found = parameters(client_key="/mine.pem")
    assert found["docker_host"] == "tcp://192.0.2.1:2376"
    assert (found["ca_path"], found["client_cert"]) == ("/certificates/ca.pem", "/certificates/cert.pem")
    assert found["client_key"] == "/mine.pem"
    assert (found["validate_certs"], found["tls_hostname"]) == (True, "h1")


def test_the_certificate_must_contain_the_host_name() -> None:
    config = sdk_engine._tls(parameters(validate_certs=True, tls_hostname="h1"))
    client = Client()
    config.configure_client(client)
    assert client.mounted["https://"].options == {"assert_hostname": "h1"}


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        ({"docker_host": "tcp://192.0.2.1:2376"}, "whether it requires TLS"),
        ({"docker_host": "tcp://192.0.2.1:2376", "tls": True}, "trusts the CA of client_cert"),
        ({"docker_host": "ssh://192.0.2.1"}, "Install paramiko"),
    ],
)
def test_the_hint_depends_on_the_connection(given: Json, hint: str, connect: Connect) -> None:
    assert hint in connect(DockerException("refused"), **given)


def connect_locally(path: pathlib.Path, scheme: str = "unix", **given: t.Any) -> str:
    """The message of a failed connection to a socket."""
    with pytest.raises(EngineError) as raised:
        engine.connect(parameters(docker_host=f"{scheme}://{path}", **given))
    return str(raised.value)


@pytest.mark.parametrize("scheme", ["unix", "http+unix"])
def test_a_socket_that_does_not_exist(scheme: str, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "docker.sock"
    expected = f"cannot reach the Docker engine at unix://{path}: {path} does not exist. Install Docker Engine"
    assert connect_locally(path, scheme).startswith(expected)


def test_a_socket_without_a_listener(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "docker.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
    assert "Nothing accepts connections" in connect_locally(path)


class Answers:
    """A server that answers each connection to its socket with the same bytes; ``requests`` are what it received."""

    def __init__(self, path: pathlib.Path, answer: bytes) -> None:
        self.requests: list[bytes] = []
        self._answer = answer
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(path))
        self._server.listen()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Answers:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._server.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):  # it is closed
            while True:
                opened, _address = self._server.accept()
                with opened:
                    self.requests.append(opened.recv(4096))
                    opened.sendall(self._answer)


def http(status: str, body: str) -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


def test_a_listener_that_does_not_speak_http(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "docker.sock"
    with Answers(path, b"noise\r\n"):
        message = connect_locally(path)
    assert message.endswith(": noise\r\n. It accepts connections and does not answer. Restart it "
                            "(systemctl restart docker).")  # fmt: skip


def test_a_listener_that_does_not_answer(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "docker.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        assert ": timed out. It accepts connections and does not answer." in connect_locally(path, timeout=1)


def test_an_answer_that_is_not_json(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "docker.sock"
    expected = rf"/version of the Docker engine at unix://{path}: 'noise': cannot be read"
    with Answers(path, http("200 OK", "noise")), pytest.raises(Unreadable, match=expected):
        engine.connect(parameters(docker_host=f"unix://{path}"))


def test_the_version_of_the_api_is_requested(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "docker.sock"
    with Answers(path, http("400 Bad Request", '{"message": "client version 1.2 is too old"}')) as served:
        assert connect_locally(path, api_version="1.2") == "client version 1.2 is too old"
        assert connect_locally(path) == "client version 1.2 is too old"
    assert [request.split()[1] for request in served.requests] == [b"/v1.2/version", b"/version"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_socket_of_another_user(tmp_path: pathlib.Path) -> None:
    """In a child process that gives up root."""
    path = str(tmp_path / "docker.sock")
    for folder in [tmp_path, *tmp_path.parents][:-1]:
        folder.chmod(folder.stat().st_mode | 0o011)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        os.chmod(path, 0o600)
        server.listen()
        reader, writer = os.pipe()
        child = os.fork()
        if not child:
            with contextlib.suppress(BaseException):
                os.setgid(65534)
                os.setuid(65534)
                state = read_socket_state(path)
                os.write(writer, f"{state.code} {state.user} {state.group}".encode())
            os._exit(0)
        os.close(writer)
        with open(reader, encoding="utf-8") as answer:
            assert answer.read().split() == [str(errno.EACCES), "nobody", "root"]
        os.waitpid(child, 0)


def test_an_sdk_that_does_not_fit_its_libraries(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    old = {"docker": "6.1.3", "requests": "2.32.3", "urllib3": "1.26.19"}
    monkeypatch.setattr(sdk_engine, "_versions", lambda: old)
    tcp = "tcp://192.0.2.1:2376"
    assert "docker 7.1 or newer" in connect(DockerException("Not supported URL scheme http+docker"), docker_host=tcp)
    assert "docker 7.1 or newer" in connect(TypeError("unexpected keyword argument 'chunked'"), docker_host=tcp)


def test_an_unexpected_error_of_the_sdk_keeps_its_traceback(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sdk_engine, "_versions", dict)
    with pytest.raises(TypeError):
        connect(TypeError("a bug"), docker_host="tcp://192.0.2.1:2376")


def test_versions_of_the_installed_libraries() -> None:
    assert set(sdk_engine._versions()) >= {"requests"}


PODMAN = {"Version": "5.4.2", "Components": [{"Name": "Podman Engine"}]}


def test_an_unsupported_engine_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = types.SimpleNamespace(status_code=200, content=b"x", json=lambda: PODMAN)
    client = types.SimpleNamespace(base_url="", api_version="1.41", timeout=1, request=lambda *_, **__: answer)
    monkeypatch.setattr(sdk_engine.docker, "APIClient", lambda **_options: client, raising=False)
    with pytest.raises(EngineError, match=r"^tcp://192.0.2.1:2376: the engine is Podman 5\.4\.2"):
        engine.connect(parameters(docker_host="tcp://192.0.2.1:2376"))


def test_an_unsupported_engine_at_a_socket_is_refused(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "docker.sock"
    with Answers(path, http("200 OK", json.dumps(PODMAN))):
        assert connect_locally(path).startswith(f"unix://{path}: the engine is Podman 5.4.2")


def test_an_engine_in_rootless_mode_is_refused() -> None:
    """Before 23.0 only /info shows it."""
    answers = {"/info": {"SecurityOptions": ["name=seccomp,profile=builtin", "name=rootless"]}}
    with pytest.raises(EngineError, match=r"^the engine runs in rootless mode"):
        read_info(t.cast(t.Any, types.SimpleNamespace(get=answers.get)))
