# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plan for one container's endpoints: steps that connect, reconnect or disconnect one of them."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import (
    FleetnetError,
    InvalidValue,
    Unsupported,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.differences import OptionDifference
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.endpoint_items import (
    INTERFACE_NAME,
    EndpointItem,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.endpoints import (
    choices,
    fits,
    keeps_mac,
    may_be_rejected,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.model import (
    DEFAULT_BRIDGE,
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
    """An observed container. ``attachments`` are by network id."""

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
    """The task's options. ``taken`` are the addresses in use by network id, each with the container that has it.

    An address that a stopped container has fixed is in use. ``accepted`` are the engine's answers for
    :func:`doubtful_addresses`, by network id and address; those that are missing are unknown.
    """

    items: tuple[EndpointItem, ...]
    version: Version
    state: str = "present"
    prune: bool = False
    taken: t.Mapping[str, t.Mapping[str, str]] = dataclasses.field(default_factory=dict)
    accepted: t.Mapping[tuple[str, str], bool] = dataclasses.field(default_factory=dict)


def resolve(
    items: t.Iterable[EndpointItem], networks: t.Iterable[ObservedNetwork], state: str
) -> list[tuple[EndpointItem, ObservedNetwork]]:
    """Pair each item with its network. With ``absent``, leave out items whose network does not exist."""
    known = list(networks)
    found = []
    for item in items:
        named = [each for each in known if each.name == item.network]
        if len(named) > 1:
            raise InvalidValue(
                item.where("name"), item.network, f"is the name of {len(named)} networks. Remove all but one."
            )
        if named:
            found.append((item, named[0]))
        elif state == "present":
            raise InvalidValue(item.where("name"), item.network, "is not an existing network. Create it first.")
    return found


def doubtful_addresses(
    found: t.Iterable[tuple[EndpointItem, ObservedNetwork]], container: ContainerState
) -> list[tuple[ObservedNetwork, IPAddress]]:
    """Declared addresses that the engine may reject because it chose the subnet itself: only the engine knows."""
    return [
        (network, address)
        for item, network in found
        for address in (item.ipv4, item.ipv6)
        if address is not None and _doubtful(address, item, network, container.attachments.get(network.id))
    ]


def _doubtful(address: IPAddress, item: EndpointItem, network: ObservedNetwork, current: Attachment | None) -> bool:
    if current is not None:
        fixed = address in current.addresses and address.version not in current.chosen
        if fixed or not differences(item, current):
            return False
    definition = network.definition
    local = network.name != DEFAULT_BRIDGE and definition.scope == "local"
    return local and fits(address, definition) and may_be_rejected(address, definition)


def differences(item: EndpointItem, current: Attachment) -> tuple[OptionDifference, ...]:
    """Compare the endpoint with its item option by option; options that the item omits are not compared."""
    found: list[OptionDifference] = []

    def compare(option: str, before: t.Any, after: t.Any) -> None:
        if after is not None and before != after:
            found.append(OptionDifference(option, _shown(before), _shown(after)))

    compare("ipv4_address", current.ipv4, item.ipv4)
    compare("ipv6_address", current.ipv6, item.ipv6)
    compare("aliases", sorted(set(current.aliases)), None if item.aliases is None else sorted(set(item.aliases)))
    compare("links", sorted(current.links), None if item.links is None else sorted(item.links))
    compare("gw_priority", current.gw_priority, item.gw_priority)
    # A stopped container has no MAC address.
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
    """Return the planned endpoint: the item's options, for others what is observed."""
    return dataclasses.replace(
        current,
        ipv4=item.ipv4 or current.ipv4,
        ipv6=item.ipv6 or current.ipv6,
        aliases=current.aliases if item.aliases is None else item.aliases,
        links=current.links if item.links is None else item.links,
        chosen=tuple(version for version in current.chosen if (item.ipv4 if version == 4 else item.ipv6) is None),
        mac=item.mac or current.mac,
        driver_opts=_merged(current.driver_opts, item.driver_opts),
        gw_priority=current.gw_priority if item.gw_priority is None else item.gw_priority,
    )


def _merged(current: Pairs, given: Pairs | None) -> Pairs:
    return pairs({**dict(current), **dict(given or ())})


def plan_endpoints(
    request: EndpointRequest, container: ContainerState, networks: t.Sequence[ObservedNetwork]
) -> NetworksPlan:
    """Plan to connect, then to reconnect, then to disconnect, so that the container always has a default route.

    Raises FleetnetError if the engine or the container does not support what is declared.
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
            warnings += _doubts(item, network, current, request)
            joins.append(NetworkStep("connect", (_state(network),), (_state(network, after),)))
            continue
        found_ = differences(item, current)
        if not found_:
            continue
        after = choices(wanted(item, current), network.name)[0]
        _check(item, network, current, after, request, container)
        warnings += _doubts(item, network, current, request)
        warnings += _address_warnings(network, current, after)
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
        # A container cannot leave the networks `none` and `host`.
        leaves = [_disconnect(each, container) for each in others if each.name not in ("none", "host")]
    return NetworksPlan((*joins, *changes, *leaves), tuple(warnings))


def _state(network: ObservedNetwork, *attachments: Attachment) -> NetworkState:
    return NetworkState(network.definition, attachments, network.id)


def _disconnect(network: ObservedNetwork, container: ContainerState) -> NetworkStep:
    return NetworkStep("connect", (_state(network, container.attachments[network.id]),), (_state(network),))


def _address_warnings(network: ObservedNetwork, before: Attachment, after: Attachment) -> t.Iterator[str]:
    for old, new in ((before.ipv4, after.ipv4), (before.ipv6, after.ipv6)):
        if old is None or (new is not None and (new != old or new.version not in after.chosen)):
            continue
        if new is None or may_be_rejected(old, network.definition):
            yield (
                f"{before.container!r} may get another address than {old} on network {network.name!r}: the engine "
                "chose it, and does not accept it as a fixed address if it also chose the subnet"
            )


def _doubts(
    item: EndpointItem, network: ObservedNetwork, current: Attachment | None, request: EndpointRequest
) -> t.Iterator[str]:
    """Yield a warning for each address that the engine may reject. Raises InvalidValue for one that it rejects."""
    for option, address in (("ipv4_address", item.ipv4), ("ipv6_address", item.ipv6)):
        if address is None or not _doubtful(address, item, network, current):
            continue
        accepted = request.accepted.get((network.id, str(address)))
        if accepted is None:
            yield (
                f"the engine may reject address {address} on network {network.name!r}: if it chose the subnet, it does "
                "not accept fixed addresses"
            )
        elif not accepted:
            raise InvalidValue(
                item.where(option),
                str(address),
                f"cannot be set: the engine chose the subnet of network {network.name!r}, and accepts fixed addresses "
                "only in subnets that are set when a network is created. Create the network with a subnet, or remove "
                "the address.",
            )


def _check(
    item: EndpointItem,
    network: ObservedNetwork,
    current: Attachment,
    after: Attachment,
    request: EndpointRequest,
    container: ContainerState,
) -> None:
    """Raise FleetnetError for what the engine would reject or ignore."""
    mode = container.network_mode
    if mode in ("host", "none") or mode.startswith("container:"):
        raise FleetnetError(
            f"container {container.name!r} has network mode {mode} and cannot join network {network.name!r}. "
            "Create it with another network mode."
        )
    if network.definition.config_only:
        raise InvalidValue(
            item.where("name"),
            item.network,
            "is a configuration network, which containers cannot join. Choose another.",
        )
    if network.name == DEFAULT_BRIDGE:
        aliases = list(item.aliases or ())
        for option, value in (("ipv4_address", item.ipv4), ("ipv6_address", item.ipv6), ("aliases", aliases)):
            if value:
                raise InvalidValue(
                    item.where(option),
                    value if value is aliases else str(value),
                    "is not supported on the engine's own bridge network. Use another network.",
                )
    for option, address in (("ipv4_address", item.ipv4), ("ipv6_address", item.ipv6)):
        if address is None:
            continue
        if not fits(address, network.definition):
            subnets = ", ".join(str(block.subnet) for block in network.definition.blocks) or "none"
            reason = f"is not a free host address of network {network.name!r}. Choose another address of {subnets}."
            raise InvalidValue(item.where(option), str(address), reason)
        holder = request.taken.get(network.id, {}).get(str(address), container.name)
        if holder != container.name:
            raise InvalidValue(
                item.where(option), str(address), f"is the address of container {holder!r}. Choose another."
            )
    _check_version(item, current, after, request.version)


def _check_version(item: EndpointItem, current: Attachment, after: Attachment, version: Version) -> None:
    text = ".".join(str(part) for part in version)
    names_interface = INTERFACE_NAME in dict(item.driver_opts or ())
    for option, requested, since in (
        ("gw_priority", bool(item.gw_priority), (28,)),
        ("interface_name", names_interface, (28,)),
        ("mac_address", item.mac is not None and item.mac != current.mac and after.mac == item.mac, (29, 3)),
    ):
        if requested and version < since:
            needed = ".".join(str(part) for part in (*since, 0)[:2])
            value = {"gw_priority": item.gw_priority, "mac_address": item.mac}.get(
                option, dict(item.driver_opts or ()).get(INTERFACE_NAME)
            )
            raise Unsupported(
                f"{item.where(option)}: {value!r}: requires engine {needed} or newer to be set on an existing "
                f"container, and this is {text}. Set it when the container is created, or remove it."
            )
