# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The JSON bodies of requests to the engine: for a network and for an endpoint, by engine version."""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.model import (
    Attachment,
    Block,
    Definition,
    Version,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.options import (
    BLOCK_TABLE,
    ENGINE_OPTIONS,
    default_in,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.ipam_config import marked

Json = t.Dict[str, t.Any]


def creation(definition: Definition, version: Version) -> Json:
    """Return the body of ``POST /networks/create``. It leaves the engine's defaults out."""
    body: Json = {"Name": definition.name, "Driver": definition.driver}
    if version < (25,):
        body["CheckDuplicate"] = True  # newer engines never create a name twice
    for option in ENGINE_OPTIONS:
        value = getattr(definition, option.key)
        # The engine rejects options that the configuration network has.
        if value == default_in(option, definition) or (definition.config_from and option.inherited):
            continue
        place = body
        for name in option.api[:-1]:
            place = place.setdefault(name, {})
        place[option.api[-1]] = _blocks(value) if option.type == "list" else _json(option.type, value)
    if "IPAM" in body:
        body["IPAM"] = {"Driver": definition.ipam_driver, "Options": {}, "Config": [], **body["IPAM"]}
    if definition.config_only and definition.labeled:
        body["Labels"].update(marked(_blocks(definition.blocks)))
    return body


def _json(kind: str, value: t.Any) -> t.Any:
    return dict(value) if kind == "dict" else value


def _blocks(blocks: t.Iterable[Block]) -> list[Json]:
    return [
        {
            option.api[0]: {name: str(address) for name, address in value} if option.type == "dict" else str(value)
            for option in BLOCK_TABLE
            for value in [getattr(block, option.key)]
            if value is not None and value != ()
        }
        for block in blocks
    ]


def connection(attachment: Attachment) -> Json:
    """Return the body of ``POST /networks/ID/connect``.

    Engines before 25 ignore the MAC address, before 28 the gateway priority.
    """
    settings: Json = {}
    ipam: Json = {}
    if attachment.ipv4 is not None:
        ipam["IPv4Address"] = str(attachment.ipv4)
    if attachment.ipv6 is not None:
        ipam["IPv6Address"] = str(attachment.ipv6)
    if attachment.link_local:
        ipam["LinkLocalIPs"] = list(attachment.link_local)
    if ipam:
        settings["IPAMConfig"] = ipam
    if attachment.aliases:
        settings["Aliases"] = list(attachment.aliases)
    if attachment.links:
        settings["Links"] = list(attachment.links)
    if attachment.mac:
        settings["MacAddress"] = attachment.mac
    if attachment.driver_opts:
        settings["DriverOpts"] = dict(attachment.driver_opts)
    if attachment.gw_priority:
        settings["GwPriority"] = attachment.gw_priority
    return {"Container": attachment.container_id, "EndpointConfig": settings}
