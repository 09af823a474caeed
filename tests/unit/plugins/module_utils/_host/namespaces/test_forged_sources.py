# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Packets with forged sources against the compiled rules, in the kernel.

Each is seen leaving its sender, arrives without the rules, and is dropped by the rule that is for it.
"""

from __future__ import annotations

import pathlib
import secrets
import struct
import typing as t

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.filled_sets import (
    BRIDGES as BRIDGES_SET,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.filled_sets import (
    ENDPOINTS,
    NO_ELEMENTS,
    elements_text,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.names import TABLES
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.reconciler.endpoints import all_elements
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.reconciler.tables import table_blocks

from . import packets
from .bridges import (
    ADDRESSES,
    BRIDGES,
    FLEET,
    FORGED,
    UNDECLARED,
    VERSIONS,
    Host,
    Packet,
    Trip,
    address,
    assert_dropped,
    datagram,
    open_flow,
    rules,
)

# --- sources of bridges -----------------------------------------------------------------------------------------------


@VERSIONS
@pytest.mark.parametrize(
    ("sender", "source", "target"),
    [
        # a network of limited egress, an internal and an undeclared network, to the host
        ("db1", "anywhere", "host"),
        ("db1", "peer", "host"),
        ("db1", "web1", "host"),
        ("inner1", "anywhere", "host"),
        ("inner1", "web1", "host"),
        ("other1", "web1", "host"),
        ("other1", "anywhere", "host"),
        # an address that a line allows, or the network itself
        ("lab1", "world", "db1"),
        ("lab1", "web1", "db1"),
        ("lab1", "peer_web", "db1"),
        ("other1", "world", "db1"),
        ("other1", "web1", "db1"),
        ("inner1", "web1", "db1"),
        # to a peer and the outside
        ("lab1", "web1", "peer_db"),
        ("db1", "anywhere", "world"),
        ("db1", "web1", "world"),
        ("inner1", "web1", "world"),
    ],
)
def test_a_bridge_is_bound_to_its_own_sources(host: Host, version: int, sender: str, source: str, target: str) -> None:
    receiver = f"host{version}" if target == "host" else target
    assert_dropped(host, sender, datagram(version, source, target), receiver)


@VERSIONS
@pytest.mark.parametrize(
    ("sender", "source", "target", "ports"),
    [("lab1", "web1", "db1", (4000, 5432)), ("lab1", "db1", "web1", (5432, 4000)),
     ("inner1", "web1", "db1", (4000, 5432)), ("other1", "db1", "web1", (5432, 4000))],
)  # fmt: skip
def test_a_forged_packet_does_not_enter_an_established_flow(
    host: Host, version: int, sender: str, source: str, target: str, ports: tuple[int, int]
) -> None:
    packet = datagram(version, source, target, ports)
    assert_dropped(host, sender, packet, target, before=lambda: open_flow(host, version))


@VERSIONS
def test_a_container_on_several_networks_answers_by_any_of_them(host: Host, version: int) -> None:
    """lab1 has an address of web as well, and its default route leads to the bridge of lab."""
    mac = host.mac("lab1").hex(":")
    element = f'"fn-lab" . {mac} . {address("web1", version)}'

    def load(found: str) -> None:
        table, text = TABLES[version], rules()
        elements = {**NO_ELEMENTS, (table.split()[0], ENDPOINTS): frozenset((found,))}
        host.load(text + elements_text(table, table_blocks(text)[table], elements))

    load(element)
    packet = datagram(version, "web1", "db1")
    assert host.send("lab1", packet, "db1") == Trip(left=True, arrived=True)
    assert host.rules_that_dropped() == set()
    # the pair counts: another address, container or network is forged
    for other in (element.replace(mac, "02:00:00:00:00:01"), element.replace("fn-lab", "fn-web")):
        load(other)
        assert host.send("lab1", packet, "db1", limit=0.05) == Trip(left=True, arrived=False)
        assert host.rules_that_dropped() == FORGED


@VERSIONS
@pytest.mark.parametrize("source", ["web2", "lab1", "unused"])
def test_the_underlay_has_no_source_of_the_hosts_own_block(host: Host, version: int, source: str) -> None:
    assert_dropped(host, "peer", datagram(version, source, "web1"), "web1")


# ``kept`` has the subnets of a bridge that is not declared. No interface has an address of ``down``.
KEPT = {"kept": ["172.29.0.0/24", "fd00:29::/64"], "down": ["172.28.0.0/24", "fd00:28::/64"]}


KEPT_BY = pytest.mark.parametrize("keeper", ["h1", "h2"], ids=["own", "peer"])


def kept_rules(keeper: str = "h1", to_kept: bool = False) -> str:
    """The rules of a host. ``keeper``, this one or another, has networks of these subnets, which may use db.

    ``to_kept``: db may use them.
    """
    networks = [*FLEET["networks"], *({"name": name, "subnets": {keeper: subnets}} for name, subnets in KEPT.items())]
    ends = ("to", "from") if to_kept else ("from", "to")
    return rules(networks=networks, policy=[dict(zip(ends, (name, "db"), strict=True)) for name in KEPT])


@VERSIONS
@KEPT_BY
def test_a_kept_subnet_belongs_to_the_bridge_of_its_network(host: Host, version: int, keeper: str) -> None:
    """Docker gives the subnet of a removed network, or of a network on another host, to the next one.

    The reconciler knows a network by its name.
    """
    packet = datagram(version, "other1", "db1")
    table, text = TABLES[version], kept_rules(keeper)
    host.load(text)
    assert host.send("other1", packet, "db1", limit=0.05) == Trip(left=True, arrived=False)
    assert host.rules_that_dropped() == FORGED
    elements = {**NO_ELEMENTS, (table.split()[0], BRIDGES_SET): frozenset((f'"{UNDECLARED}"',))}
    host.load(text + elements_text(table, table_blocks(text)[table], elements))
    assert host.send("other1", packet, "db1") == Trip(left=True, arrived=True)


def from_down(version: int) -> Packet:
    """A datagram of the network ``down`` to db."""
    source = ("172.28.0.9", "fd00:28::9")[version == 6]
    return lambda mark: packets.udp(source, address("db1", version), 4000, 5432, mark)


@VERSIONS
def test_a_kept_subnet_is_no_source_from_outside_while_its_network_does_not_exist(host: Host, version: int) -> None:
    """The default route leads there, so that the route back does not show it."""
    host.load(kept_rules())
    assert host.send("peer", from_down(version), "db1", limit=0.05) == Trip(left=True, arrived=False)
    assert host.rules_that_dropped() == FORGED


@VERSIONS
@KEPT_BY
@pytest.mark.parametrize("reply", [False, True])
def test_a_kept_subnet_leads_to_the_bridge_of_its_network(host: Host, version: int, keeper: str, reply: bool) -> None:
    """Not to another network that has the subnet, also in a flow that began before."""
    table, text = TABLES[version], kept_rules(keeper, to_kept=True)
    ports = (5432, 4000) if reply else (4000, 5432)
    packet = datagram(version, "db1", "other1", ports)
    if reply:
        host.load("")
        assert host.send("other1", datagram(version, "other1", "db1"), "db1").arrived
    host.load(text)
    assert host.send("db1", packet, "other1", limit=0.05) == Trip(left=True, arrived=False)
    assert "undeclared network" in host.rules_that_dropped()  # and errors that other1 sends
    elements = {**NO_ELEMENTS, (table.split()[0], BRIDGES_SET): frozenset((f'"{UNDECLARED}"',))}
    host.load(text + elements_text(table, table_blocks(text)[table], elements))
    assert host.send("db1", packet, "other1") == Trip(left=True, arrived=True)


@VERSIONS
@KEPT_BY
@pytest.mark.parametrize("declared", [False, True])
def test_a_container_on_several_networks_uses_a_kept_subnet_only_if_its_network_is_declared(
    host: Host, version: int, keeper: str, declared: bool
) -> None:
    """other1 is also on a network that has the subnet of ``down``."""
    table, text = TABLES[version], kept_rules(keeper)
    networks = [
        {"Id": UNDECLARED[3:], "Name": "other", "Driver": "bridge", "Internal": False},
        {"Id": "f" * 64, "Name": "down" if declared else "another", "Driver": "bridge", "Internal": False},
    ]
    ends = {
        "other": {"NetworkID": UNDECLARED[3:], "MacAddress": host.mac("other1").hex(":")},
        "another": {"NetworkID": "f" * 64, "MacAddress": "02:00:00:00:00:01", "IPAddress": "172.28.0.9",
                    "GlobalIPv6Address": "fd00:28::9"},
    }  # fmt: skip
    block = table_blocks(text)[table]
    elements = all_elements([{"NetworkSettings": {"Networks": ends}}], networks, [], {table: block})
    host.load(text + elements_text(table, block, elements))
    trip = host.send("other1", from_down(version), "db1", limit=5 if declared else 0.05)
    assert trip == Trip(left=True, arrived=declared)
    assert declared or host.rules_that_dropped() == FORGED


@pytest.mark.parametrize(("version", "group"), [(4, "224.0.0.251"), (6, "ff02::1"), (4, "172.29.0.255")])
@pytest.mark.parametrize("egress", [None, "policy"])
def test_multicast_within_the_new_bridge_of_an_adopted_network_passes(
    bed: Host, version: int, group: str, egress: str | None
) -> None:
    """Neighbor discovery is, and br_netfilter passes it to the forward hook."""
    kept = {"name": "kept", "adopt": True, "subnets": {"h1": KEPT["kept"]}, **({"egress": egress} if egress else {})}
    text, network = rules(networks=["web", kept], policy=[]), {"Id": UNDECLARED[3:], "Name": "kept"}
    # of both IP versions: at any time, the kernel of a container sends packets of its own over IPv6
    blocks = {table: table_blocks(text)[table] for table in TABLES.values()}
    elements = all_elements([], [{**network, "Driver": "bridge", "Internal": False}], [], blocks)
    bed.bridge_nf(on=True)
    bed.load(text + "".join(elements_text(*each, elements) for each in blocks.items()))
    source = address("other1", version)
    to = b"\xff" * 6 if group.endswith(".255") else b"\x01\0\x5e\0\0\xfb" if version == 4 else b"\x33\x33\0\0\0\1"
    trip = bed.send("other1", lambda mark: packets.udp(source, group, 4000, 5353, mark), "other2", to=to)
    assert trip == Trip(left=True, arrived=True)
    assert bed.rules_that_dropped() <= {"not declared: kept -> host"}  # to the host itself


@VERSIONS
def test_a_subnet_that_another_host_keeps_is_a_source_from_there(host: Host, version: int) -> None:
    host.load(kept_rules("h2"))
    assert host.send("peer", from_down(version), "db1") == Trip(left=True, arrived=True)


@pytest.mark.parametrize("target", ["fe80", "underlay"])
def test_a_limited_network_reaches_the_host_from_no_link_local_address(host: Host, target: str) -> None:
    link_local = {name: host.link_local(*place) for name, place in
                  {"db1": ("db1", "eth0"), "host": ("host", "fn-db")}.items()}  # fmt: skip
    ends = link_local["db1"], link_local["host"] if target == "fe80" else address("host", 6)
    assert_dropped(host, "db1", lambda mark: packets.udp(*ends, 4000, 22, mark), "host6", {"not declared: db -> host"})


def test_a_limited_network_of_a_fleet_without_ipv6_reaches_the_host_from_no_link_local_address(host: Host) -> None:
    ends = host.link_local("db1"), host.link_local("host", "fn-db")
    host.load(rules(ipv6=False))
    trip = host.send("db1", lambda mark: packets.udp(*ends, 4000, 22, mark), "host6", limit=0.05)
    assert trip == Trip(left=True, arrived=False)
    assert host.rules_that_dropped() == {"no IPv6"}
    # neighbors are resolved, and other networks are not limited
    ends = host.link_local("web1"), host.link_local("host", "fn-web")
    assert host.send("web1", lambda mark: packets.udp(*ends, 4000, 22, mark), "host6") == Trip(left=True, arrived=True)
    assert host.rules_that_dropped() == {"no IPv6"}


def test_a_limited_network_sends_the_host_no_broadcast(host: Host) -> None:
    def packet(mark: bytes) -> bytes:
        return packets.udp("0.0.0.0", "255.255.255.255", 68, 67, mark)

    assert_dropped(host, "db1", packet, "host4", {"not declared: db -> host"})


def test_a_container_sends_no_router_advertisement(host: Host) -> None:
    source = host.link_local("web1", "eth0")

    def packet(mark: bytes) -> bytes:
        return packets.icmp(source, "ff02::1", packets.ROUTER_ADVERTISEMENT, 0, b"\0" * 8 + mark)

    assert_dropped(host, "web1", packet, "host6-icmp", {"router advertisement"})


# --- rare packets -----------------------------------------------------------------------------------------------------

# SCTP, GRE, ESP, UDP-Lite and one for experiments.
PROTOCOLS = pytest.mark.parametrize("protocol", [132, 47, 50, 136, 253])


@VERSIONS
@PROTOCOLS
@pytest.mark.parametrize(("source", "by"), [("web1", FORGED), ("lab1", {"not declared"})])
def test_no_other_protocol_passes(host: Host, version: int, protocol: int, source: str, by: t.AbstractSet[str]) -> None:
    """Neither from a forged source, nor from the sender's own. Each has ports where UDP has them."""
    ends = address(source, version), address("db1", version)
    ports = bytes.fromhex("0fa01538")
    assert_dropped(host, "lab1", lambda mark: packets.other(*ends, protocol, ports + mark), "db1", by)


