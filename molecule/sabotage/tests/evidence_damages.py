# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Damage that no trace of packets shows: in containers, at bridges, in tables of routes, queues, and without a failure.

And changes that damage nothing. The commands and patterns are those of damages.py.
"""

from __future__ import annotations

from .damages import ROUTES, Damage, table

TWIN = (
    "docker run --detach --name twin-$CONTAINER --network $CONTAINER fleetnet/workload:latest sleep 100000 >/dev/null; "
    "twin=$(docker inspect -f '{{.State.Pid}}' twin-$CONTAINER)"
)
NO_TWIN = "docker rm --force twin-$CONTAINER >/dev/null"
PORT_OF_TWIN = (
    'port=$(ip -o link | awk -v i="$(nsenter -t $twin -n ip -o link show dev eth0 '
    '| sed \'s/.*eth0@if\\([0-9]*\\):.*/\\1/\'):" \'$1 == i { sub("@.*", "", $2); print $2 }\')'
)
INGRESS = "type filter hook ingress device eth0"
CLEAR = "inside ip neigh flush all; ip neigh flush dev $BRIDGE"
# dockerd reads it when it starts. Containers have a restart policy.
RESTART = "systemctl reset-failed docker; systemctl restart docker"
NO_IPTABLES = (
    "cp /etc/docker/daemon.json /run/daemon.json.test; "
    'python3 -c \'import json; p = "/etc/docker/daemon.json"; d = json.load(open(p)); '
    f'd.update(iptables=False, icc=True); json.dump(d, open(p, "w"))\'; {RESTART}'
)

# A published port without docker-proxy and NAT rule.
PUBLISHED = (
    "docker run --detach --name published --network db --publish 8088:5432 fleetnet/workload:latest "
    "nc -ll -p 5432 -e true >/dev/null; "
    "iptables -t nat -S DOCKER | sed -n '/--dport 8088 /s/^-A/iptables -t nat -D/p' | sh; "
    "kill $(ss -Htlnp 'sport = :8088' | grep -o 'pid=[0-9]*' | cut -d= -f2 | sort -u)"
)
NOT_PUBLISHED = "docker rm --force published >/dev/null"
HOLDER = "fleetnet-test-holder"
OVERRIDE = "file=/etc/systemd/system/fleetnet-firewall.service.d/test.conf; mkdir -p ${file%/*}"

EVIDENCE = {
    "rule in the container": Damage(
        "inside nft 'table ip own { chain c { type filter hook output priority 0; policy accept; }; }'; "
        "inside nft add rule ip own c ip daddr $OTHER drop",
        "inside nft delete table ip own",
        r"{host}: rule 'ip daddr {other} drop' of table ip own, chain c drops the packet in the network namespace of "
        "container {container}",
    ),
    "policy in the container": Damage(
        "inside nft 'table ip own { chain c { type filter hook output priority 0; policy drop; }; }'",
        "inside nft delete table ip own",
        r"{host}: the policy of table ip own, chain c drops the packet in the network namespace of container "
        "{container}",
    ),
    "more specific route in the container": Damage(
        "inside ip route add $OTHER/32 via ${OWN%.*}.77", "inside ip route del $OTHER/32",
        r"{host}: the route of container {container} to {other} leads to gateway \S+, not to gateway {gateway}",
    ),
    "blackhole in the container": Damage(
        "inside ip route add blackhole $OTHER/32", "inside ip route del blackhole $OTHER/32",
        r"{host}: the route of container {container} to {other} is missing or drops packets: Invalid argument",
    ),
    "stale neighbor in the container": Damage(
        "inside ip neigh replace $GATEWAY lladdr 02:00:00:00:00:96 dev eth0 nud permanent",
        "inside ip neigh del $GATEWAY dev eth0",
        r"{host}: neighbor {gateway} has MAC address 02:00:00:00:00:96, for container {container}; it must have",
    ),
    "rules of Docker's DNS flushed": Damage(
        "inside nft flush ruleset; inside iptables -t nat -F",
        # The container gets another MAC address.
        "docker restart $CONTAINER >/dev/null; ip neigh flush dev $BRIDGE",
        r"{host}: container {container} has no rules that forward its queries to Docker's DNS server",
        only=True,
    ),
    "port disabled": Damage(
        "bridge link set dev $VETH state 0", "bridge link set dev $VETH state 3",
        r"{host}: interface veth\w+ of container {container}, a port of bridge {bridge}, is in state disabled",
        versions=(4, 6),
    ),
    "ports isolated": Damage(
        f"{TWIN}; {PORT_OF_TWIN}; bridge link set dev $VETH isolated on; bridge link set dev $port isolated on",
        f"bridge link set dev $VETH isolated off; {NO_TWIN}",
        r"{host}: interfaces veth\w+ and veth\w+ are isolated ports of bridge {bridge}",
        versions=(4, 6),
    ),
    "duplicate address in the network": Damage(
        f"{TWIN}; nsenter -t $twin -n ip addr add $OWN/24 dev eth0; "
        "ip neigh replace $OWN lladdr $(mac_of $twin) dev $BRIDGE nud permanent",
        f"ip neigh del $OWN dev $BRIDGE; {NO_TWIN}",
        r"{host}: container (twin-{container} and container {container}|{container} and container twin-{container}) "
        "have the same address {own}",
        versions=(4, 6),
    ),
    # Without its answers to ARP, the host takes nothing over from the other one.
    "duplicate address of the underlay": Damage(
        "nft 'table arp foreign { chain c { type filter hook output priority 0; policy accept; }; }'; "
        "nft add rule arp foreign c arp saddr ip $OTHER_HOST drop; ip addr add $OTHER_HOST/32 dev eth0; "
        "ip neigh replace $OTHER_HOST lladdr 02:00:00:00:00:95 dev eth0 nud permanent",
        "ip neigh del $OTHER_HOST dev eth0; ip addr del $OTHER_HOST/32 dev eth0; nft delete table arp foreign",
        r"{host}: host \w+ and host \w+ have the same address {other_host}",
        only=True,
    ),
    "routing rule": Damage(
        "ip route add default via $NOWHERE table 77; ip rule add to $OTHER/32 lookup 77 priority 100",
        "ip rule del to $OTHER/32 lookup 77 priority 100; ip route flush table 77",
        r"{host}: the route to {other} leads to gateway {nowhere}, not to \w+ \(.*"
        r"by routing rule from all to {other}(/32)? lookup 77 priority 100",
    ),
    "more specific route": Damage(
        "ip route add $OTHER/32 via $NOWHERE proto 213", "ip route del $OTHER/32 via $NOWHERE",
        r"{host}: the route to {other} leads to gateway {nowhere}, not to \w+ \(.*"
        r"by route {other}/32 via {nowhere}",
    ),
    # The plan fails.
    "more specific route of another program": Damage(
        "ip route add $OTHER/32 via $THIRD_HOST", "ip route del $OTHER/32 via $THIRD_HOST",
        r"host {host}: route to {other}/32 via {third_host} on eth0 .*overlaps the block of host",
        alone=True,
    ),
    "route of a mark": Damage(
        "nft \"table ip $FOREIGN { chain c { type filter hook prerouting priority -140; policy accept; }; }\"; "
        "nft add rule ip $FOREIGN c ip saddr $OWN ip daddr $OTHER meta mark set 0x5; "
        "ip route add default via $NOWHERE table 78; ip rule add fwmark 0x5 lookup 78 priority 90",
        "ip rule del fwmark 0x5 lookup 78 priority 90; ip route flush table 78; nft delete table ip $FOREIGN",
        r"{host}: the route to {other} leads to gateway {nowhere}, not to \w+ \(.*"
        r"by routing rule from all fwmark 0x5 lookup 78 priority 90",
    ),
    "not tracked": Damage(
        *table("ip $FOREIGN", "type filter hook prerouting priority -300", "ip saddr $OWN notrack"),
        r"{host}: rule 'ip saddr {own} notrack' of table ip {foreign}, chain c separates packets from the connections",
    ),
    "another zone of connections": Damage(
        *table("ip $FOREIGN", "type filter hook prerouting priority -300", "ip saddr $OWN ct zone set 5"),
        r"{host}: rule 'ip saddr {own} ct zone set 5' of table ip {foreign}, chain c separates packets from",
    ),
    "forwarding of the bridge off": Damage(
        "sysctl -qw net.ipv4.conf.$BRIDGE.forwarding=0", "sysctl -qw net.ipv4.conf.$BRIDGE.forwarding=1",
        r"{host}: forwarding is off: net\.ipv4\.conf\.{bridge}\.forwarding is 0",
    ),
    "queue that drops": Damage(
        "tc qdisc replace dev $VETH root blackhole", "tc qdisc del dev $VETH root",
        r"{host}: queueing discipline blackhole of interface veth\w+ dropped \d+ packets during the trace",
        versions=(4, 6),
    ),
    "queue in the container": Damage(
        "inside tc qdisc replace dev eth0 root blackhole", "inside tc qdisc del dev eth0 root",
        r"{host}: queueing discipline blackhole of interface eth0 of container {container} dropped \d+ packets",
        versions=(4, 6),
    ),
    "ARP dropped": Damage(
        "nft \"table bridge $FOREIGN { chain c { type filter hook prerouting priority 0; policy accept; }; }\"; "
        f"nft add rule bridge $FOREIGN c arp saddr ip $OWN drop; {CLEAR}",
        "nft delete table bridge $FOREIGN",
        r"{host}: rule 'arp saddr ip {own} drop' of table bridge {foreign}, chain c drops ARP between the neighbors",
        versions=(4, 6),
    ),
    "dropped at the device": Damage(
        *table("netdev $FOREIGN", f"{INGRESS} priority 0", "ip saddr $OTHER ip daddr $OWN drop"),
        r"{host}: rule 'ip saddr {other} ip daddr {own} drop' of table netdev {foreign}, chain c drops the packet",
    ),
    "published port without a rule": Damage(
        PUBLISHED, NOT_PUBLISHED,
        r"{host}: neither a NAT rule nor docker-proxy forwards \S+:8088 to container published",
        only=True, iptables=True,
    ),
    "published port held by a process": Damage(
        f"{PUBLISHED}; systemd-run --quiet --collect --unit={HOLDER} python3 -m http.server 8088",
        f"systemctl stop {HOLDER}; {NOT_PUBLISHED}",
        r"{host}: process python3 \(PID \d+\) holds \S+:8088, and no NAT rule forwards the port to container published",
        only=True, iptables=True,
    ),
    "dropped at the device by a table of inet": Damage(
        *table("inet $FOREIGN", f"{INGRESS} priority 0", "ip saddr $OTHER ip daddr $OWN drop"),
        r"{host}: rule 'ip saddr {other} ip daddr {own} drop' of table inet {foreign}, chain c drops the packet",
    ),
    "policy of a foreign table": Damage(
        "nft 'table ip foreign { chain c { type filter hook forward priority 10; policy drop; "
        "ip saddr != 10.64.0.0/12 accept; ct state established accept; }; }'",
        "nft delete table ip foreign",
        r"{host}: the policy of table ip foreign, chain c drops the packet: no rule accepts it",
        only=True,
    ),
    "destination rewritten without a connection": Damage(
        *table("ip $FOREIGN", "type filter hook prerouting priority -290",
               "ip saddr $OWN ip daddr $OTHER ip daddr set $THIRD"),
        r"{host}: rule 'ip saddr {own} ip daddr {other} ip daddr set {third}' of table ip {foreign}, chain c changes "
        "the destination address",
    ),
    # In another container than web, which opens connections to db, it would not be named.
    "another zone of connections by iptables": Damage(
        "iptables -t raw -I PREROUTING -s $OWN -j CT --zone 5", "iptables -t raw -D PREROUTING -s $OWN -j CT --zone 5",
        r"{host}: rule 'ip saddr {own} xt target \"CT\"' of table ip raw, chain PREROUTING separates packets from",
        only=True,
    ),
    "our table dormant": Damage(
        "nft add table ip fleetnet '{ flags dormant; }'", "/etc/fleetnet/apply-firewall",
        r"{host}: .*table ip fleetnet differs from the plan: unexpected flag dormant of the table",
        only=True,
    ),
    "route with several next hops": Damage(
        "ip route replace $BLOCK proto 213 nexthop via $NOWHERE nexthop via $NOWHERE dev eth0 weight 2",
        f"ip route del $BLOCK; {ROUTES}",
        r"{host}: the route to \S+ leads to gateway {nowhere}, not to \w+ \(route {block} via \S+ is missing",
        every=True,
    ),
    # All probes pass.
    "docker0 without its address": Damage(
        "address=$(ip -4 -o address show dev docker0 | awk '{print $4}'); ip address del $address dev docker0; "
        "echo $address >/run/docker0.test",
        "ip address add $(cat /run/docker0.test) dev docker0",
        r"{host}: bridges do not have the addresses that are the gateways of their networks: \S+ dev docker0",
        only=True,
    ),
    "unit overridden": Damage(
        f"{OVERRIDE}; printf '[Service]\\nExecStart=\\nExecStart=/bin/true\\n' >$file; systemctl daemon-reload",
        "rm -r /etc/systemd/system/fleetnet-firewall.service.d; systemctl daemon-reload",
        r"{host}: could not be compared with the plan: .*fleetnet-firewall\.service\.d/test\.conf: the file changes",
        only=True,
    ),
    "script that cannot be executed": Damage(
        "chmod 0644 /etc/fleetnet/apply-firewall", "chmod 0755 /etc/fleetnet/apply-firewall",
        r"{host}: differs from the plan\. .*change /etc/fleetnet/apply-firewall: mode from 0644 to 0755",
        only=True,
    ),
    "unit of the rules disabled": Damage(
        "systemctl disable --quiet fleetnet-firewall.service", "systemctl enable --quiet fleetnet-firewall.service",
        r"{host}: differs from the plan\. fleetnet\.docker\.site would: .*unit fleetnet-firewall\.service",
        only=True,
    ),
    "unit of the routes disabled": Damage(
        "systemctl disable --quiet fleetnet-routes.service", "systemctl enable --quiet fleetnet-routes.service",
        r"{host}: differs from the plan\. fleetnet\.docker\.site would: .*unit fleetnet-routes\.service",
        only=True,
    ),
    "port opened": Damage(
        "nft insert rule ip fleetnet between tcp dport 22222 accept", "/etc/fleetnet/apply-firewall",
        r"{host}: differs from the plan\. fleetnet\.docker\.site would: .*table ip fleetnet",
        only=True,
    ),
    "file of the routes changed": Damage(
        "cp -a /etc/fleetnet/routes /run/routes.test; echo '# changed' >>/etc/fleetnet/routes",
        "cp -a /run/routes.test /etc/fleetnet/routes",
        r"{host}: differs from the plan\. fleetnet\.docker\.site would: .*update /etc/fleetnet/routes",
        only=True,
    ),
    "Docker's NAT rules flushed": Damage(
        "iptables -t nat -F", RESTART, r"{host}: Docker's NAT rules are missing for what leaves networks: ",
        only=True, iptables=True,
    ),
    "Docker's rules for what leaves a network deleted": Damage(
        "iptables -D FORWARD -i fn-db ! -o fn-db -j ACCEPT", "iptables -A FORWARD -i fn-db ! -o fn-db -j ACCEPT",
        r"{host}: Docker's rules are missing that let packets leave networks: db",
        only=True, iptables=True,
    ),
    "daemon without rules": Damage(
        NO_IPTABLES, f"cp /run/daemon.json.test /etc/docker/daemon.json; {RESTART}",
        r"{host}: dockerd writes no firewall rules \(iptables: false\), and this is not declared",
        only=True, iptables=True,
    ),
}  # fmt: skip

# Changes that damage nothing, with the commands that undo them. No report may name them.
HARMLESS = {
    "a table that only counts": (
        "nft 'table inet foreign { chain c { type filter hook forward priority -5; counter; }; }'",
        "nft delete table inet foreign",
    ),
    "a table for frames that only counts": (
        "nft 'table bridge foreign { chain c { type filter hook forward priority 0; counter; }; }'",
        "nft delete table bridge foreign",
    ),
    "a drop for other addresses": (
        "nft 'table ip other { chain c { type filter hook forward priority 0; ip saddr 203.0.113.0/24 drop; }; }'",
        "nft delete table ip other",
    ),
    "a route to another network": ("ip route add 203.0.113.0/24 dev eth0", "ip route del 203.0.113.0/24 dev eth0"),
    "a blackhole for another network": (
        "ip route add blackhole 198.51.100.0/24", "ip route del blackhole 198.51.100.0/24",
    ),
    "a routing rule for others": (
        "ip rule add from 203.0.113.0/24 prohibit priority 200",
        "ip rule del from 203.0.113.0/24 prohibit priority 200",
    ),
    "one isolated port": ("bridge link set dev $VETH isolated on", "bridge link set dev $VETH isolated off"),
    "a permanent neighbor that is right": (
        "ip neigh replace $OWN lladdr $(mac_of $pid) dev fn-web nud permanent",
        "ip neigh del $OWN dev fn-web",
    ),
    "a rule in the container for others": (
        "inside nft 'table ip own { chain c { type filter hook output priority 0; ip daddr 203.0.113.9 drop; }; }'",
        "inside nft delete table ip own",
    ),
    "a longer queue": ("ip link set $VETH txqueuelen 2000", "ip link set $VETH txqueuelen 1000"),
    "options of an interface that routes nothing else": (
        "sysctl -qw net.ipv4.conf.fn-web.proxy_arp=1 net.ipv4.conf.fn-web.accept_local=1",
        "sysctl -qw net.ipv4.conf.fn-web.proxy_arp=0 net.ipv4.conf.fn-web.accept_local=0",
    ),
    "a limit of a unit's memory": (
        "mkdir -p /etc/systemd/system/fleetnet-firewall.service.d; "
        "printf '[Service]\\nMemoryMax=1G\\n' >/etc/systemd/system/fleetnet-firewall.service.d/limit.conf; "
        "systemctl daemon-reload",
        "rm -r /etc/systemd/system/fleetnet-firewall.service.d; systemctl daemon-reload",
    ),
    "an address that is not used": ("ip addr add 203.0.113.1/32 dev lo", "ip addr del 203.0.113.1/32 dev lo"),
}  # fmt: skip
