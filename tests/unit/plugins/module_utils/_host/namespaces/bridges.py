# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host with bridges and the rules of the collection, its containers, and the outside, as network namespaces.

::

    web1, web2 --- fn-web ---+
    db1 ---------- fn-db ----+
    lab1 --------- fn-lab ---+--- host --- eth0 --- outside (a peer with its containers, a router, and the world)
    inner1 ------- fn-inner -+
    other1, other2 br-0123456789ab, which is not declared

No packet leaves these namespaces.
"""

from __future__ import annotations

import contextlib
import pathlib
import secrets
import socket
import subprocess
import typing as t

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.binding import Local, parse_bridges
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.compiler import (
    EngineFirewall,
    compile_rules,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.policy import Policy
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.plan.slices import host_slice
from ansible_collections.fleetnet.docker.plugins.module_utils._host.netns.namespace import Namespace
from ansible_collections.fleetnet.docker.plugins.plugin_utils._testing.waiting import wait_until

from ..._domain.planning import plan_of
from . import packets

UNDECLARED = "br-0123456789ab"
# The addresses by name and IP version. The first address of a network is its bridge's.
ADDRESSES: dict[str, tuple[str, str]] = {
    "web1": ("10.64.1.2", "fd00:64:0:1::2"),
    "web2": ("10.64.1.3", "fd00:64:0:1::3"),
    "db1": ("10.64.2.2", "fd00:64:0:2::2"),
    "lab1": ("10.64.3.2", "fd00:64:0:3::2"),
    "inner1": ("10.64.4.2", "fd00:64:0:4::2"),
    "other1": ("172.29.0.2", "fd00:29::2"),
    "other2": ("172.29.0.3", "fd00:29::3"),
    "host": ("198.18.0.1", "fd00::1"),
    # the outside
    "peer": ("198.18.0.2", "fd00::2"),
    "peer_web": ("10.64.17.2", "fd00:64:0:101::2"),
    "peer_db": ("10.64.18.2", "fd00:64:0:102::2"),
    "world": ("198.51.100.1", "2001:db8::1"),
    # addresses that no interface has
    "unused": ("10.64.9.9", "fd00:64:0:9::9"),
    "anywhere": ("203.0.113.9", "2001:db8:bad::9"),
}
BRIDGES = {
    "web1": "fn-web",
    "web2": "fn-web",
    "db1": "fn-db",
    "lab1": "fn-lab",
    "inner1": "fn-inner",
    "other1": UNDECLARED,
    "other2": UNDECLARED,
}
OUTSIDE = ("peer", "peer_web", "peer_db", "world")
BLOCKS_OF_PEER = ("10.64.16.0/20", "fd00:64:0:100::/56")
FLEET = {
    "supernet": "10.64.0.0/12",
    "supernet_v6": "fd00:64::/32",
    "networks": ["web", {"name": "db", "egress": "policy"}, "lab", {"name": "inner", "internal": True}],
    "policy": [
        {"from": "web", "to": "db", "protocol": "udp", "ports": 5432},
        {"from": ["198.51.100.1", "2001:db8::1"], "to": "db"},
    ],
}
# As Docker publishes a port, and masquerades. Forwarding is as open as it can be: only the tested rules drop.
DOCKER = """
table FAMILY docker {
    chain prerouting {
        type nat hook prerouting priority dstnat
        udp dport 8080 iifname eth0 dnat to PORT
    }
    chain postrouting {
        type nat hook postrouting priority srcnat
        oifname eth0 FAMILY daddr WORLD masquerade
    }
}
"""
_SWITCHES = {
    "net/ipv6/conf/all/accept_dad": "0",
    "net/ipv6/conf/default/accept_dad": "0",
    "net/ipv4/conf/all/rp_filter": "0",
    "net/ipv4/conf/default/rp_filter": "0",
    "net/ipv4/ip_forward": "1",
    "net/ipv6/conf/all/forwarding": "1",
    "net/ipv4/icmp_ratelimit": "0",
    "net/ipv6/icmp/ratelimit": "0",
}


def rules(ipv6: bool = True, other_bridges: t.Sequence[str] = (), **more: t.Any) -> str:
    """The rules of the host, as compiled from a declaration, with or without IPv6. ``more`` is declared as well."""
    fleet = FLEET if ipv6 else {key: value for key, value in FLEET.items() if key not in ("supernet_v6", "policy")}
    return compiled({**fleet, **more}, other_bridges)[1]


def compiled(
    fleet: dict[str, t.Any], other_bridges: t.Sequence[str] = (), adopted: t.Collection[str] = ()
) -> tuple[Policy, str]:
    """The policy of a declaration, and the rules of the host. ``other_bridges`` are not Docker's.

    The bridges of ``adopted`` networks are not those that the plan has for them. Those with ``adopt`` have these.
    """
    hosts = {f"h{n}": {"ansible_host": f"198.18.0.{n}", "underlay_address_v6": f"fd00::{n}"} for n in (1, 2, 3)}
    plan = plan_of(fleet, hosts)
    host = plan.hosts[0]
    item = host_slice(plan, host)
    assert (item["block"], item.get("block_v6")) == ("10.64.0.0/20", "fd00:64::/56" if "supernet_v6" in fleet else None)
    bridges = {each["name"]: each["bridge_name"] for each in item["networks"]}
    own = [subnet for network, subnet in plan.networks_of(host) if network.routed]
    internal = [bridges[each["name"]] for each in item["networks"] if each["internal"]]
    planned = {name: f"fn-not-{name}" if name in adopted else bridge for name, bridge in bridges.items()}
    found = {name: bridges[name] for name in adopted}
    local = Local(
        own,
        parse_bridges("bridges", planned),
        internal,
        other_bridges=other_bridges,
        adopted=found,
        adoptable=[each["name"] for each in item["networks"] if each.get("adopt") or each["name"] in adopted],
    )
    return plan.policy, compile_rules(plan.policy, local, EngineFirewall((28, 5, 2))).nft


def run(*arguments: str, text: str = "") -> str:
    return subprocess.run(arguments, input=text, text=True, check=True, stdout=subprocess.PIPE).stdout


class Host:
    """The host with its containers and the outside. ``create`` creates the namespaces, ``remove`` removes them."""

    def __init__(self, prefix: str) -> None:
        self.names = {name: f"{prefix}-{name}" for name in ("host", "outside", *BRIDGES)}
        self.namespaces: dict[str, Namespace] = {}

    def create(self) -> None:
        for name, full in self.names.items():
            run("ip", "netns", "add", full)
            self.namespaces[name] = Namespace(f"/run/netns/{full}")
            with self.namespaces[name].entered():
                for switch, value in _SWITCHES.items():
                    pathlib.Path("/proc/sys", switch).write_text(value)
            self.ip(name, "link set lo up")
        self.ip("host", *(f"link add {bridge} type bridge\nlink set {bridge} up" for bridge in set(BRIDGES.values())))
        for name, bridge in BRIDGES.items():
            self._connect(name, bridge)
        self.ip("host", f"link add eth0 type veth peer name eth0 netns {self.names['outside']}", "link set eth0 up")
        self.ip("outside", "link set eth0 up")
        for place in (0, 1):
            self._route(place)
        for pair in (("web1", "db1"), ("lab1", "web2"), ("inner1", "inner1"), ("other1", "peer")):
            for address in ADDRESSES[pair[1]]:
                self.assert_answers(pair[0], address)

    def _connect(self, name: str, bridge: str) -> None:
        self.ip(
            "host",
            f"link add v-{name} type veth peer name eth0 netns {self.names[name]}",
            f"link set v-{name} master {bridge} up",
        )
        self.ip(name, "link set eth0 up")
        for place, length in ((0, 24), (1, 64)):
            address = ADDRESSES[name][place]
            gateway = f"{address[:-1]}1"
            nodad = " nodad" if place else ""
            self.ip("host", f"addr replace {gateway}/{length} dev {bridge}{nodad}")
            self.ip(name, f"addr add {address}/{length} dev eth0{nodad}", f"route add default via {gateway}")

    def _route(self, place: int) -> None:
        length, nodad, single = ((24, "", 32), (64, " nodad", 128))[place]
        self.ip("host", f"addr add {ADDRESSES['host'][place]}/{length} dev eth0{nodad}")
        self.ip("outside", f"addr add {ADDRESSES['peer'][place]}/{length} dev eth0{nodad}")
        self.ip("outside", *(f"addr add {ADDRESSES[name][place]}/{single} dev lo{nodad}" for name in OUTSIDE[1:]))
        peer = ADDRESSES["peer"][place]
        self.ip("host", f"route add {BLOCKS_OF_PEER[place]} via {peer}", f"route add default via {peer}")
        self.ip("outside", f"route add default via {ADDRESSES['host'][place]}")

    def assert_answers(self, source: str, target: str) -> None:
        """Wait until an address refuses a connection: neighbors are resolved, and new IPv6 addresses work."""
        with self.namespaces[source].entered():
            probe = socket.socket(socket.AF_INET6 if ":" in target else socket.AF_INET)
        probe.settimeout(0.5)

        def refused() -> bool:
            try:
                probe.connect((target, 1))
            except ConnectionRefusedError:
                return True
            except OSError:
                pass
            return False

        with probe:
            wait_until(f"{target} answers {source}", refused)

    def remove(self) -> None:
        for namespace in self.namespaces.values():
            namespace.close()
        for full in self.names.values():
            subprocess.run(["ip", "netns", "delete", full], check=False)

    def ip(self, name: str, *commands: str) -> None:
        run("ip", "-n", self.names[name], "-batch", "-", text="\n".join(commands))

    def route(self, target: str) -> str:
        """The route of the host to an address, as the kernel prints it."""
        return run("ip", "-n", self.names["host"], "route", "get", target)

    def forget_paths(self, version: int) -> None:
        """Forget the MTU of all paths."""
        run("ip", "-n", self.names["host"], f"-{version}", "route", "flush", "cache")

    def nft(self, text: str) -> None:
        run("ip", "netns", "exec", self.names["host"], "nft", "-f", "-", text=text)

    def rules_that_dropped(self) -> set[str]:
        """The comments of the rules that dropped a packet since they were loaded."""
        listed = run("ip", "netns", "exec", self.names["host"], "nft", "list", "ruleset").splitlines()
        return {
            line.split('"')[-2]
            for line in listed
            if "counter packets" in line and " drop comment " in line and "counter packets 0 " not in line
        }

    def load(self, text: str) -> None:
        """Replace all rules. A port is published in any case."""
        docker = [
            DOCKER.replace("FAMILY", family).replace("PORT", port).replace("WORLD", world)
            for family, port, world in zip(
                ("ip", "ip6"), ("10.64.1.2:80", "[fd00:64:0:1::2]:80"), ADDRESSES["world"], strict=True
            )
        ]
        self.nft(f"flush ruleset\n{''.join(docker)}{text}")

    def bridge_nf(self, on: bool) -> None:
        """Whether frames within a bridge pass the rules."""
        with self.namespaces["host"].entered():
            for version in ("ip", "ip6"):
                pathlib.Path(f"/proc/sys/net/bridge/bridge-nf-call-{version}tables").write_text(str(int(on)))

    def link_local(self, name: str, interface: str = "eth0") -> str:
        """The link-local address of an interface."""
        with self.namespaces[name].entered():
            lines = pathlib.Path("/proc/thread-self/net/if_inet6").read_text(encoding="ascii").splitlines()
        text = next(line for line in lines if line.split()[3] == "20" and line.split()[5] == interface)
        return ":".join(text[at : at + 4] for at in range(0, 32, 4))

    # --- packets ------------------------------------------------------------------------------------------------------

    def _place_of(self, name: str) -> tuple[str, str]:
        """The namespace and interface of a name of ``ADDRESSES``."""
        return ("outside", "eth0") if name in OUTSIDE else (name, "eth0")

    def raw(self, name: str, interface: str) -> socket.socket:
        with self.namespaces[name].entered():
            opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        opened.bind((interface, 3))
        opened.settimeout(0.2)
        return opened

    def mac(self, name: str, interface: str = "eth0") -> bytes:
        with self.raw(name, interface) as opened:
            return bytes(opened.getsockname()[4])

    def arrival(self, target: str) -> socket.socket:
        """A socket that receives what arrives: at the host behind its rules, at others on the interface."""
        if not target.startswith("host"):
            return self.raw(*self._place_of(target))
        family, protocol = {
            "host4": (socket.AF_INET, packets.UDP),
            "host4-icmp": (socket.AF_INET, packets.ICMP),
            "host6": (socket.AF_INET6, packets.UDP),
            "host6-icmp": (socket.AF_INET6, packets.ICMP6),
        }[target]
        with self.namespaces["host"].entered():
            opened = socket.socket(family, socket.SOCK_RAW, protocol)
        opened.settimeout(0.2)
        return opened

    def send(
        self,
        sender: str,
        packet: t.Callable[[bytes], bytes],
        target: str,
        to: bytes | None = None,
        limit: float = 5,
        mark: bytes = b"",
    ) -> Trip:
        """Send a packet from the interface of ``sender`` to its gateway, or to the MAC address ``to``.

        ``packet`` returns it with the data by which it is recognized. ``limit`` is the time to arrive, in seconds.
        """
        mark = mark or secrets.token_hex(8).encode()
        namespace, interface = self._place_of(sender)
        bridge = "eth0" if namespace == "outside" else BRIDGES[sender]
        link = "eth0" if namespace == "outside" else f"v-{sender}"
        next_hop = to or self.mac("host", bridge)
        with contextlib.ExitStack() as stack:
            leaving = stack.enter_context(self.raw("host", link))
            arriving = stack.enter_context(self.arrival(target))
            outgoing = stack.enter_context(self.raw(namespace, interface))
            outgoing.send(packets.frame(self.mac(namespace, interface), next_hop, packet(mark)))
            return Trip(left=seen(leaving, mark, 5), arrived=seen(arriving, mark, limit))

    def send_itself(self, version: int, target: str, ports: tuple[int, int]) -> Trip:
        """Send a datagram from the host itself, with its underlay address as the source."""
        mark = secrets.token_hex(8).encode()
        with self.namespaces["host"].entered():
            sender = socket.socket(socket.AF_INET if version == 4 else socket.AF_INET6, socket.SOCK_DGRAM)
        with sender, self.arrival(target) as arriving:
            sender.bind((address("host", version), ports[0]))
            sender.sendto(mark, (address(target, version), ports[1]))
            return Trip(left=True, arrived=seen(arriving, mark, 5))


class Trip(t.NamedTuple):
    """Whether a packet left the sender's interface, and whether it arrived."""

    left: bool
    arrived: bool