@pytest.mark.parametrize("headers", [[0], [60], [43], [0, 60, 43]], ids=str)
@pytest.mark.parametrize(("source", "by"), [("web1", FORGED), ("lab1", {"not declared"})])
def test_extension_headers_hide_nothing(host: Host, headers: list[int], source: str, by: t.AbstractSet[str]) -> None:
    sent = datagram(6, source, "db1")
    assert_dropped(host, "lab1", lambda mark: packets.extended(sent(mark), headers), "db1", by)


@VERSIONS
@pytest.mark.parametrize(("source", "by"), [("web1", FORGED), ("lab1", {"not declared"})])
def test_fragments_hide_nothing(host: Host, version: int, source: str, by: t.AbstractSet[str]) -> None:
    """The second fragment has the mark. The host reassembles the datagram before its rules."""
    sent: list[bytes] = []

    def first_fragment() -> None:
        mark = secrets.token_hex(8).encode()
        sent[:] = [*packets.fragments(datagram(version, source, "db1")(mark)), mark]
        with host.raw("lab1", "eth0") as interface:
            interface.send(packets.frame(host.mac("lab1"), host.mac("host", "fn-lab"), sent[0]))

    for text, arrives in (("", True), (rules(), False)):
        host.load(text)
        first_fragment()
        trip = host.send("lab1", lambda _mark: sent[1], "db1", limit=5 if arrives else 0.05, mark=sent[2])
        assert trip == Trip(left=True, arrived=arrives)
    assert host.rules_that_dropped() == by


