# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What containers do not reach: the remote API of engines, the metadata of clouds, other hosts by a line to the world.

Servers on another port, which the same containers reach, show that the rules drop the probes.
"""

from __future__ import annotations

import socket

import pytest
import testinfra

from .conftest import HOSTS

API, CONTROL, WORLD_PORT = PORTS = (2376, 2399, 81)
METADATA = "169.254.169.254"
WORLD = "198.51.100.1"
SERVER = "import socket\ns = socket.create_server(('{address}', {port}))\nwhile True: s.accept()[0].sendall(b'world')"
UNIT = "closed-{}"


@pytest.fixture(scope="module")
def servers(inventory, world):
    """Servers on all hosts and outside. The world has the metadata address, where its page is."""
    hosts = [testinfra.get_host(f"ansible://{name}", ansible_inventory=inventory) for name in HOSTS]
    units = [UNIT.format(port) for port in PORTS]
    for host in hosts:
        host.run(f"systemctl stop {' '.join(units)}")
        for port, unit in zip(PORTS, units, strict=True):
            host.check_output(f"systemd-run --quiet --collect --unit {unit} busybox nc -ll -p {port} -e echo host")
    assert world(f"ip address replace {METADATA}/32 dev lo")
    script = SERVER.format(address=WORLD, port=WORLD_PORT)
    assert world(f'setsid python3 -c "{script}" >/dev/null 2>&1 & echo $! >/run/closed.pid')
    yield
    world(f"kill $(cat /run/closed.pid); ip address del {METADATA}/32 dev lo")
    for host in hosts:
        host.run(f"systemctl stop {' '.join(units)}")


@pytest.mark.usefixtures("servers")
@pytest.mark.parametrize("target", HOSTS)
@pytest.mark.parametrize("source", ["cache", "box", "stranger"])
def test_containers_do_not_reach_the_remote_api(probes, once, underlay, underlay_v6, source, target):
    """From a declared network, docker0 and an unmanaged network, on their own host and on others."""
    for address in (underlay[target], *([underlay_v6[target]] if source == "cache" else [])):
        assert probes.ask(source, address, CONTROL) == "host\n"
        assert once.ask(source, address, API) is None


@pytest.mark.usefixtures("servers")
@pytest.mark.parametrize("target", HOSTS)
def test_hosts_and_the_controller_reach_the_remote_api(
    probes, underlay, underlay_v6, target, world_connects, world_is_denied, wait_until
):
    for address in (underlay[target], underlay_v6[target]):
        assert probes.ask(None, address, API) == "host\n"

    def connects() -> bool:
        with socket.create_connection((underlay[target], API), timeout=5) as connection:
            return connection.recv(16) == b"host\n"

    assert wait_until("the controller connects", connects)
    assert world_connects(underlay[target], CONTROL)
    assert world_is_denied(underlay[target], API)


@pytest.mark.usefixtures("servers")
def test_only_a_line_that_names_the_address_opens_the_metadata_of_clouds(probes, once):
    """web by its line. The hosts themselves are not containers."""
    page = f"http://{METADATA}/"
    assert probes.fetch("web", page)
    assert not once.ping("web", METADATA)
    assert probes.fetch(None, page)
    for source in ("cache", "box", "stranger"):
        assert probes.ping(source, WORLD)
        assert not once.fetch(source, page)
        assert not once.ping(source, METADATA)


@pytest.mark.usefixtures("servers")
@pytest.mark.parametrize("target", HOSTS)
def test_a_line_to_the_world_does_not_open_hosts(probes, once, underlay, underlay_v6, target):
    """db may connect to the world on this port, and cache to everything outside."""
    assert probes.ask("db", WORLD, WORLD_PORT) is not None
    for address in (underlay[target], underlay_v6[target]):
        assert probes.ask("cache", address, WORLD_PORT) == "host\n"
        assert once.ask("db", address, WORLD_PORT) is None
