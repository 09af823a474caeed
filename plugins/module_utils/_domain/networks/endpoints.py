# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Endpoints: the containers on a network, their endpoints after a recreate, and the containers declared for it."""

from __future__ import annotations

import dataclasses
import ipaddress
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import InvalidValue
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.differences import default_gateways
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.model import (
    DEFAULT_BRIDGE,
    Attachment,
    ContainerSummary,
    Definition,
    IPAddress,
    Item,
    ObservedNetwork,
    Version,
)

GOING = ("dead", "removing")


def members(network: ObservedNetwork, containers: t.Iterable[ContainerSummary]) -> tuple[ContainerSummary, ...]:
    """Return the containers with an endpoint on the network. A stopped one would not start without the network."""
    found = [each for each in containers if each.state not in GOING and each.is_on(network)]
    return tuple(sorted(found, key=lambda each: each.name))


def addressed_first(attachments: t.Iterable[Attachment]) -> list[Attachment]:
    """The order to connect in: the engine chooses addresses for the others, and must not choose one of these."""
    return sorted(attachments, key=lambda each: not each.addresses)


def refit(attachment: Attachment, definition: Definition) -> tuple[Attachment, tuple[IPAddress, ...]]:
    """Return the endpoint without the addresses that do not fit the network ``definition``, and these addresses."""
    lost = tuple(address for address in attachment.addresses if not fits(address, definition))
    kept = dataclasses.replace(
        attachment,
        ipv4=None if attachment.ipv4 in lost else attachment.ipv4,
        ipv6=None if attachment.ipv6 in lost else attachment.ipv6,
    )
    return kept, lost


def fits(address: IPAddress, definition: Definition) -> bool:
    """Whether a container can have the address: it is in a subnet, and neither the gateway nor reserved."""
    if not (definition.enable_ipv6 if address.version == 6 else definition.enable_ipv4):
        return False
    for block in definition.blocks:
        if address in block.subnet:
            reserved: set[IPAddress] = {each for _name, each in block.aux or ()}
            reserved.add(block.gateway if block.gateway is not None else default_gateways(block)[0])
            if isinstance(block.subnet, ipaddress.IPv4Network):
                reserved |= {block.subnet.network_address, block.subnet.broadcast_address}
            return address not in reserved
    return False


def choices(attachment: Attachment, network: str) -> tuple[Attachment, ...]:
    """Return the endpoint as it can be requested, the preferred form first.

    An address that the engine chose is requested as a fixed one, so that the container keeps it. Engines reject that
    on their own bridge network. They also reject it in a subnet that they chose themselves, until they are restarted.
    Without the address, the engine chooses one again.
    """
    if not attachment.chosen:
        return (attachment,)
    other = dataclasses.replace(
        attachment,
        ipv4=None if 4 in attachment.chosen else attachment.ipv4,
        ipv6=None if 6 in attachment.chosen else attachment.ipv6,
        chosen=(),
    )
    return (other,) if network == DEFAULT_BRIDGE else (attachment, other)


def may_be_rejected(address: IPAddress, definition: Definition) -> bool:
    """Whether the engine may reject the address as a fixed one because it chose the subnet itself.

    The API does not report who chose a subnet. But engines list the gateway of each subnet that they choose, and never
    give it a range or reserved addresses. Networks of this collection have the subnets of their declaration.
    """
    if definition.labeled or definition.config_from:
        return False
    return any(
        address in block.subnet and block.gateway is not None and block.ip_range is None and not block.aux
        for block in definition.blocks
    )


def keeps_mac(before: Attachment, after: Attachment, version: Version) -> bool:
    """Whether a reconnected endpoint keeps its MAC address.

    Before 25 a MAC address belongs to the container and stays. From 25 on it belongs to the endpoint, and the engine
    ignores it when a container joins a network (moby issue 48192, fixed in 29.3). Before 28 a MAC address that the
    engine chooses follows from the IPv4 address.
    """
    if not before.mac or version < (25,) or version >= (29, 3):
        return True
    if version >= (28,) or before.ipv4 is None or before.ipv4 != after.ipv4:
        return False
    return before.mac == "02:42:" + ":".join(f"{byte:02x}" for byte in before.ipv4.packed)


@dataclasses.dataclass(frozen=True)
class Membership:
    """The containers to connect to a network and the ids of those to disconnect, according to ``connected``."""

    join: tuple[ContainerSummary, ...] = ()
    leave: tuple[str, ...] = ()

    def apply(self, attachments: t.Iterable[Attachment]) -> tuple[Attachment, ...]:
        stay = tuple(each for each in attachments if each.container_id not in self.leave)
        return stay + tuple(Attachment(each.id, each.name, each.running) for each in self.join)


def membership(item: Item, network: ObservedNetwork | None, containers: t.Sequence[ContainerSummary]) -> Membership:
    """Compare ``connected`` with the network's containers. Without the option none is connected or disconnected."""
    if item.connected is None:
        return Membership()
    present = members(network, containers) if network is not None else ()
    on_it = {each.id for each in present}
    wanted: dict[str, ContainerSummary] = {}
    for index, reference in enumerate(item.connected):
        container = find_container(item.where(f"connected[{index}]"), reference, containers)
        if container.id not in on_it:
            _check_can_join(item.where(f"connected[{index}]"), reference, container)
        wanted[container.id] = container
    join = tuple(each for each in wanted.values() if each.id not in on_it)
    leave = () if item.appends else tuple(each.id for each in present if each.id not in wanted)
    return Membership(join, leave)


def find_container(path: str, reference: str, containers: t.Iterable[ContainerSummary]) -> ContainerSummary:
    """Find a container by name, id or the beginning of its id, in this order, as Docker does."""
    known = list(containers)
    for found in (
        [each for each in known if each.name == reference],
        [each for each in known if each.id == reference],
        [each for each in known if each.id.startswith(reference)],
    ):
        if len(found) > 1:
            names = ", ".join(each.name for each in found)
            raise InvalidValue(path, reference, f"is the beginning of {len(found)} ids ({names}). Use a name.")
        if found:
            return found[0]
    raise InvalidValue(path, reference, "is not an existing container. Create it first, or remove it from the list.")


def _check_can_join(path: str, reference: str, container: ContainerSummary) -> None:
    mode = container.network_mode
    if mode in ("host", "none") or mode.startswith("container:"):
        raise InvalidValue(path, reference, f"has network mode {mode} and cannot join a network. Remove it.")
