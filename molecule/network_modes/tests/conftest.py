# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the scenario: which container answers on a port, to the host, to the outside and to another host."""

from __future__ import annotations

import json
import shlex
import typing as t

import pytest

# Prints the name of the container that answers at an address and port; fails if none answers. A refused connection is
# final. A timeout is not, because a busy machine may answer late: it is retried up to a limit.
LIMIT = 60
TCP = f"""
import socket, sys, time
limit = time.monotonic() + {LIMIT}
while True:
    try:
        connection = socket.create_connection((sys.argv[1], int(sys.argv[2])), 1)
        break
    except socket.timeout:
        if time.monotonic() > limit:
            raise
connection.settimeout({LIMIT})
print(connection.makefile().read().strip())
"""
UDP = f"""
import socket, sys, time
client = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
client.settimeout(0.5)
limit = time.monotonic() + {LIMIT}
while True:
    try:
        client.sendto(b"who?", (sys.argv[1], int(sys.argv[2])))
        print(client.recv(100).decode())
        break
    except OSError:
        if time.monotonic() > limit:
            raise
"""


def query(address: str, port: int, protocol: str = "tcp") -> str:
    """The command that queries; hosts and the outside have Python, containers only busybox."""
    program = {"tcp": TCP, "udp": UDP}[protocol]
    return f"python3 -c {shlex.quote(program)} {address} {port} 2>/dev/null"


class Ports:
    """The container that answers on a port of the host under test, by name; None if none answers."""

    def __init__(self, host, address: str, address_v6: str, other, world) -> None:
        self._host = host
        self._other = other
        self._world = world
        self.address = address
        self.address_v6 = address_v6

    def here(self, port: int, protocol: str = "tcp", address: str | None = None) -> str | None:
        """Queried from the host itself, by default at its address on the underlay."""
        return self._query(self._host, address or self.address, port, protocol)

    def neighbour(self, port: int, protocol: str = "tcp", address: str | None = None) -> str | None:
        """Queried from another host. There is no IPv6 outside the underlay."""
        return self._query(self._other, address or self.address, port, protocol)

    def world(self, port: int, name: str, protocol: str = "tcp") -> bool:
        """Whether ``name`` answers a client outside the fleet."""
        return bool(self._world(f"{query(self.address, port, protocol)} | grep -qx {name}"))

    def closed_to_the_world(self, port: int) -> bool:
        """Whether clients outside the fleet get no connection. (A proxy may accept it and send nothing.)"""
        return not self._world(query(self.address, port))

    @staticmethod
    def _query(host, address: str, port: int, protocol: str) -> str | None:
        result = host.run(query(address, port, protocol))
        return (result.stdout.strip() or None) if result.rc == 0 else None


@pytest.fixture
def ports(host, underlay, underlay_v6, world) -> Ports:
    me = host.backend.get_hostname()
    other = next(name for name in sorted(underlay) if name != me)
    other_host = host.get_host(f"ansible://{other}", ansible_inventory=host.backend.ansible_inventory)
    return Ports(host, underlay[me], underlay_v6[me], other_host, world)


@pytest.fixture
def links(host) -> t.Callable[..., dict[str, dict[str, t.Any]]]:
    """``links()``: the host's interfaces by name; ``links("con1")``: those in a container's namespace."""

    def read(container: str | None = None) -> dict[str, dict[str, t.Any]]:
        enter = f"nsenter --net=/proc/{pid(host, container)}/ns/net " if container else ""
        return {link["ifname"]: link for link in json.loads(host.check_output(f"{enter}ip -json -details address"))}

    return read


@pytest.fixture
def inode(host) -> t.Callable[..., str]:
    """``inode("con1")``: the inode of a container's network namespace; ``inode()``: of the host's."""
    return lambda container=None: host.check_output(f"readlink /proc/{pid(host, container) if container else 1}/ns/net")


def pid(host, container: str) -> str:
    return host.check_output("docker inspect --format '{{.State.Pid}}' %s", container)


@pytest.fixture
def nat_rules(host, firewall_backend):
    """``nat_rules(8081)``: Docker's DNAT rules for a port of the host, by default those for TCP in IPv4."""

    def iptables(port, protocol, version):
        program = "iptables" if version == 4 else "ip6tables"
        rules = host.check_output(f"{program} -t nat -S DOCKER 2>/dev/null || true").splitlines()
        return [rule for rule in rules if f"-p {protocol} " in rule and f"--dport {port} -j DNAT" in rule]

    def nftables(port, protocol, version):
        family = "ip" if version == 4 else "ip6"
        rules = host.check_output(f"nft -s list table {family} docker-bridges").splitlines()
        found = [rule.strip() for rule in rules if f" {protocol} dport {port} " in rule and " dnat to " in rule]
        return [rule.replace("counter ", "") for rule in found]

    rules = {"iptables": iptables, "nftables": nftables}[firewall_backend]
    return lambda port, protocol="tcp", version=4: rules(port, protocol, version)
