# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What to do about a cause, with a command where there is one, as text. Pure.

No command here opens more than is declared, deletes more than what the cause names, or stops anything but the container
that does not work.
"""

from __future__ import annotations

import shlex
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.drift.difference import ROUTE, missing
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.cause import (
    Cause,
    CauseKind,
    Owner,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.routing import (
    route_text,
    rule_text,
)

#: The playbook that restores what is declared.
SITE = "Run fleetnet.docker.site, with --check to see the changes first"
_RESTART = "Restart the container: docker restart {container}"
# nft shows the rules of iptables, too, with the handle by which one is deleted.
_RULE = (
    "If the rule is not intended, delete it: nft -a list chain {table} {chain} shows its handle, and nft delete rule "
    "{table} {chain} handle HANDLE deletes it"
)
_POLICY = (
    "If the policy is not intended, add a rule that accepts the packets. nft list chain {table} {chain} shows the chain"
)
# The plan has the addresses of bridges that the engine does not restore, those of IPv6.
_GATEWAY = "Add it: ip address add {gateway}/{length} dev {bridge}"
_DEFAULT_ROUTES = ("0.0.0.0/0", "::/0")

_FIXED = {
    CauseKind.NOT_RUNNING: "If the container must run, start it: docker start {container}",
    CauseKind.NO_INTERFACE: _RESTART,
    CauseKind.ADDRESS_MISSING: _RESTART,
    CauseKind.NO_DEFAULT_ROUTE: _RESTART,
    CauseKind.NO_PEER: _RESTART,
    CauseKind.NOT_ON_BRIDGE: "Attach it: ip link set dev {interface} master {bridge}",
    CauseKind.ON_ANOTHER_BRIDGE: "Attach it: ip link set dev {interface} master {bridge}",
    CauseKind.PORT_BLOCKED: "Let it forward: bridge link set dev {interface} state 3",
    CauseKind.DUPLICATE_ADDRESS: "Remove the address from the interface that it does not belong to",
    CauseKind.WRONG_ROUTE_INSIDE: _RESTART,
    CauseKind.NO_DNS_RULES: _RESTART,
    CauseKind.PORT_HELD: (
        "Stop the process or publish another port. Then restart the container: docker restart {container}"
    ),
    CauseKind.NOT_PUBLISHED: _RESTART,
    CauseKind.UNTRACKED: _RULE,
    CauseKind.TABLE_NOT_LOADED: SITE,
    CauseKind.DIFFERENT: SITE,
    CauseKind.PROXIED: (
        "Set userland_proxy: false in docker_fleet_default_bridge, or ingress: policy for a declared network"
    ),
    CauseKind.SAME_BRIDGE: "Attach the containers to different networks",
    CauseKind.NOT_FORWARDING: "Switch it on: sysctl -w {sysctl}=1",
    CauseKind.NO_ROUTE: SITE,
    CauseKind.UNREACHABLE: SITE,
    CauseKind.LOOKUP_FAILED: "ip route get {destination} on the host shows the kernel's answer",
    CauseKind.CONNECTIONS_FULL: "Allow more connections: sysctl -w net.netfilter.nf_conntrack_max={twice}",
    CauseKind.NO_NEIGHBOUR: "Check the neighbor, and the ports of bridges: ip neigh show {address}; bridge link",
}


def remedy(cause: Cause) -> str:
    """Return what to do about a cause. It may end with a command, so it has no final period."""
    own = _OWN.get(cause.kind)
    text = own(cause) if own is not None else _FIXED[cause.kind]
    # Names come from hosts and containers, and users copy the command into a shell.
    values = {key: quoted(value) for key, value in cause.values.items()}
    if cause.kind is CauseKind.CONNECTIONS_FULL:
        values["twice"] = str(2 * cause.values["most"])
    return text.format(**values)


def quoted(value: t.Any) -> str:
    """A value as words of a shell."""
    return " ".join(shlex.quote(word) for word in str(value).split())


def _literal(text: str) -> str:
    """A text as words of a shell, for a template."""
    return quoted(text).replace("{", "{{").replace("}", "}}")


def _interface_up(cause: Cause) -> str:
    if cause.values["container"]:
        return _RESTART
    return "Set it up: ip link set dev {interface} up. Then run fleetnet.docker.site, which restores its addresses"


def _dropped(cause: Cause) -> str:
    return _foreign(cause) if cause.owner is Owner.FOREIGN else SITE


def _foreign(cause: Cause) -> str:
    return _RULE if cause.values["rule"] else _POLICY


def _inside(cause: Cause) -> str:
    what = "rule" if cause.values["rule"] else "policy"
    return f"If the {what} is not intended, restart the container, which removes it: docker restart {{container}}"


def _mtu(cause: Cause) -> str:
    if cause.values["container"]:
        return f"{_RESTART}. If the MTU remains, declare mtu of the network, and run fleetnet.docker.site"
    return "Set the MTU that the network is declared with: ip link set dev {interface} mtu MTU"


def _isolated(cause: Cause) -> str:
    first = _literal(cause.values["interfaces"][0])
    return f"If the ports are not isolated on purpose, change one: bridge link set dev {first} isolated off"


def _route(cause: Cause) -> str:
    """Delete the route or the routing rule that decides, unless site.yml replaces it or it is the default route."""
    route, rule = cause.values.get("route"), cause.values.get("routing_rule")
    if rule is not None:
        return f"If the routing rule is not intended, delete it: ip rule delete {_literal(rule_text(rule))}"
    replaced = [each.name.split()[0] for each in cause.differences if each.kind == ROUTE and missing(each)]
    if route is not None and route["destination"] not in (*_DEFAULT_ROUTES, *replaced):
        return f"If the route is not intended, delete it: ip route delete {_literal(route_text(route))}. {SITE}"
    return SITE


def _reverse(cause: Cause) -> str:
    if cause.values.get("routing_rule") is not None:
        return _route(cause)
    return (
        "Correct the route back to the source. If packets must arrive on another interface than they leave by, check "
        "loosely: sysctl -w net.ipv4.conf.{interface}.rp_filter=2"
    )


def _neighbour(cause: Cause) -> str:
    command = "ip neigh flush nud all to {address}"
    inside = cause.values.get("inside")
    if inside is None:
        return f"Delete the entry, and the kernel resolves the address again: {command}"
    return "Restart the container, which resolves the address again: docker restart {inside}"


def _queue(cause: Cause) -> str:
    if cause.values["container"]:
        return _RESTART
    if cause.values["queue"] in ("clsact", "ingress"):
        return (
            "A filter drops packets. If it is not intended, delete it. tc filter show dev {interface} ingress shows it"
        )
    return "If it is not intended, delete it: tc qdisc delete dev {interface} root"


_OWN: t.Mapping[CauseKind, t.Callable[[Cause], str]] = {
    CauseKind.INTERFACE_DOWN: _interface_up,
    CauseKind.DROPPED: _dropped,
    CauseKind.NO_GATEWAY: lambda cause: SITE if cause.differences else _GATEWAY,
    CauseKind.NOT_ACCEPTED: lambda cause: SITE if cause.differences else _POLICY,
    CauseKind.ACCEPTED: _dropped,
    CauseKind.SOURCE_REWRITTEN: _dropped,
    CauseKind.REDIRECTED: _dropped,
    CauseKind.FRAMES_DROPPED: _foreign,
    CauseKind.DROPPED_INSIDE: _inside,
    CauseKind.SMALL_MTU: _mtu,
    CauseKind.PORTS_ISOLATED: _isolated,
    CauseKind.DROPPING_ROUTE: _route,
    CauseKind.WRONG_NEXT_HOP: _route,
    CauseKind.REVERSE_PATH: _reverse,
    CauseKind.WRONG_NEIGHBOUR: _neighbour,
    CauseKind.QUEUE: _queue,
}
