# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Published ports: what the engine reports, the NAT rules that forward them, and the userland proxies. Pure."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.readable import reads

Json = t.Dict[str, t.Any]

PROXY_PROGRAM = "docker-proxy"
# The destination of DNAT, as iptables -S and nft print it: 172.17.0.2:80 or [fd00::2]:80.
_DESTINATION = re.compile(r"(?:--to-destination |dnat (?:ip6? )?to )\[?([0-9a-fA-F.:]+?)\]?:(\d+)(?:\s|$)")
_PORT = re.compile(r"(?:-p|--protocol|\b)\s*\b(tcp|udp|sctp)\b.*?(?:--dport|dport) (\d+)\b")
_ADDRESS = re.compile(r"(?:-d|ip6? daddr) ([0-9a-fA-F.:]+)(?:/\d+)?\s")
_ANY = ("0.0.0.0", "::")
_COUNTERS = re.compile(r"counter packets \d+ bytes \d+ ?")


class Port(t.TypedDict):
    """One binding of a container's port to an address and port of the host."""

    port: int
    protocol: str
    host_address: str
    host_port: int
    nat_rules: list[str]
    proxy_pid: int | None


class Dnat(t.NamedTuple):
    """A rule that forwards an address (None for any) and port of the host to a container."""

    text: str
    protocol: str
    host_address: str | None
    host_port: int
    address: str
    port: int


class Proxy(t.NamedTuple):
    """A userland proxy of the engine."""

    pid: int
    protocol: str
    host_address: str
    host_port: int


def parse_dnat(line: str) -> Dnat | None:
    """Parse a line of ``iptables -t nat -S`` or, for the nftables backend, ``nft list``; None for any other rule."""
    to, what = _DESTINATION.search(line), _PORT.search(line)
    if to is None or what is None:
        return None
    where = _ADDRESS.search(line)
    return Dnat(_COUNTERS.sub("", line).strip(), what[1], where[1] if where else None, int(what[2]), to[1], int(to[2]))


def parse_proxy(pid: int, arguments: t.Sequence[str]) -> Proxy | None:
    """Parse a command line, ``docker-proxy -proto tcp -host-ip 0.0.0.0 ...``; None for any other program."""
    if not arguments or arguments[0].rpartition("/")[2] != PROXY_PROGRAM:
        return None
    found = dict(zip(arguments[1::2], arguments[2::2]))
    try:
        return Proxy(pid, found["-proto"], found["-host-ip"], int(found["-host-port"]))
    except (KeyError, ValueError):
        return None


@reads("/containers/json of the Docker engine")
def published_ports(container: Json, rules: t.Sequence[Dnat], proxies: t.Sequence[Proxy]) -> list[Port]:
    """The published ports of an entry of ``/containers/json``, sorted by port, protocol, host address and host port."""
    addresses = [
        endpoint[key]
        for endpoint in ((container.get("NetworkSettings") or {}).get("Networks") or {}).values()
        for key in ("IPAddress", "GlobalIPv6Address")
        if endpoint.get(key)
    ]
    found: list[Port] = []
    for entry in container.get("Ports") or []:
        if not entry.get("PublicPort"):
            continue  # exposed, not published
        address, host_port = entry.get("IP") or _ANY[0], int(entry["PublicPort"])
        texts = [
            rule.text
            for rule in rules
            if (rule.protocol, rule.host_port, rule.port) == (entry["Type"], host_port, entry["PrivatePort"])
            and rule.address in addresses
            and _applies_to(rule, address)
        ]
        processes = [
            proxy.pid
            for proxy in proxies
            if (proxy.protocol, proxy.host_address, proxy.host_port) == (entry["Type"], address, host_port)
        ]
        found.append(
            {
                "port": int(entry["PrivatePort"]),
                "protocol": entry["Type"],
                "host_address": address,
                "host_port": host_port,
                "nat_rules": texts,
                "proxy_pid": processes[0] if processes else None,
            }
        )
    return sorted(found, key=lambda port: (port["port"], port["protocol"], port["host_address"], port["host_port"]))


def _applies_to(rule: Dnat, address: str) -> bool:
    """Whether a rule applies to this address of the host and has its IP version."""
    if (":" in rule.address) != (":" in address):
        return False
    return rule.host_address == address or (rule.host_address in (None, *_ANY) and address in _ANY)
