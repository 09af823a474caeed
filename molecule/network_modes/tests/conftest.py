# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the scenario: who answers on a port, asked from the host, from the world and from another host."""

from __future__ import annotations

import json
import shlex
import typing as t

import pytest

# Prints the name of the container that answers at an address and port; fails where none does. A connection that is
# refused is an answer; one that only gets none is tried again, since a busy machine may lose a packet.
TCP = """
import socket, sys
for attempt in range(5):
    try:
        print(socket.create_connection((sys.argv[1], int(sys.argv[2])), 1).makefile().read().strip())
        break
    except socket.timeout:
        if attempt == 4:
            raise
"""
UDP = """
import socket, sys
asker = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
asker.settimeout(0.5)
for attempt in range(6):
    try:
        asker.sendto(b"who?", (sys.argv[1], int(sys.argv[2])))
        print(asker.recv(100).decode())
        break
    except OSError:
        if attempt == 5:
            raise
"""


def question(address: str, port: int, protocol: str = "tcp") -> str:
    """The command that asks; hosts and the world have Python, and containers busybox alone."""
    program = {"tcp": TCP, "udp": UDP}[protocol]
    return f"python3 -c {shlex.quote(program)} {address} {port} 2>/dev/null"


class Ports:
    """Who answers at the host under test's ports: the container's name, or None where nobody does."""

    def __init__(self, host, address: str, address_v6: str, other, world) -> None:
        self._host = host
        self._other = other
        self._world = world
        self.address = address
        self.address_v6 = address_v6

    def here(self, port: int, protocol: str = "tcp", address: str | None = None) -> str | None:
        """Asked from the host itself, by default at its address on the underlay."""
        return self._ask(self._host, address or self.address, port, protocol)

    def neighbour(self, port: int, protocol: str = "tcp", address: str | None = None) -> str | None:
        """Asked from another host; the world beyond the underlay has no IPv6."""
        return self._ask(self._other, address or self.address, port, protocol)

    def world(self, port: int, name: str, protocol: str = "tcp") -> bool:
        """Whether ``name`` answers the world."""
        return bool(self._world(f"{question(self.address, port, protocol)} | grep -qx {name}"))

    def closed_to_the_world(self, port: int) -> bool:
        """Whether the world gets no connection at all. (A proxy may take it and then have nothing to say.)"""
        return not self._world(question(self.address, port))

    @staticmethod
    def _ask(host, address: str, port: int, protocol: str) -> str | None:
        result = host.run(question(address, port, protocol))
        return (result.stdout.strip() or None) if result.rc == 0 else None


@pytest.fixture
def ports(host, underlay, underlay_v6, world) -> Ports:
    me = host.backend.get_hostname()
    other = next(name for name in sorted(underlay) if name != me)
    way = host.get_host(f"ansible://{other}", ansible_inventory=host.backend.ansible_inventory)
    return Ports(host, underlay[me], underlay_v6[me], way, world)


@pytest.fixture
def links(host) -> t.Callable[..., dict[str, dict[str, t.Any]]]:
    """``links()``: the host's links by name; ``links("con1")``: those in a container's namespace."""

    def read(container: str | None = None) -> dict[str, dict[str, t.Any]]:
        enter = f"nsenter --net=/proc/{pid(host, container)}/ns/net " if container else ""
        return {link["ifname"]: link for link in json.loads(host.check_output(f"{enter}ip -json -details address"))}

    return read


@pytest.fixture
def inode(host) -> t.Callable[..., str]:
    """``inode("con1")``: the network namespace of a container; ``inode()`` that of the host."""
    return lambda container=None: host.check_output(f"readlink /proc/{pid(host, container) if container else 1}/ns/net")


def pid(host, container: str) -> str:
    return host.check_output("docker inspect --format '{{.State.Pid}}' %s", container)
