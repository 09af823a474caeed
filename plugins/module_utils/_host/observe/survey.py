# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read the requested parts of a host's state from the engine, iproute2 and the kernel, and no others."""

from __future__ import annotations

import json
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.host import (
    ContainerReport,
    EngineInfo,
    NetworkReport,
    fill_gateways,
    parse_engine,
    parse_networks,
    parse_stopped,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.outgoing import forwarded, masqueraded
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.published_ports import published_ports
from ansible_collections.fleetnet.docker.plugins.module_utils._host.engine.containers import read_containers
from ansible_collections.fleetnet.docker.plugins.module_utils._host.engine.networks import list_networks
from ansible_collections.fleetnet.docker.plugins.module_utils._host.engine.port import Engine, read_info
from ansible_collections.fleetnet.docker.plugins.module_utils._host.netns.container_interfaces import (
    add_interfaces,
    find_dnat,
    read_nat_rules,
    read_proxies,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.observe.firewall_state import read_firewall
from ansible_collections.fleetnet.docker.plugins.module_utils._host.observe.host_state import (
    read_control_path,
    read_forwarding,
    read_manages_firewall,
    read_resolver,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.ownership import read_adopted
from ansible_collections.fleetnet.docker.plugins.module_utils._host.programs.commands import Commands
from ansible_collections.fleetnet.docker.plugins.module_utils._host.programs.iproute import read_links, read_routes
from ansible_collections.fleetnet.docker.plugins.module_utils._host.programs.iptables import list_rules

Json = t.Dict[str, t.Any]

PARTS = (
    "engine",
    "networks",
    "containers",
    "container_details",
    "interfaces",
    "ports",
    "stopped",
    "masquerade",
    "forwarded",
    "links",
    "routes",
    "forwarding",
    "firewall",
    "resolver",
    "control_path",
)

# Each includes those before it.
_CONTAINER_PARTS = ("containers", "ports", "container_details", "interfaces")
ENGINE_PARTS = frozenset(("engine", "networks", "stopped", *_CONTAINER_PARTS))
_STOPPED = json.dumps({"status": ["created", "exited", "dead"]})


def survey(parts: t.Sequence[str], commands: Commands, engine: Engine | None) -> Json:
    """The requested ``parts`` by name; ``engine`` may be None only if none of ENGINE_PARTS is requested."""
    found: Json = {}
    nat_rules = read_nat_rules(commands) if "ports" in parts or "masquerade" in parts else []
    if engine is not None:
        found.update(_survey_engine(parts, commands, engine, nat_rules))
    readers: dict[str, t.Callable[[], t.Any]] = {
        "masquerade": lambda: masqueraded(nat_rules),
        "forwarded": lambda: forwarded(list_rules(commands, 4, "filter")),
        "links": lambda: read_links(commands),
        "routes": lambda: read_routes(commands),
        "forwarding": read_forwarding,
        "firewall": lambda: read_firewall(commands),
        "resolver": read_resolver,
        "control_path": read_control_path,
    }
    found.update((part, read()) for part, read in readers.items() if part in parts)
    return found


def _survey_engine(parts: t.Sequence[str], commands: Commands, engine: Engine, nat_rules: t.Sequence[str]) -> Json:
    found: Json = {}
    if "engine" in parts:
        found["engine"] = read_engine(engine)
    if "networks" in parts:
        found["networks"] = read_networks(engine, commands)
    if any(part in parts for part in _CONTAINER_PARTS):
        found["containers"] = _survey_containers(parts, engine, nat_rules)
    if "stopped" in parts:
        found["stopped"] = parse_stopped(engine.get("/containers/json", filters=_STOPPED))
    return found


def _survey_containers(parts: t.Sequence[str], engine: Engine, nat_rules: t.Sequence[str]) -> list[ContainerReport]:
    listed = engine.get("/containers/json")
    containers = read_containers(engine, "container_details" in parts or "interfaces" in parts, listed)
    if "interfaces" in parts:
        add_interfaces(containers)
    if "ports" in parts:
        rules, proxies = find_dnat(nat_rules), read_proxies()
        by_id = {container["Id"]: container for container in listed}
        for container in containers:
            container["ports"] = published_ports(by_id[container["id"]], rules, proxies)
    return containers


def read_networks(engine: Engine, commands: Commands) -> list[NetworkReport]:
    """All networks of the engine. Reads the host's interfaces too if the engine does not report a gateway."""
    networks = parse_networks(list_networks(engine), read_adopted())
    if any(network["bridge"] and subnet["gateway"] is None for network in networks for subnet in network["subnets"]):
        fill_gateways(networks, read_links(commands))
    return networks


def read_engine(engine: Engine) -> EngineInfo:
    """The engine's version and settings."""
    return parse_engine(engine.get("/version"), read_info(engine), read_manages_firewall())
