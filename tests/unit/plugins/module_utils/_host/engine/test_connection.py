# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""TLS options of a connection to an engine: their meaning, and their defaults from the environment."""

from __future__ import annotations

import types
import typing as t

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.common.parameters import set_fallbacks

from ansible_collections.fleetnet.docker.plugins.module_utils._host.engine import connection as engine
from ansible_collections.fleetnet.docker.plugins.module_utils._host.engine import sdk as sdk_engine

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


@pytest.fixture(autouse=True)
def sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = types.SimpleNamespace(tls=types.SimpleNamespace(TLSConfig=TlsConfig))
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
        ({}, "systemctl status docker"),
        ({"docker_host": "tcp://192.0.2.1:2376"}, "whether it requires TLS"),
        ({"docker_host": "tcp://192.0.2.1:2376", "tls": True}, "trusts the CA of client_cert"),
    ],
)
def test_the_hint_depends_on_the_connection(given: Json, hint: str) -> None:
    assert hint in sdk_engine._hint(parameters(**given))
