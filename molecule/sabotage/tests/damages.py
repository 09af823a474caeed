# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Manual damage to a host: the commands that damage and repair it, and the cause that verification must report.

Damage affects the flows of one CONTAINER, ``web`` or ``db``, of both, or of none. Commands use: OWN, OTHER and THIRD,
addresses of this container here and on the two other hosts; OTHER_HOST and THIRD_HOST, their hosts' addresses; NOWHERE,
an address that no machine of the underlay has; BLOCK, the other host's block; GATEWAY, BRIDGE and VETH, of the
container here; ELSEWHERE, the bridge of the other container; FOREIGN, the name of a table; ``inside``, which runs a
command in the container's network namespace; and ``mac_of``, which prints the MAC address of the container with a PID.
Those of IPv6 end in a 6: OWN6, BLOCK6.
"""

from __future__ import annotations

import typing as t

PRELUDE = r"""
pid=$(docker inspect -f '{{{{.State.Pid}}}}' {container})
inside() {{ nsenter -t "$pid" -n "$@"; }}
mac_of() {{ nsenter -t "$1" -n ip -o link show dev eth0 | sed 's/.*ether \([^ ]*\).*/\1/'; }}
index=$(inside ip -o link show dev eth0 | sed 's/.*eth0@if\([0-9]*\):.*/\1/')
VETH=$(ip -o link | awk -v i="$index:" '$1 == i {{ sub("@.*", "", $2); print $2 }}')
OWN={own} OTHER={other} THIRD={third} OTHER_HOST={other_host} THIRD_HOST={third_host} BLOCK={block} GATEWAY={gateway}
OWN6={own6} OTHER6={other6} THIRD6={third6} OTHER_HOST6={other_host6} THIRD_HOST6={third_host6} BLOCK6={block6}
GATEWAY6={gateway6} NOWHERE={nowhere} NOWHERE6={nowhere6} CONTAINER={container} BRIDGE={bridge} ELSEWHERE={elsewhere}
FOREIGN={foreign}
"""


class Damage(t.NamedTuple):
    """``cause`` is a regular expression for the cause or finding that the report must contain.

    ``{host}`` in it is the damaged host, ``{container}`` the container. Damage that makes the plan fail stops
    verification before it probes, and is done ``alone``. Damage that hides others on its host is the ``only`` one of
    its host. ``every``: it affects the flows of all containers. Damage to a link affects the flows of both IP versions.
    ``iptables``: it requires an engine with the iptables backend.
    """

    command: str
    repair: str
    cause: str
    alone: bool = False
    only: bool = False
    every: bool = False
    versions: tuple[int, ...] = (4,)
    iptables: bool = False


def table(name: str, chain: str, rule: str) -> tuple[str, str]:
    """Return commands that add and delete a foreign table with one rule."""
    family, _blank, own = name.partition(" ")
    text = f"table {family} {own} {{ chain c {{ {chain}; policy accept; {rule}; }}; }}"
    return f'nft "{text}"', f"nft delete table {family} {own}"


def _rule(table: str, chain: str, rule: str, iptables: str = "iptables") -> tuple[str, str]:
    """Return commands that insert and delete a rule at the top of a chain of iptables."""
    return f"{iptables} -t {table} -I {chain} {rule}", f"{iptables} -t {table} -D {chain} {rule}"


FOREIGN, OURS = r"drops the packet \(foreign rule", r"drops the packet \(rule of this collection"
DIFFERS4, DIFFERS6 = (rf"table {family} fleetnet (differs from the plan|is missing)" for family in ("ip", "ip6"))
ROUTES = "ip -force -batch /etc/fleetnet/routes"
RULES = "/etc/fleetnet/apply-firewall"
BACK = "inside ip route replace default via $GATEWAY; inside ip route replace default via $GATEWAY6"
# Addresses and routes that the kernel removes when an interface goes down.
BRIDGE_BACK = "/etc/fleetnet/apply-routes"
INSIDE_BACK = f"inside ip address replace $OWN6/64 dev eth0 nodad; {BACK}"

DAMAGES = {
    "route deleted": Damage(
        "ip route del $BLOCK", ROUTES,
        r"{host}: the route to \S+ leads to gateway \S+, not to \w+ \(route {block} via \S+ is missing",
        every=True,
    ),
    "route by a wrong next hop": Damage(
        "ip route replace $BLOCK via $NOWHERE proto 213", ROUTES,
        r"{host}: the route to \S+ leads to gateway {nowhere}, not to",
        every=True,
    ),
    "blackhole route": Damage(
        "ip route add blackhole $OTHER/32 proto 213", "ip route del blackhole $OTHER/32",
        r"{host}: a route of type blackhole drops packets to {other}",
    ),
    "prohibiting rule": Damage(
        "ip rule add to $OTHER/32 prohibit", "ip rule del to $OTHER/32 prohibit",
        r"{host}: a route of type prohibit drops packets to {other}",
    ),
    "drop in raw": Damage(
        *_rule("raw", "PREROUTING", "-s $OWN -j DROP"),
        rf"{{host}}: rule 'ip saddr {{own}} .*drop' of table ip raw, chain PREROUTING {FOREIGN}",
    ),
    "drop in mangle": Damage(
        *_rule("mangle", "FORWARD", "-s $OWN -j DROP"),
        rf"{{host}}: rule 'ip saddr {{own}} .*drop' of table ip mangle, chain FORWARD {FOREIGN}",
    ),
    "drop in FORWARD": Damage(
        *_rule("filter", "FORWARD", "-s $OWN -j DROP"),
        rf"{{host}}: rule 'ip saddr {{own}} .*drop' of table ip filter, chain FORWARD {FOREIGN}",
    ),
    "drop in DOCKER-USER": Damage(
        *_rule("filter", "DOCKER-USER", "-s $OWN -j DROP"),
        rf"{{host}}: rule 'ip saddr {{own}} .*drop' of table ip filter, chain DOCKER-USER {FOREIGN}",
        iptables=True,
    ),
    "reject in FORWARD": Damage(
        *_rule("filter", "FORWARD", "-s $OWN -j REJECT"),
        rf"{{host}}: rule .* of table ip filter, chain FORWARD {FOREIGN}",
    ),
    "drop in an earlier table": Damage(
        *table("ip $FOREIGN", "type filter hook prerouting priority -500", "ip saddr $OWN drop"),
        rf"{{host}}: rule 'ip saddr {{own}} drop' of table ip {{foreign}}, chain c {FOREIGN}",
    ),
    "source rewritten": Damage(
        *table("ip $FOREIGN", "type nat hook postrouting priority 50", "ip saddr $OWN masquerade"),
        r"{host}: rule 'ip saddr {own} masquerade' of table ip {foreign}, chain c changes the source address",
    ),
    "source rewritten to a wrong address": Damage(
        *table("ip $FOREIGN", "type nat hook postrouting priority 50", "ip saddr $OWN snat to $GATEWAY"),
        r"{host}: rule 'ip saddr {own} snat to {gateway}' of table ip {foreign}, chain c changes the source address",
    ),
    "sent to another container": Damage(
        *table("ip $FOREIGN", "type nat hook prerouting priority -150", "ip saddr $OWN ip daddr $OTHER dnat to $THIRD"),
        r"{host}: rule 'ip saddr {own} ip daddr {other} dnat to {third}' of table ip {foreign}, chain c changes the "
        "destination address",
    ),
    "bridge down": Damage(
        "ip link set $BRIDGE down", f"ip link set $BRIDGE up; {BRIDGE_BACK}", r"{host}: interface {bridge} is down",
        versions=(4, 6),
    ),
    "veth down": Damage(
        "ip link set $VETH down", "ip link set $VETH up", r"{host}: interface veth\w+ is down",
        versions=(4, 6),
    ),
    "container's interface down": Damage(
        "inside ip link set eth0 down", f"inside ip link set eth0 up; {INSIDE_BACK}",
        r"{host}: interface eth0 of container {container} is down",
        versions=(4, 6),
    ),
    "veth off its bridge": Damage(
        "ip link set $VETH nomaster", "ip link set $VETH master $BRIDGE",
        r"{host}: interface veth\w+ of container {container} is not attached to bridge {bridge}",
        versions=(4, 6),
    ),
    "veth on a wrong bridge": Damage(
        "ip link set $VETH master $ELSEWHERE", "ip link set $VETH master $BRIDGE",
        r"{host}: interface veth\w+ of container {container} is attached to bridge {elsewhere} instead of {bridge}",
        versions=(4, 6),
    ),
    "MTU of the bridge": Damage(
        "ip link set $BRIDGE mtu 1300", "ip link set $BRIDGE mtu 1500",
        r"{host}: interface {bridge} has an MTU of 1300 bytes",
        versions=(4, 6),
    ),
    "MTU of the container": Damage(
        "inside ip link set eth0 mtu 1300", "inside ip link set eth0 mtu 1500",
        r"{host}: interface eth0 of container {container} has an MTU of 1300 bytes",
        versions=(4, 6),
    ),
    "MTU of the underlay": Damage(
        "ip link set eth0 mtu 1300", "ip link set eth0 mtu 1500", r"{host}.*1300", alone=True
    ),
    "a verdict deleted": Damage(
        'nft delete element ip fleetnet pairs "{ 0.0.1.0 . 0.0.1.0 }"', RULES,
        rf"{{host}}: rule .* of table ip fleetnet, chain between {OURS}; .*{DIFFERS4}",
        every=True,
    ),
    "our table deleted": Damage(
        "nft delete table ip fleetnet", RULES, rf"{{host}}: .*{DIFFERS4}",
        every=True,
    ),
    "our jump deleted": Damage(
        "iptables -D DOCKER-USER -j FLEETNET-FORWARD", RULES,
        r"{host}: .*jump iptables \S+ -> FLEETNET-FORWARD is (missing|not the first rule)",
        every=True, iptables=True,
    ),
    "denied traffic accepted": Damage(
        "nft insert rule ip fleetnet between accept", RULES, rf"{{host}}: .*{DIFFERS4}",
        every=True,
    ),
    "address changed in the container": Damage(
        "inside ip addr add ${OWN%.*}.250/24 dev eth0; inside ip addr del $OWN/24 dev eth0",
        f"inside ip -4 addr flush dev eth0; inside ip addr add $OWN/24 dev eth0; {BACK}",
        r"{host}: interface eth0 of container {container} does not have address {own}; it has ",
    ),
    "no default route in the container": Damage(
        "inside ip route del default", BACK, r"{host}: container {container} has no default route"
    ),
    "rp_filter and another route back": Damage(
        "sysctl -qw net.ipv4.conf.eth0.rp_filter=1; ip route add $OTHER/32 dev docker0",
        "sysctl -qw net.ipv4.conf.eth0.rp_filter=0; ip route del $OTHER/32 dev docker0",
        r"{host}: (rp_filter drops packets to \S+|the route to {other} leads to interface docker0)",
        every=True,
    ),
    "stale neighbor": Damage(
        "ip neigh replace $OTHER_HOST lladdr 02:00:00:00:00:99 dev eth0 nud permanent",
        "ip neigh del $OTHER_HOST dev eth0",
        r"{host}: neighbor {other_host} has MAC address 02:00:00:00:00:99, which \w+ does not have",
        every=True,
    ),
    "stale neighbor in the network": Damage(
        "ip neigh replace $OWN lladdr 02:00:00:00:00:98 dev $BRIDGE nud permanent", "ip neigh del $OWN dev $BRIDGE",
        r"{host}: neighbor {own} has MAC address 02:00:00:00:00:98, container {container} has ",
    ),
    "forwarding off": Damage(
        "sysctl -qw net.ipv4.ip_forward=0", "sysctl -qw net.ipv4.ip_forward=1",
        r"{host}: forwarding is off: net\.ipv4\.ip_forward is 0",
        every=True,
    ),
    "frames dropped": Damage(
        *table("bridge $FOREIGN", "type filter hook prerouting priority 0", "ip saddr $OWN drop"),
        rf"{{host}}: rule 'ip saddr {{own}} drop' of table bridge {{foreign}}, chain c {FOREIGN}",
    ),
    "IPv6 route deleted": Damage(
        "ip route del $BLOCK6", ROUTES, r"{host}: no route to \S+ \(.*route {block6} via \S+ is missing",
        every=True, versions=(6,),
    ),
    "IPv6 route by a wrong next hop": Damage(
        "ip route replace $BLOCK6 via $NOWHERE6 proto 213", ROUTES,
        r"{host}: the route to \S+ leads to gateway {nowhere6}, not to",
        every=True, versions=(6,),
    ),
    "IPv6 blackhole route": Damage(
        "ip route add blackhole $OTHER6/128 proto 213", "/etc/fleetnet/apply-routes",
        r"{host}: a route of type blackhole drops packets to {other6}",
        versions=(6,),
    ),
    "drop in raw of ip6tables": Damage(
        *_rule("raw", "PREROUTING", "-s $OWN6 -j DROP", "ip6tables"),
        rf"{{host}}: rule 'ip6 saddr {{own6}} .*drop' of table ip6 raw, chain PREROUTING {FOREIGN}",
        versions=(6,),
    ),
    "drop in FORWARD of ip6tables": Damage(
        *_rule("filter", "FORWARD", "-s $OWN6 -j DROP", "ip6tables"),
        rf"{{host}}: rule 'ip6 saddr {{own6}} .*drop' of table ip6 filter, chain FORWARD {FOREIGN}",
        versions=(6,),
    ),
    "IPv6 source rewritten": Damage(
        *table("ip6 $FOREIGN", "type nat hook postrouting priority 50", "ip6 saddr $OWN6 masquerade"),
        r"{host}: rule 'ip6 saddr {own6} masquerade' of table ip6 {foreign}, chain c changes the source address",
        versions=(6,),
    ),
    "an IPv6 verdict deleted": Damage(
        'nft delete element ip6 fleetnet pairs "{ 0:0:0:1:: . 0:0:0:1:: }"', RULES,
        rf"{{host}}: rule .* of table ip6 fleetnet, chain between {OURS}; .*{DIFFERS6}",
        every=True, versions=(6,),
    ),
    "our IPv6 table deleted": Damage(
        "nft delete table ip6 fleetnet", RULES, rf"{{host}}: .*{DIFFERS6}",
        every=True, versions=(6,),
    ),
    "IPv6 address lost in the container": Damage(
        "inside ip addr del $OWN6/64 dev eth0", INSIDE_BACK,
        r"{host}: interface eth0 of container {container} does not have address {own6}; it has ",
        versions=(6,),
    ),
    "no IPv6 default route in the container": Damage(
        "inside ip -6 route del default", BACK, r"{host}: container {container} has no default route",
        versions=(6,),
    ),
    "bridge down and up": Damage(
        "ip link set $BRIDGE down; ip link set $BRIDGE up", BRIDGE_BACK,
        r"{host}: bridge {bridge} does not have address {gateway6}, the gateway of container {container} "
        r"\(address {gateway6}/64 dev {bridge} is missing\)",
        versions=(6,),
    ),
    "stale IPv6 neighbor": Damage(
        "ip neigh replace $OTHER_HOST6 lladdr 02:00:00:00:00:97 dev eth0 nud permanent",
        "ip neigh del $OTHER_HOST6 dev eth0",
        r"{host}: neighbor {other_host6} has MAC address 02:00:00:00:00:97, which \w+ does not have",
        every=True, versions=(6,),
    ),
    "IPv6 forwarding off": Damage(
        "sysctl -qw net.ipv6.conf.all.forwarding=0", "sysctl -qw net.ipv6.conf.all.forwarding=1",
        r"{host}: forwarding is off: net\.ipv6\.conf\.all\.forwarding is 0",
        every=True, versions=(6,),
    ),
}  # fmt: skip
