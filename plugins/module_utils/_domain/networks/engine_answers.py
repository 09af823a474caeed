# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Parse the engine's answers: networks, containers and endpoints.

A change depends on all of their fields. So a field that cannot be read is an expected failure, which names its object.
"""

from __future__ import annotations

import dataclasses
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
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.options import ENGINE_OPTIONS, Option
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.ipam_config import (
    IPAM_LABEL,
    ipam_config,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.readable import reads

Json = t.Mapping[str, t.Any]


def parse_networks(listing: t.Iterable[Json], adopted: t.Container[str] = ()) -> tuple[ObservedNetwork, ...]:
    """Parse the engine's list of networks; return them sorted by name and age. ``adopted`` are ids."""
    parsed = [parse_network(entry) for entry in _listed(listing)]
    networks = [dataclasses.replace(each, adopted=True) if each.id in adopted else each for each in parsed]
    known = [network if network.blocks_known else _with_blocks_of_dependents(network, networks) for network in networks]
    return tuple(sorted(known, key=lambda network: (network.name, network.created, network.id)))


def _with_blocks_of_dependents(network: ObservedNetwork, networks: t.Iterable[ObservedNetwork]) -> ObservedNetwork:
    """Add the subnets of a configuration network, if a network that takes its configuration from it shows them."""
    for each in networks:
        if each.definition.config_from == network.name and each.definition.blocks:
            definition = dataclasses.replace(network.definition, blocks=each.definition.blocks)
            return dataclasses.replace(network, definition=definition, blocks_known=True)
    return network


@reads("list of the Docker engine")
def _listed(listing: t.Any) -> list[Json]:
    return [dict(entry) for entry in listing]


@reads("network of the Docker engine")
def parse_network(entry: Json) -> ObservedNetwork:
    values = {
        option.key: _parsed(option, _value_at(option, entry)) for option in ENGINE_OPTIONS if option.type != "list"
    }
    config = ipam_config(entry)
    values["blocks"] = tuple(_block(each) for each in config or () if each.get("Subnet"))
    values["labels"] = tuple(pair for pair in values["labels"] if pair[0] != IPAM_LABEL)
    name, network_id = _text(entry["Name"]), _text(entry["Id"])
    definition = Definition(name=name, **values)
    return ObservedNetwork(network_id, definition, str(entry.get("Created", "")), blocks_known=config is not None)


def _text(value: t.Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not a string")
    return value


def _value_at(option: Option, entry: Json) -> t.Any:
    value: t.Any = entry
    for name in option.api:
        value = (value or {}).get(name)
    return value


def _parsed(option: Option, value: t.Any) -> t.Any:
    """The normalized value; engines omit unknown options, and return null or an empty string for defaults."""
    if option.type == "dict":
        return _text_pairs(value)
    if option.name == "driver" and value == "":
        return value  # a network that the swarm has not allocated
    if option.type == "bool":
        return option.default if value is None else bool(value)
    return _text(value) if value else option.default


def _block(config: Json) -> Block:
    # Older engines keep host bits as they were given.
    aux = {name: _address(value) for name, value in (config.get("AuxiliaryAddresses") or {}).items()}
    return Block(
        subnet=ipaddress.ip_network(_text(config["Subnet"]), strict=False),
        ip_range=ipaddress.ip_network(_text(config["IPRange"]), strict=False) if config.get("IPRange") else None,
        gateway=_address(config["Gateway"]) if config.get("Gateway") else None,
        aux=tuple(sorted(aux.items())) or None,
    )


def _address(text: str) -> IPAddress:
    return ipaddress.ip_address(
        _text(text).partition("/")[0]
    )  # engine 20.10 appends a prefix length to IPv6 gateways that it chose


def parse_containers(listing: t.Iterable[Json]) -> tuple[ContainerSummary, ...]:
    """Parse the engine's list of containers."""
    return tuple(_summary(entry) for entry in _listed(listing))


@reads("container of the Docker engine")
def _summary(entry: Json) -> ContainerSummary:
    return ContainerSummary(
        id=_text(entry["Id"]),
        name=_main_name(entry.get("Names") or [], entry["Id"]),
        state=entry.get("State", ""),
        service=(entry.get("Labels") or {}).get("com.docker.swarm.service.name", ""),
        network_mode=_text((entry.get("HostConfig") or {}).get("NetworkMode") or "default"),
        networks=pairs(
            {
                name: (settings or {}).get("NetworkID") or ""
                for name, settings in ((entry.get("NetworkSettings") or {}).get("Networks") or {}).items()
            }
        ),
    )


def _main_name(names: t.Sequence[str], fallback: str) -> str:
    """Return the name with one slash; the target of a link has names like ``/other/alias``, too."""
    own = [name[1:] for name in names if name.count("/") == 1]
    return own[0] if own else fallback[:12]


@reads("container of the Docker engine")
def parse_attachment(container: Json, network: ObservedNetwork) -> Attachment | None:
    """Return the endpoint of an inspected container on ``network``, or None."""
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
    fixed = {4: ipam.get("IPv4Address"), 6: ipam.get("IPv6Address")}
    observed = {4: settings.get("IPAddress"), 6: settings.get("GlobalIPv6Address")}
    ipv4, ipv6 = (fixed[version] or observed[version] for version in (4, 6))
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
        chosen=tuple(version for version in (4, 6) if observed[version] and not fixed[version]),
    )


def _text_pairs(mapping: Json | None) -> Pairs:
    return pairs({key: str(value) for key, value in (mapping or {}).items()})
