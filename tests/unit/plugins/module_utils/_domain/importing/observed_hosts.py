# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports of hosts from short descriptions, as ``network_info`` returns them."""

from __future__ import annotations

import hashlib
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.fleet import parse_host
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.importing.imported_fleet import FoundFleet
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.leases import lockfile
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.report import checked_report

Described = t.Mapping[str, t.Any]
DOCKER0 = {
    "name": "bridge",
    "subnets": ["172.17.0.0/16"],
    "options": {"com.docker.network.bridge.default_bridge": "true", "com.docker.network.bridge.name": "docker0"},
}


def report(host: str, described: Described) -> dict[str, t.Any]:
    """``described`` has networks by name, and containers by name with their addresses by network."""
    networks = [network(host, each) for each in [DOCKER0, *described.get("networks", ())]]
    parts = {key: value for key, value in described.items() if key not in ("networks", "containers")}
    found = {
        "engine": {
            "version": "28.5.2",
            "api_version": "1.51",
            "live_restore": False,
            "iptables": True,
            "firewall_backend": "iptables",
            "containers_running": 0,
            **parts.pop("engine", {}),
        },
        "networks": networks,
        "containers": [container(each) for each in described.get("containers", ())],
        "stopped": [],
        "links": [],
        "routes": [],
        "resolver": [],
        "control_path": None,
        **parts,
    }
    found["links"] = [link(each) for each in found["links"]]
    return checked_report(host, found)


def network(host: str, described: Described) -> dict[str, t.Any]:
    identity = hashlib.sha256(f"{host} {described['name']}".encode()).hexdigest()
    own = {key: value for key, value in described.items() if key != "subnets"}
    return {
        "id": identity,
        "driver": "bridge",
        "scope": "local",
        "internal": False,
        "attachable": False,
        "managed": False,
        "labels": {},
        "options": {},
        "bridge": f"br-{identity[:12]}" if described.get("driver", "bridge") == "bridge" else None,
        "ipv6": any(":" in subnet(each)["subnet"] for each in described.get("subnets", ())),
        **own,
        "subnets": [subnet(each) for each in described.get("subnets", ())],
    }


def subnet(described: str | Described) -> dict[str, t.Any]:
    block = {"subnet": described} if isinstance(described, str) else dict(described)
    first = block["subnet"].partition("/")[0]
    gateway = f"{first}1" if ":" in first else first.rpartition(".")[0] + ".1"
    return {"gateway": gateway, "ip_range": None, "aux_addresses": {}, **block}


def container(described: Described) -> dict[str, t.Any]:
    endpoints = []
    for name, address in described["on"].items():
        endpoint = {
            "network": name,
            "ipv4": f"{address}/16" if address else None,
            "ipv6": None,
            "mac": None,
            "gateway": None,
            "ipv6_gateway": None,
            "aliases": None,
        }
        if name in described.get("fixed", ()):
            endpoint["fixed"] = [address]
        endpoints.append(endpoint)
    address = next(iter(described["on"].values()), "")
    ports = [port(each, address) for each in described.get("publishes", ())]
    identity = hashlib.sha256(described["name"].encode()).hexdigest()
    return {
        "name": described["name"],
        "id": identity,
        "pid": None,
        "mode": "user-defined",
        "networks": endpoints,
        "ports": ports,
    }


def port(described: str, address: str) -> dict[str, t.Any]:
    """``80/tcp``, or ``127.0.0.1:80/tcp``, published at the same port of the host."""
    where, _colon, what = described.rpartition(":")
    number, protocol = what.split("/")
    rule = f"-A DOCKER -p {protocol} -m {protocol} --dport {number} -j DNAT --to-destination {address}:{number}"
    return {
        "port": int(number),
        "protocol": protocol,
        "host_address": where or "0.0.0.0",
        "host_port": int(number),
        "nat_rules": [rule],
        "proxy_pid": None,
    }


def link(described: Described) -> dict[str, t.Any]:
    defaults = {"index": 2, "kind": None, "mtu": 1500, "state": "up", "master": None, "mac": None, "addresses": []}
    return {**defaults, **described}


def found_fleet(case: Described) -> FoundFleet:
    """A fleet of hosts by name, each with ``address`` and what :func:`report` takes.

    ``crowd`` is a number of containers by network.
    """
    hosts = []
    reports = {}
    for name, described in case["hosts"].items():
        own = dict(described)
        address = own.pop("address")
        crowd = [
            {"name": f"{on}{number}", "on": {on: ""}}
            for on, count in own.pop("crowd", {}).items()
            for number in range(count)
        ]
        own["containers"] = [*own.get("containers", ()), *crowd]
        own.setdefault("links", []).insert(
            0, {"name": "eth0", "addresses": [f"{address}/24"], "mtu": own.pop("mtu", 1500)}
        )
        hosts.append(parse_host(name, own.pop("variables", {}), address))
        reports[name] = report(name, own)
    held = lockfile.parse(case["lock"], "lock") if "lock" in case else None
    return FoundFleet(tuple(hosts), {}, case.get("declared", {}), reports, held)
