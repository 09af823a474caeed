# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From the engine's JSON to the normal form: what an engine adds or writes differently by version ends here."""

from __future__ import annotations

import ipaddress
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.model import (
    Attachment,
    Block,
    ContainerSummary,
    Definition,
    IPAddress,
    ObservedNetwork,
    Pairs,
    pairs,
)

Json = t.Mapping[str, t.Any]

# Driver options that nobody declared: engines write them beside the user's own.
_ENGINE_OPTIONS = frozenset(
    {
        "com.docker.network.enable_ipv4",  # 27 and newer: EnableIPv4 and EnableIPv6 once more
        "com.docker.network.enable_ipv6",
        "com.docker.network.driver.overlay.vxlanid_list",  # chosen by the swarm
    }
)


def parse_networks(listing: t.Iterable[Json]) -> tuple[ObservedNetwork, ...]:
    """The engine's listing of networks, sorted by name and age."""
    networks = [parse_network(entry) for entry in listing]
    return tuple(sorted(networks, key=lambda network: (network.name, network.created, network.id)))


def parse_network(entry: Json) -> ObservedNetwork:
    ipam: Json = entry.get("IPAM") or {}
    blocks = [_block(config) for config in ipam.get("Config") or ()]
    options = {key: str(value) for key, value in (entry.get("Options") or {}).items() if key not in _ENGINE_OPTIONS}
    definition = Definition(
        name=entry["Name"],
        driver=entry.get("Driver") or "bridge",
        driver_options=pairs(options),
        ipam_driver=ipam.get("Driver") or "default",
        ipam_driver_options=pairs(ipam.get("Options")),
        blocks=tuple(block for block in blocks if block is not None),
        enable_ipv4=bool(entry.get("EnableIPv4", True)),  # engines before 28 do not say, as it was always on
        enable_ipv6=bool(entry.get("EnableIPv6")),
        internal=bool(entry.get("Internal")),
        attachable=bool(entry.get("Attachable")),
        ingress=bool(entry.get("Ingress")),
        scope=entry.get("Scope") or "local",
        labels=pairs(entry.get("Labels")),
        config_only=bool(entry.get("ConfigOnly")),
        config_from=(entry.get("ConfigFrom") or {}).get("Network") or "",
    )
    return ObservedNetwork(id=entry["Id"], definition=definition, created=str(entry.get("Created", "")))


def _block(config: Json) -> Block | None:
    if not config.get("Subnet"):
        return None
    subnet = ipaddress.ip_network(config["Subnet"], strict=False)  # older engines keep host bits as they were given
    ip_range = ipaddress.ip_network(config["IPRange"], strict=False) if config.get("IPRange") else None
    aux = {name: _address(value) for name, value in (config.get("AuxiliaryAddresses") or {}).items()}
    return Block(
        subnet=subnet,
        ip_range=ip_range,
        gateway=_address(config["Gateway"]) if config.get("Gateway") else None,
        aux=tuple(sorted(aux.items())) or None,
    )


def _address(text: str) -> IPAddress:
    return ipaddress.ip_address(text.partition("/")[0])  # IPv6 gateways that 20.10 chose itself carry a prefix length


def parse_containers(listing: t.Iterable[Json]) -> tuple[ContainerSummary, ...]:
    """The engine's listing of all containers, stopped ones too."""
    return tuple(
        ContainerSummary(
            id=entry["Id"],
            name=_main_name(entry.get("Names") or [], entry["Id"]),
            state=entry.get("State", ""),
            service=(entry.get("Labels") or {}).get("com.docker.swarm.service.name", ""),
            network_mode=(entry.get("HostConfig") or {}).get("NetworkMode") or "default",
            networks=pairs(
                {
                    name: (settings or {}).get("NetworkID") or ""
                    for name, settings in ((entry.get("NetworkSettings") or {}).get("Networks") or {}).items()
                }
            ),
        )
        for entry in listing
    )


def _main_name(names: t.Sequence[str], fallback: str) -> str:
    """A container with links has several names, ``/other/alias`` among them; its own has one slash."""
    own = [name[1:] for name in names if name.count("/") == 1]
    return own[0] if own else fallback[:12]


def parse_attachment(container: Json, network: ObservedNetwork) -> Attachment | None:
    """The endpoint of an inspected container on ``network``; None where it has none."""
    networks: Json = (container.get("NetworkSettings") or {}).get("Networks") or {}
    for name, settings in networks.items():
        nid = (settings or {}).get("NetworkID") or ""
        if nid == network.id or (not nid and name == network.name):
            return _attachment(container, settings or {})
    return None


def _attachment(container: Json, settings: Json) -> Attachment:
    ipam: Json = settings.get("IPAMConfig") or {}
    short_id = container["Id"][:12]
    state: Json = container.get("State") or {}
    ipv4 = ipam.get("IPv4Address") or settings.get("IPAddress")
    ipv6 = ipam.get("IPv6Address") or settings.get("GlobalIPv6Address")
    return Attachment(
        container_id=container["Id"],
        container=container["Name"].lstrip("/"),
        running=bool(state.get("Running")),
        ipv4=_address(ipv4) if ipv4 else None,
        ipv6=_address(ipv6) if ipv6 else None,
        mac=settings.get("MacAddress") or "",
        # Engines before 25 list the short id among the aliases, and add it again at each connect.
        aliases=tuple(alias for alias in settings.get("Aliases") or () if alias != short_id),
        links=tuple(settings.get("Links") or ()),
        link_local=tuple(ipam.get("LinkLocalIPs") or ()),
        driver_opts=_text_pairs(settings.get("DriverOpts")),
        gw_priority=int(settings.get("GwPriority") or 0),
    )


def _text_pairs(mapping: Json | None) -> Pairs:
    return pairs({key: str(value) for key, value in (mapping or {}).items()})