def seen(opened: socket.socket, data: bytes, limit: float) -> bool:
    opened.settimeout(limit)
    try:
        while data not in opened.recv(4096):
            pass
    except TimeoutError:
        return False
    return True


# --- what tests share -------------------------------------------------------------------------------------------------

Packet = t.Callable[[bytes], bytes]
VERSIONS = pytest.mark.parametrize("version", [4, 6])
FORGED = frozenset(("forged source",))


def address(name: str, version: int) -> str:
    return ADDRESSES[name][0 if version == 4 else 1]


def datagram(version: int, source: str, target: str, ports: tuple[int, int] = (4000, 5432)) -> Packet:
    ends = address(source, version), address(target, version)
    return lambda mark: packets.udp(*ends, *ports, mark)


def open_flow(host: Host, version: int) -> None:
    """web1 sends to db1, which answers."""
    assert host.send("web1", datagram(version, "web1", "db1"), "db1").arrived
    assert host.send("db1", datagram(version, "db1", "web1", (5432, 4000)), "web1").arrived


def assert_dropped(
    host: Host,
    sender: str,
    packet: Packet,
    target: str,
    by: t.AbstractSet[str] = FORGED,
    before: t.Callable[[], object] = bool,
    ipv6: bool = True,
) -> None:
    """Without the rules the packet arrives; with them, the rules with the comments ``by`` drop it.

    ``before`` opens a flow. Without ``ipv6``, the rules are those of a fleet without IPv6.
    """
    host.load("")
    before()
    assert host.send(sender, packet, target) == Trip(left=True, arrived=True)
    host.load(rules(ipv6=ipv6))
    before()
    # The counter shows that the packet was dropped, so the test does not wait for it.
    assert host.send(sender, packet, target, limit=0.05) == Trip(left=True, arrived=False)
    assert host.rules_that_dropped() == by