@pytest.mark.parametrize(("version", "group"), [(4, "224.0.0.1"), (6, "ff02::1")])
def test_multicast_reaches_the_host_from_no_forged_source(host: Host, version: int, group: str) -> None:
    source = address("web1", version)
    assert_dropped(host, "lab1", lambda mark: packets.udp(source, group, 4000, 5353, mark), f"host{version}")


# --- what must pass ---------------------------------------------------------------------------------------------------


@VERSIONS
@pytest.mark.parametrize(
    ("sender", "target", "ports"),
    [
        ("web1", "db1", (4000, 5432)),
        ("web1", "host", (4000, 53)),
        ("lab1", "host", (4000, 53)),
        ("inner1", "host", (4000, 53)),
        ("other1", "host", (4000, 53)),
        ("web1", "peer_web", (4000, 80)),
        ("web1", "peer", (4000, 80)),
        ("peer_web", "web1", (4000, 80)),
        ("peer_web", "db1", (4000, 5432)),
        ("world", "db1", (4000, 1)),
        ("peer", "host", (4000, 80)),
        ("peer_web", "host", (4000, 80)),
    ],
)
def test_declared_packets_pass(ruled: Host, version: int, sender: str, target: str, ports: tuple[int, int]) -> None:
    receiver = f"host{version}" if target == "host" else target
    assert ruled.send(sender, datagram(version, sender, target, ports), receiver) == Trip(True, True)
    assert not ruled.rules_that_dropped()


