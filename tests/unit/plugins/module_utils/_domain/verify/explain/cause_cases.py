# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Causes with their sentences."""

from __future__ import annotations

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.drift.difference import (
    ADDRESS,
    DIFFERENT,
    ROUTE,
    STATE,
    TABLE,
    Difference,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.cause import (
    Cause,
    CauseKind,
    Owner,
)

C = CauseKind

WEB = {"container": "web", "interface": "eth0"}
VETH = {"container": "web", "interface": "veth1"}
INSIDE = {"container": "web", "destination": "10.64.17.2"}
PUBLISHED = {"container": "web", "port": "192.0.2.1:8080"}
FRAMES = {"table": "bridge other", "chain": "c", "rule": "arp operation request drop"}
SPECIFIC = {"destination": "10.64.17.2/32", "gateway": "192.0.2.9", "device": "eth0", "type": "unicast", "table": 77}
LOOKUP = {
    "version": 4, "priority": 100, "source": "10.64.1.2", "destination": None, "incoming": None, "mark": None,
    "mask": None, "table": 77, "action": None, "other": False,
}  # fmt: skip
LINK = {"container": None, "interface": "fn-web"}
RULE = {"table": "ip raw", "chain": "PREROUTING", "rule": "ip saddr 10.64.1.2 drop"}
POLICY = {"table": "ip filter", "chain": "FORWARD", "rule": ""}
TO = {"destination": "10.64.17.2"}
OURS = (Difference(TABLE, "ip fleetnet", "content", None, DIFFERENT),)
GATEWAY = {"container": "web", "bridge": "fn-web"}
ROUTES = (Difference(ROUTE, "10.64.16.0/20 via 192.0.2.2", STATE, "present", None),)
UNSET = (Difference(ADDRESS, "fd00:64:0:1::1/64 dev fn-web", STATE, "present", None),)
OUT = {**TO, "target": "h2", "gateway": "192.0.2.9", "interface": "eth0"}

CAUSES = [
    (Cause(C.NOT_RUNNING, "h1", {"container": "web"}), "container web is not running"),
    (Cause(C.NO_INTERFACE, "h1", {"container": "web"}), "container web has no interface except lo"),
    (Cause(C.INTERFACE_DOWN, "h1", WEB), "interface eth0 of container web is down"),
    (Cause(C.INTERFACE_DOWN, "h1", LINK), "interface fn-web is down"),
    (
        Cause(C.ADDRESS_MISSING, "h1", {**WEB, "address": "10.64.1.2", "observed": ["10.64.1.9/24"]}),
        "interface eth0 of container web does not have address 10.64.1.2; it has 10.64.1.9/24",
    ),
    (
        Cause(C.ADDRESS_MISSING, "h1", {**WEB, "address": "10.64.1.2", "observed": []}),
        "interface eth0 of container web does not have address 10.64.1.2; it has none",
    ),
    (Cause(C.NO_DEFAULT_ROUTE, "h1", WEB), "container web has no default route"),
    (
        Cause(C.NO_GATEWAY, "h1", {**GATEWAY, "gateway": "fd00:64:0:1::1", "length": "64"}, None, UNSET),
        "bridge fn-web does not have address fd00:64:0:1::1, the gateway of container web (address "
        "fd00:64:0:1::1/64 dev fn-web is missing)",
    ),
    (
        Cause(C.NO_GATEWAY, "h1", {**GATEWAY, "gateway": "10.64.1.1", "length": "24"}),
        "bridge fn-web does not have address 10.64.1.1, the gateway of container web",
    ),
    (Cause(C.NO_PEER, "h1", WEB), "interface eth0 of container web has no peer on the host"),
    (
        Cause(C.NOT_ON_BRIDGE, "h1", {**WEB, "bridge": "fn-web"}),
        "interface eth0 of container web is not attached to bridge fn-web",
    ),
    (
        Cause(C.ON_ANOTHER_BRIDGE, "h1", {**WEB, "bridge": "fn-web", "observed": "fn-db"}),
        "interface eth0 of container web is attached to bridge fn-db instead of fn-web",
    ),
    (
        Cause(C.DROPPED, "h1", RULE, Owner.FOREIGN),
        "rule 'ip saddr 10.64.1.2 drop' of table ip raw, chain PREROUTING drops the packet (foreign rule)",
    ),
    (
        Cause(C.QUEUE, "h1", {"interface": "eth0", "container": None, "queue": "clsact", "lost": 5}),
        "queueing discipline clsact of interface eth0 dropped 5 packets during the trace",
    ),
    (
        Cause(C.QUEUE, "h1", {**WEB, "queue": "tbf", "lost": 5}),
        "queueing discipline tbf of interface eth0 of container web dropped 5 packets during the trace",
    ),
    (
        Cause(C.DROPPED, "h1", {**RULE, "rule": "drop"}, Owner.OURS, OURS),
        "rule 'drop' of table ip raw, chain PREROUTING drops the packet (rule of this collection; table ip fleetnet "
        "differs from the plan)",
    ),
    (
        Cause(C.DROPPED, "h1", {**RULE, "rule": "drop"}, Owner.OURS),
        "rule 'drop' of table ip raw, chain PREROUTING drops the packet (rule of this collection; as planned)",
    ),
    (
        Cause(C.NOT_ACCEPTED, "h1", POLICY),
        "the policy of table ip filter, chain FORWARD drops the packet: no rule accepts it",
    ),
    (
        Cause(C.NOT_ACCEPTED, "h1", POLICY, None, OURS),
        "the policy of table ip filter, chain FORWARD drops the packet: no rule accepts it (table ip fleetnet differs "
        "from the plan)",
    ),
    (
        Cause(C.ACCEPTED, "h1", {**RULE, "rule": "accept"}, Owner.OURS),
        "rule 'accept' of table ip raw, chain PREROUTING accepts the packet (rule of this collection)",
    ),
    (
        Cause(C.SOURCE_REWRITTEN, "h1", {**RULE, "rule": "masquerade"}, Owner.DOCKER),
        "rule 'masquerade' of table ip raw, chain PREROUTING changes the source address (Docker's rule)",
    ),
    (
        Cause(C.REDIRECTED, "h1", {**RULE, "rule": "dnat to 1.2.3.4"}, Owner.FOREIGN),
        "rule 'dnat to 1.2.3.4' of table ip raw, chain PREROUTING changes the destination address (foreign rule)",
    ),
    (Cause(C.TABLE_NOT_LOADED, "h1", {"table": "ip fleetnet"}), "table ip fleetnet is not loaded"),
    (
        Cause(C.SAME_BRIDGE, "h1", {"bridge": "docker0"}),
        "both containers are attached to bridge docker0, where no policy applies",
    ),
    (
        Cause(C.PROXIED, "h1", {"container": "web", "port": "192.0.2.1:8080"}),
        "no NAT rule forwards 192.0.2.1:8080, so docker-proxy connects to container web, with the address of the host "
        "itself",
    ),
    (
        Cause(C.NOT_FORWARDING, "h1", {"sysctl": "net.ipv4.ip_forward"}),
        "forwarding is off: net.ipv4.ip_forward is 0",
    ),
    (
        Cause(C.NO_ROUTE, "h1", TO, None, ROUTES),
        "no route to 10.64.17.2 (route 10.64.16.0/20 via 192.0.2.2 is missing)",
    ),
    (Cause(C.UNREACHABLE, "h1", TO), "no route to 10.64.17.2, or the interface does not forward"),
    (
        Cause(C.DROPPING_ROUTE, "h1", {**TO, "type": "blackhole"}),
        "a route of type blackhole drops packets to 10.64.17.2",
    ),
    (
        Cause(C.REVERSE_PATH, "h1", {**TO, "interface": "eth0", "sysctls": ["net.ipv4.conf.eth0.rp_filter"]}),
        "rp_filter drops packets to 10.64.17.2: the route back to the source uses another interface",
    ),
    (
        Cause(C.LOOKUP_FAILED, "h1", {**TO, "error": "File exists"}),
        "the kernel does not route packets to 10.64.17.2: File exists",
    ),
    (Cause(C.WRONG_NEXT_HOP, "h1", OUT), "the route to 10.64.17.2 leads to gateway 192.0.2.9, not to h2"),
    (
        Cause(C.WRONG_NEXT_HOP, "h1", {**OUT, "gateway": None}),
        "the route to 10.64.17.2 leads to interface eth0 without a gateway, not to h2",
    ),
    (
        Cause(C.WRONG_NEIGHBOUR, "h1", {"address": "192.0.2.2", "observed": "02:ff", "target": "h2"}),
        "neighbor 192.0.2.2 has MAC address 02:ff, which h2 does not have",
    ),
    (
        Cause(
            C.WRONG_NEIGHBOUR, "h1", {"address": "10.0.0.2", "observed": "02:ff", "container": "web", "mac": "aa:h2"}
        ),
        "neighbor 10.0.0.2 has MAC address 02:ff, container web has aa:h2",
    ),
    (
        Cause(C.NO_NEIGHBOUR, "h1", {"address": "10.64.17.2", "protocol": "ARP"}),
        "neighbor 10.64.17.2 does not answer ARP",
    ),
    (
        Cause(C.QUEUE, "h1", {"interface": "eth0", "container": None, "queue": "netem", "lost": 5}),
        "queueing discipline netem of interface eth0 dropped 5 packets during the trace",
    ),
    (
        Cause(C.FRAMES_DROPPED, "h1", {**FRAMES, "protocol": "ARP"}),
        "rule 'arp operation request drop' of table bridge other, chain c drops ARP between the neighbors",
    ),
    (
        Cause(C.FRAMES_DROPPED, "h1", {**FRAMES, "rule": "", "protocol": None}),
        "the policy of table bridge other, chain c drops the packet",
    ),
    (
        Cause(C.PORT_BLOCKED, "h1", {**VETH, "bridge": "fn-web", "state": "disabled"}),
        "interface veth1 of container web, a port of bridge fn-web, is in state disabled and does not forward",
    ),
    (
        Cause(C.PORTS_ISOLATED, "h1", {"bridge": "fn-web", "interfaces": ["veth1", "veth2"]}),
        "interfaces veth1 and veth2 are isolated ports of bridge fn-web, which forwards nothing between these",
    ),
    (
        Cause(C.DUPLICATE_ADDRESS, "h1", {"address": "10.64.1.2", "owners": ["container web", "container copy"]}),
        "container web and container copy have the same address 10.64.1.2",
    ),
    (
        Cause(C.DROPPED_INSIDE, "h1", {"container": "web", **RULE}),
        "rule 'ip saddr 10.64.1.2 drop' of table ip raw, chain PREROUTING drops the packet in the network namespace of "
        "container web",
    ),
    (
        Cause(C.WRONG_ROUTE_INSIDE, "h1", {**INSIDE, "gateway": "10.0.0.9", "interface": "e", "declared": "10.0.0.1"}),
        "the route of container web to 10.64.17.2 leads to gateway 10.0.0.9, not to gateway 10.0.0.1",
    ),
    (
        Cause(C.WRONG_ROUTE_INSIDE, "h1", {**INSIDE, "gateway": None, "interface": "lo", "declared": None}),
        "the route of container web to 10.64.17.2 leads to interface lo without a gateway, not to its neighbor",
    ),
    (
        Cause(C.WRONG_ROUTE_INSIDE, "h1", {**INSIDE, "error": "Invalid argument"}),
        "the route of container web to 10.64.17.2 is missing or drops packets: Invalid argument",
    ),
    (
        Cause(C.WRONG_ROUTE_INSIDE, "h1", {**INSIDE, "type": "prohibit"}),
        "the route of container web to 10.64.17.2 is of type prohibit and drops packets",
    ),
    (
        Cause(C.NO_DNS_RULES, "h1", {"container": "web"}),
        "container web has no rules that forward its queries to Docker's DNS server",
    ),
    (
        Cause(C.PORT_HELD, "h1", {**PUBLISHED, "process": "nginx", "pid": 17}),
        "process nginx (PID 17) holds 192.0.2.1:8080, and no NAT rule forwards the port to container web",
    ),
    (
        Cause(C.NOT_PUBLISHED, "h1", PUBLISHED),
        "neither a NAT rule nor docker-proxy forwards 192.0.2.1:8080 to container web",
    ),
    (
        Cause(C.UNTRACKED, "h1", {**RULE, "rule": "notrack"}, Owner.FOREIGN),
        "rule 'notrack' of table ip raw, chain PREROUTING separates packets from the connections that the kernel "
        "tracks (foreign rule)",
    ),
    (
        Cause(C.WRONG_NEIGHBOUR, "h1", {"inside": "web", "address": "10.64.1.1", "observed": "02:ff", "mac": "02:b"}),
        "neighbor 10.64.1.1 has MAC address 02:ff, for container web; it must have 02:b",
    ),
    (
        Cause(C.NO_NEIGHBOUR, "h1", {"inside": "web", "address": "10.64.1.1", "protocol": "ARP"}),
        "neighbor 10.64.1.1 does not answer ARP of container web",
    ),
    (
        Cause(C.CONNECTIONS_FULL, "h1", {"count": 99, "most": 100, "lost": 7}),
        "connection tracking is full (99 of 100 connections) and dropped 7 packets during the trace",
    ),
    (
        Cause(C.WRONG_NEXT_HOP, "h1", {**OUT, "route": SPECIFIC, "routing_rule": LOOKUP}, None, ROUTES),
        "the route to 10.64.17.2 leads to gateway 192.0.2.9, not to h2 (route 10.64.16.0/20 via 192.0.2.2 is missing; "
        "by route 10.64.17.2/32 via 192.0.2.9 dev eth0 table 77; by routing rule from 10.64.1.2 lookup 77 priority "
        "100)",
    ),
    (Cause(C.SMALL_MTU, "h1", {**LINK, "mtu": 1300}), "interface fn-web has an MTU of 1300 bytes"),
    (Cause(C.SMALL_MTU, "h1", {**WEB, "mtu": 1400}), "interface eth0 of container web has an MTU of 1400 bytes"),
    (
        Cause(C.DIFFERENT, "h1", {}, None, OURS + ROUTES),
        "table ip fleetnet differs from the plan; route 10.64.16.0/20 via 192.0.2.2 is missing",
    ),
]
