# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Parse what the engine and iproute2 report about a host. Pure.

The structures are dictionaries (TypedDict): they cross from host to controller as JSON.
Field names follow the option names. A value that the source does not report is None, never a guess.
"""

from __future__ import annotations

import ipaddress
import re
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.constants import (
    BRIDGE_NAME,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.ipam_config import ipam_config
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.links_and_routes import LinkReport
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.readable import (
    address_or_none,
    block_or_none,
    interface_or_none,
    number_or_none,
    reads,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.ownership import is_labeled

Json = t.Dict[str, t.Any]


class EngineInfo(t.TypedDict):
    version: str
    api_version: str
    live_restore: bool
    iptables: bool | None
    firewall_backend: str | None
    containers_running: int


class SubnetReport(t.TypedDict):
    subnet: str | None
    gateway: str | None
    ip_range: str | None
    aux_addresses: dict[str, str]


class NetworkReport(t.TypedDict):
    name: str
    id: str
    driver: str
    scope: str
    internal: bool
    attachable: bool
    managed: bool
    labels: dict[str, str]
    options: dict[str, str]
    subnets: list[SubnetReport]
    bridge: str | None
    ipv6: bool


class FixedAddresses(t.TypedDict, total=False):
    """``fixed`` are the addresses that the configuration of the container sets; it is set if there are any."""

    fixed: list[str]


class EndpointReport(FixedAddresses):
    network: str
    ipv4: str | None
    ipv6: str | None
    mac: str | None
    gateway: str | None
    ipv6_gateway: str | None
    aliases: list[str] | None


class ContainerReport(t.TypedDict, total=False):
    """``namespace``, ``shares_namespace_with``, ``interfaces`` and ``ports`` are set if they were requested."""

    name: str
    id: str
    pid: int | None
    mode: str
    networks: list[EndpointReport]
    namespace: int | None
    shares_namespace_with: list[str]
    interfaces: list[t.Any]
    ports: list[t.Any]


class StoppedReport(FixedAddresses):
    """A container that does not run, with the networks that it joins when it starts."""

    name: str
    networks: list[str]


@reads("/version of the Docker engine")
def parse_engine(version: Json, info: Json, iptables: bool | None) -> EngineInfo:
    """Parse ``/version`` and ``/info``. ``iptables``: whether the daemon manages the firewall, None if unknown.

    Engines before 28.1 do not report their firewall backend; they support iptables only.
    """
    firewall = info.get("FirewallBackend") or {}
    return {
        "version": version["Version"],
        "api_version": version["ApiVersion"],
        "live_restore": bool(info.get("LiveRestoreEnabled")),
        "iptables": iptables,
        "firewall_backend": firewall.get("Driver") or "iptables",
        "containers_running": number_or_none(info.get("ContainersRunning")) or 0,
    }


def manages_firewall(argv: t.Sequence[str], configuration: Json) -> bool:
    """Whether a dockerd with this command line and daemon.json writes firewall rules (``iptables``, on by default)."""
    return _switch("iptables", argv, configuration, default=True)


class DaemonRouting(t.NamedTuple):
    """What a dockerd accepts for containers besides published ports: ``allow-direct-routing``, and a firewall mark."""

    allowed: bool = False
    mark: str = ""  # MARK or MARK/MASK, as in bridge-accept-fwmark


def direct_routing(argv: t.Sequence[str], configuration: Json) -> DaemonRouting:
    """The settings of a dockerd with this command line and daemon.json."""
    mark = _flag("bridge-accept-fwmark", argv)
    return DaemonRouting(
        _switch("allow-direct-routing", argv, configuration, default=False),
        mark if mark is not None else str(configuration.get("bridge-accept-fwmark") or ""),
    )


def _switch(name: str, argv: t.Sequence[str], configuration: Json, default: bool) -> bool:
    flag = _flag(name, argv)
    if flag is not None:
        return (flag or "true").lower() in ("1", "t", "true")
    return bool(configuration.get(name, default))


def _flag(name: str, argv: t.Sequence[str]) -> str | None:
    """The value of ``--NAME=VALUE``, empty for ``--NAME``, None without such an argument."""
    for argument in argv:
        found = re.match(rf"--{name}(?:=(.*))?$", argument)
        if found:
            return found[1] or ""
    return None


@reads("/networks of the Docker engine")
def parse_networks(networks: t.Sequence[Json], adopted: t.Container[str] = ()) -> list[NetworkReport]:
    """Parse ``/networks``, sorted by name. ``adopted`` are the ids of networks that this collection has adopted."""
    return sorted(
        (_network(network, adopted) for network in networks), key=lambda network: (network["name"], network["id"])
    )


def _network(network: Json, adopted: t.Container[str]) -> NetworkReport:
    labels = network.get("Labels") or {}
    options = network.get("Options") or {}
    return {
        "name": network["Name"],
        "id": network["Id"],
        "driver": network["Driver"],
        "scope": network["Scope"],
        "internal": bool(network.get("Internal")),
        "attachable": bool(network.get("Attachable")),
        "managed": is_labeled(labels) or network["Id"] in adopted,
        "labels": labels,
        "options": options,
        "subnets": [_subnet(config) for config in ipam_config(network) or ()],
        "bridge": _bridge(network, options),
        "ipv6": bool(network.get("EnableIPv6")),
    }


def _subnet(config: Json) -> SubnetReport:
    return {
        "subnet": block_or_none(config.get("Subnet")),
        "gateway": address_or_none(config.get("Gateway")),
        "ip_range": block_or_none(config.get("IPRange")),
        "aux_addresses": config.get("AuxiliaryAddresses") or {},
    }


def _bridge(network: Json, options: dict[str, str]) -> str | None:
    if network["Driver"] != "bridge":
        return None
    return options.get(BRIDGE_NAME) or "br-" + network["Id"][:12]


def fill_gateways(networks: t.Sequence[NetworkReport], links: t.Sequence[LinkReport]) -> None:
    """Set gateways that the engine does not report to the bridge's own address. Engine 20.10 omits docker0's."""
    addresses = {link["name"]: [ipaddress.ip_interface(address) for address in link["addresses"]] for link in links}
    for network in networks:
        for subnet in network["subnets"]:
            own = [address for address in addresses.get(network["bridge"] or "", []) if _inside(address, subnet)]
            if subnet["gateway"] is None and own:
                subnet["gateway"] = str(own[0].ip)


def _inside(address: ipaddress.IPv4Interface | ipaddress.IPv6Interface, subnet: SubnetReport) -> bool:
    return subnet["subnet"] is not None and address.ip in ipaddress.ip_network(subnet["subnet"])


@reads("/containers/json of the Docker engine")
def parse_containers(
    containers: t.Sequence[Json], details: t.Mapping[str, Json] | None = None
) -> list[ContainerReport]:
    """Parse ``/containers/json``, sorted by name.

    ``details`` holds ``/containers/ID/json`` by id, for the containers that were inspected. PIDs and aliases of the
    others are None, because the list does not contain them.
    """
    details = details or {}
    names = {container["Id"]: _container_name(container) for container in containers}
    found = [_container(container, names, details.get(container["Id"])) for container in containers]
    return sorted(found, key=lambda container: container["name"])


@reads("/containers/json of the Docker engine")
def parse_stopped(containers: t.Sequence[Json]) -> list[StoppedReport]:
    """Parse ``/containers/json`` of stopped containers, sorted by name."""
    found = [_stopped(container) for container in containers]
    return sorted(found, key=lambda container: container["name"])


def _stopped(container: Json) -> StoppedReport:
    networks = (container.get("NetworkSettings") or {}).get("Networks") or {}
    found: StoppedReport = {"name": _container_name(container), "networks": sorted(networks)}
    fixed = [address for name in sorted(networks) for address in _fixed(networks[name] or {})]
    if fixed:
        found["fixed"] = fixed
    return found


def _container_name(container: Json) -> str:
    # Legacy links add names of the form /other/alias; the container's own name has only the leading slash.
    own = [name.lstrip("/") for name in container.get("Names") or [] if "/" not in name.lstrip("/")]
    return str(own[0] if own else container["Id"][:12])


def _container(container: Json, names: dict[str, str], detail: Json | None) -> ContainerReport:
    settings = (detail or container).get("NetworkSettings") or {}
    networks = settings.get("Networks") or {}
    endpoints = [_endpoint(name, networks[name], container["Id"], detail is not None) for name in sorted(networks)]
    mode = (container.get("HostConfig") or {}).get("NetworkMode") or "default"
    return {
        "name": names[container["Id"]],
        "id": container["Id"],
        "pid": number_or_none((detail.get("State") or {}).get("Pid")) or None if detail else None,
        "mode": _mode(mode, names),
        # The networks "none" and "host" mean that the container is not attached.
        "networks": [endpoint for endpoint in endpoints if endpoint["network"] not in ("none", "host")],
    }


def _mode(mode: str, names: dict[str, str]) -> str:
    if mode.startswith("container:"):
        target = mode[len("container:") :]
        return "container:" + names.get(target, target)
    if mode in ("default", "bridge"):
        return "bridge"
    return mode if mode in ("none", "host") else "user-defined"


def _endpoint(network: str, endpoint: Json, container: str, inspected: bool) -> EndpointReport:
    # Engines before 25.0 list the container's short id as an alias.
    aliases = [alias for alias in endpoint.get("Aliases") or [] if alias != container[:12]]
    found: EndpointReport = {
        "network": network,
        "ipv4": interface_or_none(endpoint.get("IPAddress"), endpoint.get("IPPrefixLen")),
        "ipv6": interface_or_none(endpoint.get("GlobalIPv6Address"), endpoint.get("GlobalIPv6PrefixLen")),
        "mac": endpoint.get("MacAddress") or None,
        "gateway": address_or_none(endpoint.get("Gateway")),
        "ipv6_gateway": address_or_none(endpoint.get("IPv6Gateway")),
        "aliases": aliases if inspected else None,
    }
    fixed = _fixed(endpoint)
    if fixed:
        found["fixed"] = fixed
    return found


def _fixed(endpoint: Json) -> list[str]:
    config = endpoint.get("IPAMConfig") or {}
    found = [address_or_none(config.get(key)) for key in ("IPv4Address", "IPv6Address")]
    return [address for address in found if address is not None]


def parse_name_servers(resolv_conf: str) -> list[str]:
    """The addresses of ``nameserver`` lines in their order, without scope (``fe80::1%eth0``) and duplicates."""
    servers = []
    for line in resolv_conf.splitlines():
        words = line.split()
        if len(words) >= 2 and words[0] == "nameserver":
            servers.append(words[1].split("%", 1)[0])
    return list(dict.fromkeys(servers))


class ControlPath(t.TypedDict):
    client: str
    server: str


def parse_control_path(ssh_connection: str | None) -> ControlPath | None:
    """Parse SSH_CONNECTION, ``CLIENT PORT SERVER PORT``; None if Ansible is not connected over SSH."""
    words = (ssh_connection or "").split()
    if len(words) != 4:
        return None
    return {"client": words[0].split("%", 1)[0], "server": words[2].split("%", 1)[0]}