@VERSIONS
def test_frames_within_a_bridge_pass(ruled: Host, version: int) -> None:
    assert ruled.send("web1", datagram(version, "web1", "web2"), "web2", to=ruled.mac("web2")) == Trip(True, True)
    assert not ruled.rules_that_dropped()


@pytest.mark.parametrize("source", ["::", "link-local"])
def test_neighbor_discovery_within_a_bridge_passes(ruled: Host, source: str) -> None:
    own = ruled.link_local("web1", "eth0") if source == "link-local" else source
    target = b"".join(bytes.fromhex(part) for part in ("fd000064", "00000001", "00000000", "00000003"))

    def solicitation(mark: bytes) -> bytes:
        # an unknown option carries the mark
        return packets.icmp(own, "ff02::1", (135, 0), 0, target + b"\xfd\x03" + mark.ljust(22, b"\0"))

    assert ruled.send("web1", solicitation, "web2", to=b"\x33\x33\0\0\0\x01") == Trip(True, True)
    assert not ruled.rules_that_dropped()


@VERSIONS
def test_flows_of_the_outside_pass(ruled: Host, version: int) -> None:
    """Published ports, and masqueraded packets to the world, with their replies."""
    assert ruled.send("world", datagram(version, "world", "host", (4000, 8080)), "web1") == Trip(True, True)
    reply = datagram(version, "web1", "world", (80, 4000))
    assert ruled.send("web1", reply, "world") == Trip(True, True)
    assert ruled.send("web1", datagram(version, "web1", "world", (4001, 53)), "world") == Trip(True, True)
    reply = datagram(version, "world", "host", (53, 4001))
    assert ruled.send("world", reply, "web1") == Trip(True, True)
    assert not ruled.rules_that_dropped()


