# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which certificates of the authority TLS accepts: both ends connect on loopback, as an engine and its client."""

from __future__ import annotations

import contextlib
import datetime
import socket
import ssl
import threading
from pathlib import Path

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.remote_api.certificates import Lifetimes
from ansible_collections.fleetnet.docker.plugins.plugin_utils.authority import Authority, Folder

NOW = datetime.datetime.now(datetime.UTC)
LONG = Lifetimes(3650, 365, 60)
SHORT = Lifetimes(3650, 1, 0)
UNKNOWN_ISSUER = "self-signed certificate in certificate chain"  # as the engine sends that of its authority too


def issue(
    folder: Path, hosts: tuple[str, ...] = ("h1",), generation: int = 1, age: int = 0, lifetimes: Lifetimes = LONG
) -> Path:
    """Run the authority as ``age`` days ago (negative: in the future), for these hosts and the client admin."""
    then = NOW - datetime.timedelta(days=age)
    authority = Authority(Folder(str(folder), write=True), generation, lifetimes, then)
    for host in hosts:
        authority.server(host, [host, "127.0.0.1"])
    authority.client("admin")
    return folder


def copy(folder: Path, name: str) -> Path:
    """The files that a host or a client has, which stay as they are when the authority issues new ones."""
    kept = folder.parent / f"{folder.name}-{name.replace('/', '-')}"
    kept.mkdir()
    for file in ("cert.pem", "key.pem"):
        (kept / file).write_bytes((folder / name / file).read_bytes())
    (kept / "ca.pem").write_bytes((folder / "ca.pem").read_bytes())
    return kept


def current_engine(folder: Path, host: str) -> Path:
    """The newest files of a host."""
    engine = folder / "hosts" / host
    (engine / "ca.pem").write_bytes((folder / "ca.pem").read_bytes())
    return engine


def context(protocol: int, own: Path | None, ca: Path) -> ssl.SSLContext:
    made = ssl.SSLContext(protocol)
    if own is not None:
        made.load_cert_chain(own / "cert.pem", own / "key.pem")
    made.verify_mode = ssl.CERT_REQUIRED
    made.load_verify_locations(ca)
    return made


def connect(engine: Path, client: Path | None, trusted: Path, name: str = "127.0.0.1") -> dict[str, str]:
    """Connect a client to an engine. Return why each end rejected the other; empty if both accepted.

    ``engine`` and ``client`` are folders with a certificate and key. The engine accepts clients of its own authority,
    the client trusts ``trusted``.
    """
    rejected: dict[str, str] = {}
    server_side = context(ssl.PROTOCOL_TLS_SERVER, engine, engine / "ca.pem")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(60)

        def serve() -> None:
            plain = listener.accept()[0]
            plain.settimeout(60)
            try:
                with server_side.wrap_socket(plain, server_side=True) as secured:
                    secured.sendall(b"accepted")
            except ssl.SSLError as error:
                rejected["engine"] = str(error)
            except OSError:  # the client closed the connection
                pass

        thread = threading.Thread(target=serve)
        thread.start()
        with contextlib.suppress(OSError), socket.create_connection(listener.getsockname(), timeout=60) as plain:
            try:
                client_side = context(ssl.PROTOCOL_TLS_CLIENT, client, trusted)
                with client_side.wrap_socket(plain, server_hostname=name) as secured:
                    # With TLS 1.3 the client learns only now that the engine rejected its certificate.
                    if secured.recv(8) != b"accepted":
                        rejected.setdefault("client", "no data")
            except ssl.SSLCertVerificationError as error:
                rejected["client"] = error.verify_message
            except OSError:
                pass
        thread.join()
    return rejected


def test_valid_certificates_are_accepted(tmp_path: Path) -> None:
    folder = issue(tmp_path / "authority")
    client = folder / "clients/admin"
    engine = copy(folder, "hosts/h1")
    for name in ("127.0.0.1", "h1"):
        assert connect(engine, client, client / "ca.pem", name) == {}
    assert "Hostname mismatch" in connect(engine, client, client / "ca.pem", "h2")["client"]


@pytest.mark.parametrize(
    ("age", "lifetimes", "reason"),
    [(2, SHORT, "certificate has expired"), (-2, LONG, "certificate is not yet valid")],
    ids=["expired", "not yet valid"],
)
def test_a_certificate_outside_of_its_validity_is_rejected(
    tmp_path: Path, age: int, lifetimes: Lifetimes, reason: str
) -> None:
    """Both ends have the same authority, which is valid."""
    right = issue(tmp_path / "authority")
    other = tmp_path / "other"
    other.mkdir()
    for name in (".gitignore", "ca.pem", "ca-key.pem"):
        (other / name).write_bytes((right / name).read_bytes())
    issue(other, age=age, lifetimes=lifetimes)
    assert (other / "ca-key.pem").read_bytes() == (right / "ca-key.pem").read_bytes()
    engine, client = copy(right, "hosts/h1"), right / "clients/admin"
    assert connect(engine, client, client / "ca.pem") == {}
    assert reason in connect(engine, other / "clients/admin", client / "ca.pem")["engine"]
    assert connect(copy(other, "hosts/h1"), client, client / "ca.pem")["client"] == reason


def test_certificates_of_the_former_generation_are_rejected(tmp_path: Path) -> None:
    folder = issue(tmp_path / "authority")
    former_engine, former_client = copy(folder, "hosts/h1"), copy(folder, "clients/admin")
    assert connect(former_engine, former_client, former_client / "ca.pem") == {}
    issue(folder, generation=2)
    engine, client = current_engine(folder, "h1"), folder / "clients/admin"
    assert connect(engine, client, client / "ca.pem") == {}
    # The client trusts the engine, so that only the engine can reject.
    assert set(connect(engine, former_client, client / "ca.pem")) == {"engine"}
    assert connect(former_engine, client, client / "ca.pem")["client"] == UNKNOWN_ISSUER


def test_a_removed_host_is_rejected_by_the_others_and_by_clients(tmp_path: Path) -> None:
    """h3 was removed and kept its files. The documented procedure raises the generation and runs on the others."""
    folder = issue(tmp_path / "authority", ("h1", "h2", "h3"))
    removed, former_client = copy(folder, "hosts/h3"), copy(folder, "clients/admin")
    assert connect(removed, former_client, former_client / "ca.pem", "h3") == {}
    issue(folder, ("h1", "h2"), generation=2)
    client = folder / "clients/admin"
    assert connect(removed, client, client / "ca.pem", "h3")["client"] == UNKNOWN_ISSUER
    for host in ("h1", "h2"):
        engine = current_engine(folder, host)
        assert connect(engine, client, client / "ca.pem", host) == {}
        for former in (removed, former_client):
            assert set(connect(engine, former, client / "ca.pem", host)) == {"engine"}


@pytest.mark.parametrize(
    ("client", "reason"),
    [("hosts/h1", "unsuitable certificate purpose"), (None, "did not return a certificate")],
    ids=["the certificate of an engine", "no certificate"],
)
def test_an_engine_accepts_only_the_certificates_of_clients(tmp_path: Path, client: str | None, reason: str) -> None:
    """So a host cannot connect to the engines of the others with its own key."""
    folder = issue(tmp_path / "authority")
    engine = copy(folder, "hosts/h1")
    assert reason in connect(engine, folder / client if client else None, folder / "ca.pem")["engine"]
