# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""remote_api reads the certificate that a TLS server on loopback presents, without one of its own."""

from __future__ import annotations

import contextlib
import datetime
import socket
import ssl
import threading
import typing as t
from pathlib import Path

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.remote_api.certificates import Lifetimes
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.remote_api.plan import fingerprint
from ansible_collections.fleetnet.docker.plugins.module_utils._host.daemon import remote_api
from ansible_collections.fleetnet.docker.plugins.plugin_utils.authority import Authority, Folder

served_certificate = remote_api._served_certificate


@contextlib.contextmanager
def server(answer: t.Callable[[socket.socket], None]) -> t.Iterator[int]:
    """Accept one connection on loopback; yields the port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(60)

        def serve() -> None:
            with contextlib.suppress(OSError):
                answer(listener.accept()[0])

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join()


def test_the_certificate_of_a_server_that_requires_clients_certificates(tmp_path: Path) -> None:
    now = datetime.datetime.now(datetime.UTC)
    tls = Authority(Folder(str(tmp_path), True), 1, Lifetimes(3650, 365, 60), now).server("h1", ["127.0.0.1"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "hosts/h1/cert.pem", tmp_path / "hosts/h1/key.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(tmp_path / "ca.pem")

    def answer(plain: socket.socket) -> None:
        with context.wrap_socket(plain, server_side=True) as secured:
            secured.recv(1)

    with server(answer) as port:
        assert fingerprint(served_certificate("0.0.0.0", port)) == fingerprint(tls.certificate)


def test_a_server_without_tls_is_an_error() -> None:
    with server(lambda plain: plain.close()) as port, pytest.raises(FleetnetError, match=r":\d+: no TLS connection: "):
        served_certificate("127.0.0.1", port)


def test_a_closed_port_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(FleetnetError, match=r"^127\.0\.0\.1:\d+: no TLS connection: .*refused"):
        served_certificate("127.0.0.1", port)
