# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the engine is sent: the API's JSON for a network and for an endpoint, by engine version."""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.model import (
    Attachment,
    Block,
    Definition,
    Version,
)

Json = t.Dict[str, t.Any]


def creation(definition: Definition, version: Version) -> Json:
    """The body of ``POST /networks/create``. What is the engine's default is not sent."""
    body: Json = {"Name": definition.name, "Driver": definition.driver}
    if version < (25,):
        body["CheckDuplicate"] = True  # from 25 on a name exists once, whatever this says
    for key, value in (
        ("Internal", definition.internal),
        ("Attachable", definition.attachable),
        ("Ingress", definition.ingress),
        ("ConfigOnly", definition.config_only),
    ):
        if value:
            body[key] = True
    if not definition.enable_ipv4:
        body["EnableIPv4"] = False
    if definition.scope != natural_scope(definition.driver):
        body["Scope"] = definition.scope
    if definition.config_from:
        # Everything else comes from there, and the engine refuses to be told twice.
        return {**body, "ConfigFrom": {"Network": definition.config_from}}
    if definition.enable_ipv6:
        body["EnableIPv6"] = True
    if definition.driver_options:
        body["Options"] = dict(definition.driver_options)
    if definition.labels:
        body["Labels"] = dict(definition.labels)
    if definition.blocks or definition.ipam_driver_options or definition.ipam_driver != "default":
        body["IPAM"] = {
            "Driver": definition.ipam_driver,
            "Options": dict(definition.ipam_driver_options),
            "Config": [_block(block) for block in definition.blocks],
        }
    return body


def natural_scope(driver: str) -> str:
    """The scope that the engine gives to a network of this driver by itself."""
    return "swarm" if driver == "overlay" else "local"


def _block(block: Block) -> Json:
    body: Json = {"Subnet": str(block.subnet)}
    if block.ip_range is not None:
        body["IPRange"] = str(block.ip_range)
    if block.gateway is not None:
        body["Gateway"] = str(block.gateway)
    if block.aux:
        body["AuxiliaryAddresses"] = {name: str(address) for name, address in block.aux}
    return body


def connection(attachment: Attachment) -> Json:
    """The body of ``POST /networks/ID/connect``. Engines before 25 ignore the MAC, before 28 the gateway priority."""
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
