# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is to be done about one container's endpoints: connect, reconnect and disconnect, each a step of its own."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import (
    FleetnetError,
    InvalidValue,
    Unsupported,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.drift import Difference
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.endpoint_spec import (
    INTERFACE_NAME,
    EndpointItem,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.endpoints import fits, keeps_mac
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.model import (
    Attachment,
    IPAddress,
    NetworkState,
    ObservedNetwork,
    Pairs,
    Version,
    pairs,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.steps import NetworksPlan, NetworkStep


@dataclasses.dataclass(frozen=True)
class ContainerState:
    """The container as it is. ``attachments`` are by network id."""

    id: str
    name: str
    running: bool
    network_mode: str
    attachments: t.Mapping[str, Attachment]

    def addresses_on(self, network: ObservedNetwork) -> tuple[IPAddress, ...]:
        attachment = self.attachments.get(network.id)
        return attachment.addresses if attachment is not None else ()


@dataclasses.dataclass(frozen=True)
class EndpointRequest:
    """What the task asks for. ``taken`` are the addresses in use by network id, each with the container that has it."""

    items: tuple[EndpointItem, ...]
    version: Version
    state: str = "present"
    prune: bool = False
    taken: t.Mapping[str, t.Mapping[str, str]] = dataclasses.field(default_factory=dict)


def resolve(
    items: t.Iterable[EndpointItem], networks: t.Iterable[ObservedNetwork], state: str
) -> list[tuple[EndpointItem, ObservedNetwork]]:
    """Each item with its network; with ``absent`` an item whose network is not there has nothing to do."""
    known = list(networks)
    found = []
    for item in items:
        named = [each for each in known if each.name == item.network]
        if len(named) > 1:
            raise InvalidValue(
                item.where("name"), item.network, f"is the name of {len(named)} networks: remove all but one"
            )
        if named:
            found.append((item, named[0]))
        elif state == "present":
            raise InvalidValue(item.where("name"), item.network, "there is no such network: create it first")
    return found


def differences(item: EndpointItem, current: Attachment) -> tuple[Difference, ...]:
    """Option by option what the endpoint has and the item asks for; what the item omits is not compared."""
    found: list[Difference] = []

    def compare(option: str, before: t.Any, after: t.Any) -> None:
        if after is not None and before != after:
            found.append(Difference(option, _shown(before), _shown(after)))

    compare("ipv4_address", current.ipv4, item.ipv4)
    compare("ipv6_address", current.ipv6, item.ipv6)
    compare("aliases", sorted(set(current.aliases)), None if item.aliases is None else sorted(set(item.aliases)))
    compare("links", sorted(current.links), None if item.links is None else sorted(item.links))
    compare("gw_priority", current.gw_priority, item.gw_priority)
    # A container that does not run has no MAC address yet.
    if current.mac or current.running:
        compare("mac_address", current.mac.lower(), item.mac)
    have = dict(current.driver_opts)
    for key, value in item.driver_opts or ():
        compare("interface_name" if key == INTERFACE_NAME else f"driver_opts.{key}", have.get(key), value)
    return tuple(found)


def _shown(value: t.Any) -> str | None:
    if isinstance(value, list):
        return ", ".join(value) or None
    return None if value in (None, "") else str(value)


def wanted(item: EndpointItem, current: Attachment) -> Attachment:
    """The endpoint as it is to be: what the item gives, and for the rest what is there."""
    return dataclasses.replace(
        current,
        ipv4=item.ipv4 or current.ipv4,
        ipv6=item.ipv6 or current.ipv6,
        aliases=current.aliases if item.aliases is None else item.aliases,
        links=current.links if item.links is None else item.links,
        mac=item.mac or current.mac,
        driver_opts=_merged(current.driver_opts, item.driver_opts),
        gw_priority=current.gw_priority if item.gw_priority is None else item.gw_priority,
    )


def _merged(current: Pairs, given: Pairs | None) -> Pairs:
    return pairs({**dict(current), **dict(given or ())})


def plan_endpoints(
    request: EndpointRequest, container: ContainerState, networks: t.Sequence[ObservedNetwork]
) -> NetworksPlan:
    """Connect what is new, then reconnect what differs, then disconnect: the container keeps a way out throughout.

    :raises FleetnetError: where the engine or the container cannot have what is declared; nothing has been changed.
    """
    found = resolve(request.items, networks, request.state)
    if request.state == "absent":
        gone = [network for _item, network in found if network.id in container.attachments]
        return NetworksPlan(tuple(_disconnect(network, container) for network in gone))
    joins: list[NetworkStep] = []
    changes: list[NetworkStep] = []
    warnings: list[str] = []
    for item, network in found:
        current = container.attachments.get(network.id)
        if current is None:
            after = wanted(item, Attachment(container.id, container.name, container.running))
            _check(item, network, Attachment(container.id, container.name), after, request, container)
            joins.append(NetworkStep("connect", (_state(network),), (_state(network, after),)))
            continue
        found_ = differences(item, current)
        if not found_:
            continue
        after = wanted(item, current)
        _check(item, network, current, after, request, container)
        if not keeps_mac(current, after, request.version):
            warnings.append(
                f"{container.name!r} gets another MAC address than {current.mac} on network {network.name!r}"
            )
        reason = ", ".join(str(each) for each in found_)
        changes.append(NetworkStep("connect", (_state(network, current),), (_state(network, after),), reason))
    leaves: list[NetworkStep] = []
    if request.prune:
        keep = {network.id for _item, network in found}
        by_id = {network.id: network for network in networks}
        others = [by_id[nid] for nid in container.attachments if nid not in keep and nid in by_id]
        # `none` and `host` are no networks that a container can leave.
        leaves = [_disconnect(each, container) for each in others if each.name not in ("none", "host")]
    return NetworksPlan((*joins, *changes, *leaves), tuple(warnings))


def _state(network: ObservedNetwork, *attachments: Attachment) -> NetworkState:
    return NetworkState(network.definition, attachments, network.id)


def _disconnect(network: ObservedNetwork, container: ContainerState) -> NetworkStep:
    return NetworkStep("connect", (_state(network, container.attachments[network.id]),), (_state(network),))


def _check(
    item: EndpointItem,
    network: ObservedNetwork,
    current: Attachment,
    after: Attachment,
    request: EndpointRequest,
    container: ContainerState,
) -> None:
    """Refuse what the engine would refuse or quietly not do."""
    mode = container.network_mode
    if mode in ("host", "none") or mode.startswith("container:"):
        raise FleetnetError(
            f"container {container.name!r} has network mode {mode} and so cannot join network {network.name!r}: "
            "create it with another network mode"
        )
    if network.definition.config_only:
        raise InvalidValue(item.where("name"), item.network, "is a configuration, which no container can join")
    if network.name == "bridge":
        for option, value in (("ipv4_address", item.ipv4), ("ipv6_address", item.ipv6), ("aliases", item.aliases)):
            if value:
                raise InvalidValue(
                    item.where(option), value, "the engine's own bridge network has no such thing: use another"
                )
    for option, address in (("ipv4_address", item.ipv4), ("ipv6_address", item.ipv6)):
        if address is None:
            continue
        if not fits(address, network.definition):
            subnets = ", ".join(str(block.subnet) for block in network.definition.blocks) or "none"
            reason = f"cannot be had on network {network.name!r}, whose subnets are {subnets} (gateways are taken)"
            raise InvalidValue(item.where(option), str(address), reason)
        holder = request.taken.get(network.id, {}).get(str(address), container.name)
        if holder != container.name:
            raise InvalidValue(item.where(option), str(address), f"is the address of container {holder!r}")
    _check_version(item, current, after, request.version)


def _check_version(item: EndpointItem, current: Attachment, after: Attachment, version: Version) -> None:
    text = ".".join(str(part) for part in version)
    names_interface = INTERFACE_NAME in dict(item.driver_opts or ())
    for option, asked, since in (
        ("gw_priority", bool(item.gw_priority), (28,)),
        ("interface_name", names_interface, (28,)),
        ("mac_address", item.mac is not None and item.mac != current.mac and after.mac == item.mac, (29, 3)),
    ):
        if asked and version < since:
            needed = ".".join(str(part) for part in (*since, 0)[:2])
            value = {"gw_priority": item.gw_priority, "mac_address": item.mac}.get(
                option, dict(item.driver_opts or ()).get(INTERFACE_NAME)
            )
            raise Unsupported(
                f"{item.where(option)}: {value!r}: needs engine {needed} or newer to be given to a container that "
                f"exists, and this is {text}: give it when the container is created, or remove it"
            )