@VERSIONS
def test_the_host_reaches_its_own_addresses_and_containers(ruled: Host, version: int) -> None:
    gateway = f"{address('web1', version)[:-1]}1"
    for target in (address("web1", version), address("host", version), gateway):
        ruled.assert_answers("host", target)
    assert not ruled.rules_that_dropped()


def tcp(source: str, target: str, port: int) -> t.Callable[[bytes], bytes]:
    """A segment with a wrong checksum, which no rule looks at."""
    header = struct.pack("!HHIIBBHHH", 4000, port, 1, 0, 5 << 4, 2, 1000, 0, 0)
    return lambda mark: packets.other(source, target, 6, header + mark)


@pytest.mark.parametrize("ipv6", [True, False], ids=["", "fleet without IPv6"])
@pytest.mark.parametrize("sender", ["web1", "inner1"])
def test_a_container_reaches_the_remote_api_from_no_link_local_address(host: Host, sender: str, ipv6: bool) -> None:
    ends = host.link_local(sender), host.link_local("host", BRIDGES[sender])
    host.load(rules(ipv6=ipv6))
    for port in (2375, 2376):
        assert host.send(sender, tcp(*ends, port), "host6", limit=0.05).left
        assert host.rules_that_dropped() == ({"containers -> remote API"} if port == 2376 else set())


