# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading what decides about packets, from the real kernel: a host namespace and one of a container."""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import socket
import subprocess
import typing as t

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.host import ContainerReport
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.chains import Chain, dropping_rule
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.trace import (
    TRACE_TABLES,
    Flow,
    TraceStep,
    parse_handles,
    parse_trace,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.netns.namespace import Namespace
from ansible_collections.fleetnet.docker.plugins.module_utils._host.observe import packet_trace
from ansible_collections.fleetnet.docker.plugins.module_utils._host.observe.path_state import (
    read_counters,
    read_namespaces,
    read_path_state,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.programs.commands import CommandFailed
from ansible_collections.fleetnet.docker.plugins.plugin_utils._testing.waiting import wait_until

from .test_container_interfaces import GONE, a_container

HOST = """
link add br0 type bridge
link set br0 up
link set lo up
link add v0 type veth peer name eth0 netns {pid}
link set v0 master br0 up
addr add 10.9.0.1/24 dev br0
neigh replace 10.9.0.9 lladdr 02:00:00:00:00:09 dev br0 nud permanent
"""
CONTAINER = """
link set lo up
link set eth0 up
addr add 10.9.0.2/24 dev eth0
route add default via 10.9.0.1
"""


class Programs:
    """The port Commands without a module."""

    def run(self, *argv: str, stdin: str | None = None) -> str:
        done = subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False)
        if done.returncode:
            raise CommandFailed(argv, done.returncode, done.stderr)
        return done.stdout

    def find(self, program: str) -> str | None:
        return shutil.which(program)


class Bed(t.NamedTuple):
    """A host and its container. ``run`` runs a command in the host's namespace, ``inside`` in the container's."""

    host: Namespace
    container: ContainerReport

    def run(self, *argv: str, text: str = "") -> None:
        with self.host.entered():
            subprocess.run(argv, input=text, text=True, check=True)

    def inside(self, *argv: str, text: str = "") -> None:
        with contextlib.closing(Namespace.of_process(self.container["pid"] or 0)) as namespace, namespace.entered():
            subprocess.run(argv, input=text, text=True, check=True)

    def read(self, before: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        with self.host.entered():
            return read_path_state(Programs(), before)

    def read_inside(self, *destinations: str) -> dict[str, t.Any]:
        with self.host.entered():
            (found,) = read_namespaces(Programs(), [self.container], {"web": destinations})
        return found


@pytest.fixture
def bed(apart: t.Callable[[str], int]) -> t.Iterator[Bed]:
    if os.geteuid() != 0 or not all(map(shutil.which, ("ip", "nft", "bridge", "tc", "ss"))):
        pytest.skip("namespaces need root, iproute2 and nftables")
    host, pid = apart("host"), apart("web")
    with contextlib.closing(Namespace.of_process(host)) as namespace:
        found = Bed(namespace, a_container("web", pid))
        found.run("ip", "-batch", "-", text=HOST.format(pid=pid))
        found.inside("ip", "-batch", "-", text=CONTAINER)
        yield found


def test_ports_of_a_bridge(bed: Bed) -> None:
    expected = {"name": "v0", "bridge": "br0", "state": "forwarding", "isolated": False}
    assert bed.read()["bridge_ports"] == [expected]
    bed.run("bridge", "link", "set", "dev", "v0", "isolated", "on")
    bed.run("bridge", "link", "set", "dev", "v0", "state", "0")
    assert bed.read()["bridge_ports"] == [{**expected, "state": "disabled", "isolated": True}]


def test_bridges_that_are_set_down(bed: Bed) -> None:
    """A bridge without a port that forwards is down, but not set down."""
    bed.run("bridge", "link", "set", "dev", "v0", "state", "0")
    assert bed.read()["disabled_bridges"] == []
    bed.run("ip", "link", "set", "br0", "down")
    assert bed.read()["disabled_bridges"] == ["br0"]


def test_routing_rules_and_routes_of_all_tables(bed: Bed) -> None:
    bed.run("ip", "rule", "add", "from", "10.9.0.2", "lookup", "77", "priority", "100")
    bed.run("ip", "rule", "add", "fwmark", "0x5", "prohibit", "priority", "90")
    bed.run("ip", "route", "add", "10.8.0.0/16", "via", "10.9.0.2", "table", "77")
    found = bed.read()
    rules = {rule["priority"]: rule for rule in found["routing_rules"] if rule["version"] == 4}
    assert (rules[100]["source"], rules[100]["table"], rules[100]["action"]) == ("10.9.0.2", 77, None)
    assert (rules[90]["mark"], rules[90]["action"]) == (5, "prohibit")
    (route,) = [route for route in found["routes"] if route["table"] == 77]
    assert (route["destination"], route["gateway"], route["device"]) == ("10.8.0.0/16", "10.9.0.2", "br0")


def test_what_a_queue_dropped_since_the_start(bed: Bed) -> None:
    bed.run("tc", "qdisc", "add", "dev", "v0", "root", "blackhole")
    with bed.host.entered():
        before = read_counters(Programs())
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with sender:
        for _packet in range(3):
            sender.sendto(b"x", ("10.9.0.9", 9))
    (queue,) = bed.read(before)["queues"]
    assert (queue["link"], queue["kind"]) == ("v0", "blackhole")
    assert queue["lost"] >= 3  # the kernel itself sends multicast packets


def test_forwarding_of_each_interface(bed: Bed) -> None:
    bed.run("sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward; echo 0 > /proc/sys/net/ipv4/conf/br0/forwarding")
    found = bed.read()["forwarding"]
    assert (found["br0"], found["v0"]) == (False, True)


def test_connections_and_their_maximum(bed: Bed) -> None:
    found = bed.read({"queues": {}, "connections": 0})["connections"]
    assert found["lost"] == 0
    assert found["most"] is None or found["count"] <= found["most"]
    assert bed.read()["connections"]["lost"] is None


def test_chains_for_frames(bed: Bed) -> None:
    bed.run(
        "nft",
        'table netdev t { chain c { type filter hook ingress device "v0" priority 0; ip saddr 10.0.0.1 drop; }; }',
    )
    bed.run("nft", "table bridge t { chain c { type filter hook forward priority 0; arp operation request drop; }; }")
    bed.run("nft", "table ip t { chain c { type filter hook forward priority 0; drop; }; }")
    found = {chain.table: chain for chain in map(Chain.from_data, bed.read()["frame_chains"])}
    assert sorted(found) == ["bridge t", "netdev t"]
    assert (found["netdev t"].device, found["netdev t"].rules) == ("v0", ("ip saddr 10.0.0.1 drop",))
    assert found["bridge t"].rules == ("arp operation request drop",)


def test_the_trace_shows_rules_for_frames(bed: Bed) -> None:
    flow = Flow("10.9.0.2", "10.9.0.1")
    with bed.host.entered():
        monitor = subprocess.Popen(["nft", "monitor", "trace"], stdout=subprocess.PIPE, text=True)
    try:
        sockets = f"/proc/{monitor.pid}/net/netlink"
        wait_until(
            "nft listens for traces",
            lambda: packet_trace.queued_bytes(pathlib.Path(sockets).read_text(encoding="ascii"), str(monitor.pid)),
            lambda queued: queued is not None,
        )
        for table, hooks in zip(TRACE_TABLES, (("prerouting", "output"), ("prerouting",)), strict=True):
            bed.run("nft", "-f", "-", text=packet_trace._table(table, hooks, [flow]))
        bed.run("nft", "table bridge t { chain c { type filter hook input priority 0; ip saddr 10.9.0.2 drop; }; }")
        with contextlib.closing(Namespace.of_process(bed.container["pid"] or 0)) as namespace, namespace.entered():
            sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        lines = []
        assert monitor.stdout
        with sender:
            sender.sendto(b"x", (flow.destination, 9))
            for line in monitor.stdout:
                lines.append(line)
                if "verdict drop" in line:
                    break
    finally:
        monitor.terminate()
        monitor.communicate()
    with bed.host.entered():
        handles = parse_handles(Programs().run("nft", "-a", "list", "ruleset"))
    found = parse_trace("".join(lines), handles)
    assert found == {flow: [TraceStep("bridge t", "c", "ip saddr 10.9.0.2 drop", "drop", "v0", None)]}


def test_the_process_that_listens(bed: Bed) -> None:
    with bed.host.entered():
        listener = socket.create_server(("127.0.0.1", 0))
    with listener:
        (found,) = bed.read()["listeners"]
        expected = ("tcp", "127.0.0.1", listener.getsockname()[1], os.getpid())
    assert (found["protocol"], found["address"], found["port"], found["pid"]) == expected


def test_routes_and_neighbours_of_a_container(bed: Bed) -> None:
    bed.inside("ip", "route", "add", "blackhole", "10.7.0.0/16")
    bed.inside("ip", "route", "add", "10.6.0.1/32", "via", "10.9.0.7")
    bed.inside("ip", "neigh", "replace", "10.9.0.1", "lladdr", "02:00:00:00:00:01", "dev", "eth0", "nud", "permanent")
    found = bed.read_inside("10.5.0.1", "10.6.0.1", "10.7.0.1")
    by_destination = {lookup["destination"]: lookup for lookup in found["lookups"]}
    assert (by_destination["10.5.0.1"]["gateway"], by_destination["10.5.0.1"]["dev"]) == ("10.9.0.1", "eth0")
    assert by_destination["10.6.0.1"]["gateway"] == "10.9.0.7"
    assert by_destination["10.7.0.1"] == {"destination": "10.7.0.1", "error": "Invalid argument"}
    (neighbour,) = [entry for entry in found["neighbours"] if entry["dst"] == "10.9.0.1"]
    assert neighbour["lladdr"] == "02:00:00:00:00:01"


@pytest.mark.parametrize(
    "commands",
    [
        [("nft", "table inet own { chain out { type filter hook output priority 0; ip daddr 10.5.0.1 drop; }; }")],
        [("iptables", "-A", "OUTPUT", "-d", "10.5.0.1", "-j", "DROP")],
        [("iptables", "-A", "OUTPUT", "-d", "10.5.0.0/24", "-p", "icmp", "-j", "REJECT")],
        [("iptables", "-P", "OUTPUT", "DROP")],
    ],
)
def test_rules_of_a_container(bed: Bed, commands: list[tuple[str, ...]]) -> None:
    if shutil.which("iptables") is None and commands[0][0] == "iptables":
        pytest.skip("needs iptables")
    facts = {"ip daddr": {"10.5.0.1"}, "ip saddr": {"10.9.0.2"}, "ip protocol": {"icmp"}, "meta l4proto": {"icmp"}}
    assert bed.read_inside()["chains"] == []
    for command in commands:
        bed.inside(*command)
    (chain,) = [each for each in map(Chain.from_data, bed.read_inside()["chains"]) if each.hook == "output"]
    assert dropping_rule(chain, facts) is not None
    assert dropping_rule(chain, {**facts, "ip daddr": {"10.4.0.1"}}) == ("" if chain.policy == "drop" else None)


def test_the_rules_of_dockers_dns(bed: Bed) -> None:
    assert not bed.read_inside()["embedded_dns"]
    rules = (
        "chain c { type nat hook output priority -100; ip daddr 127.0.0.11 udp dport 53 dnat to 127.0.0.11:40000; };"
    )
    bed.inside("nft", f"table ip nat {{ {rules} }}")
    assert bed.read_inside()["embedded_dns"]


def test_only_the_containers_of_flows_are_read(bed: Bed) -> None:
    with bed.host.entered():
        assert read_namespaces(Programs(), [bed.container], {}) == []
        assert read_namespaces(Programs(), [a_container("web", GONE)], {"web": []}) == []


def test_a_container_in_the_hosts_namespace_has_nothing_of_its_own() -> None:
    assert read_namespaces(Programs(), [a_container("web", os.getpid(), "host")], {"web": []}) == []