@pytest.mark.parametrize("ipv6", [True, False], ids=["", "fleet without IPv6"])
def test_closed_metadata_is_closed_in_both_versions(host: Host, ipv6: bool) -> None:
    host.load(rules(ipv6=ipv6, cloud_metadata="closed"))
    assert host.send("other1", tcp(address("other1", 6), "fd00:ec2::254", 80), "world", limit=0.05).left
    assert host.rules_that_dropped() == {"closed: cloud metadata"}


def test_containers_of_a_limited_network_find_each_other(ruled: Host) -> None:
    """br_netfilter passes neighbor discovery to the forward hook, and to it, a multicast address is outside."""
    ruled.load(rules(policy=[{"from": "web", "to": "198.51.100.1"}], supernet_v6="fd00:64::/32"))
    for name in ("web1", "web2"):
        ruled.ip(name, "neigh flush dev eth0")
    for version in (4, 6):
        ruled.assert_answers("web1", address("web2", version))
    assert ruled.rules_that_dropped() == set()


@VERSIONS
def test_an_undeclared_network_is_closed_in_both_versions(host: Host, version: int) -> None:
    for source in ("lab1", "web1"):
        assert_dropped(host, source, datagram(version, source, "other1"), "other1", {"undeclared network"})


@VERSIONS
def test_a_line_to_the_world_opens_no_undeclared_network(host: Host, version: int) -> None:
    line = {"from": "db", "to": "world", "protocol": "udp"}
    host.load(rules(policy=[line]))
    assert host.send("db1", datagram(version, "db1", "world"), "world").arrived
    assert host.send("db1", datagram(version, "db1", "other1"), "other1", limit=0.05) == (True, False)
    assert host.rules_that_dropped() == {"undeclared network"}
    # A line names addresses of such a network.
    host.load(rules(policy=[line, {"from": "db", "to": list(ADDRESSES["other1"]), "protocol": "udp"}]))
    assert host.send("db1", datagram(version, "db1", "other1"), "other1").arrived


@VERSIONS
def test_a_bridge_that_is_not_dockers_is_the_world(host: Host, version: int) -> None:
    host.load(rules(policy=[{"from": "db", "to": "world"}], other_bridges=[UNDECLARED]))
    for source in ("lab1", "db1"):
        assert host.send(source, datagram(version, source, "other1"), "other1").arrived


@pytest.mark.parametrize("sender", ["lab1", "db1", "other1"])
def test_a_container_reaches_no_loopback_address_of_the_host(host: Host, sender: str) -> None:
    """With this switch, which the engine sets without docker-proxy, the kernel accepts such packets."""
    with host.namespaces["host"].entered():
        switch = pathlib.Path(f"/proc/sys/net/ipv4/conf/{BRIDGES[sender]}/route_localnet")
        switch.write_text("1", "ascii")

    def packet(mark: bytes) -> bytes:
        return packets.udp(address(sender, 4), "127.0.0.1", 4000, 53, mark)

    assert_dropped(host, sender, packet, "host4", {"loopback address of the host"})


@VERSIONS
@pytest.mark.parametrize("last", range(16))
@pytest.mark.parametrize("ipv6", [True, False], ids=["dual stack", "no IPv6"])
def test_a_frame_to_a_reserved_group_address_reaches_no_host(host: Host, version: int, last: int, ipv6: bool) -> None:
    """A bridge hands it to the host as from the container's port."""
    source = host.link_local("db1") if version == 6 else address("anywhere", 4)
    to = bytes((0x01, 0x80, 0xC2, 0, 0, last))

    def packet(mark: bytes) -> bytes:
        return packets.udp(source, address("host", version), 4000, 53, mark)

    host.load(rules(ipv6=ipv6))
    assert host.send("db1", packet, f"host{version}", to=to, limit=0.05) == (True, False)
