# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a network is: the records that the items, the engine's answers and the plan share.

All values are normalized, so that equal values compare equal: addresses are :mod:`ipaddress` objects, options and
labels are strings.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.constants import (
    BRIDGE_NAME,
    BRIDGE_PREFIX,
    DRIVER_PREFIX,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.ownership import is_labeled

IPNetwork = t.Union[ipaddress.IPv4Network, ipaddress.IPv6Network]
IPAddress = t.Union[ipaddress.IPv4Address, ipaddress.IPv6Address]
Version = t.Tuple[int, ...]
Pairs = t.Tuple[t.Tuple[str, str], ...]

# The engine creates these networks itself. It allows neither their removal nor other networks with their names.
DEFAULT_BRIDGE = "bridge"
PREDEFINED = frozenset({DEFAULT_BRIDGE, "host", "none", "default"})

MASQUERADE = BRIDGE_PREFIX + "enable_ip_masquerade"
GATEWAY_MODE_IPV4 = BRIDGE_PREFIX + "gateway_mode_ipv4"
GATEWAY_MODE_IPV6 = BRIDGE_PREFIX + "gateway_mode_ipv6"
ENABLE_ICC = BRIDGE_PREFIX + "enable_icc"
INHIBIT_IPV4 = BRIDGE_PREFIX + "inhibit_ipv4"
TRUSTED_HOST_INTERFACES = BRIDGE_PREFIX + "trusted_host_interfaces"
# Engines from 27 on add these, as copies of the network's own options.
ENABLE_IPV4, ENABLE_IPV6 = "com.docker.network.enable_ipv4", "com.docker.network.enable_ipv6"
# The VXLAN ids of an overlay network, one per subnet, separated by commas. The swarm chooses those that are not given.
VXLAN_IDS = DRIVER_PREFIX + "overlay.vxlanid_list"
SCOPES = ("local", "global", "swarm")
GATEWAY_MODES = ("nat", "nat-unprotected", "routed", "isolated")
# Driver options that are true or false.
FLAG_OPTIONS = frozenset(
    (MASQUERADE, ENABLE_ICC, INHIBIT_IPV4, ENABLE_IPV4, ENABLE_IPV6, BRIDGE_PREFIX + "default_bridge")
)


@dataclasses.dataclass(frozen=True)
class Block:
    """One address block of a network. ``aux`` reserves addresses: (name, address) pairs, sorted."""

    subnet: IPNetwork
    ip_range: IPNetwork | None = None
    gateway: IPAddress | None = None
    aux: tuple[tuple[str, IPAddress], ...] | None = None

    @property
    def family(self) -> int:
        return self.subnet.version


@dataclasses.dataclass(frozen=True)
class Item:
    """One network as declared. None means that the item does not set the option; see :mod:`networks.options`."""

    path: str
    name: str
    driver: str | None = None
    driver_options: Pairs | None = None
    ipam_driver: str | None = None
    ipam_driver_options: Pairs | None = None
    blocks: tuple[Block, ...] | None = None
    enable_ipv4: bool | None = None
    enable_ipv6: bool | None = None
    internal: bool | None = None
    attachable: bool | None = None
    ingress: bool | None = None
    scope: str | None = None
    labels: Pairs | None = None
    config_only: bool | None = None
    config_from: str | None = None
    adopt: bool = False
    adopt_keeps: tuple[str, ...] = ()  # driver options
    adopts_bridge: bool = True  # with the driver option itself the engine may use a bridge that exists already
    connected: tuple[str, ...] | None = None
    appends: bool = False

    def where(self, option: str) -> str:
        """The option's path in errors."""
        return f"{self.path}.{option}"


@dataclasses.dataclass(frozen=True)
class Definition:
    """A complete network, as observed or as planned. The defaults are the engine's."""

    name: str
    driver: str = "bridge"
    driver_options: Pairs = ()
    ipam_driver: str = "default"
    ipam_driver_options: Pairs = ()
    blocks: tuple[Block, ...] = ()
    enable_ipv4: bool = True
    enable_ipv6: bool = False
    internal: bool = False
    attachable: bool = False
    ingress: bool = False
    scope: str = "local"
    labels: Pairs = ()
    config_only: bool = False
    config_from: str = ""

    @property
    def labeled(self) -> bool:
        """Whether the network carries the label of this collection, and so may be pruned."""
        return is_labeled(dict(self.labels))

    @property
    def named_bridge(self) -> str | None:
        """The name of its Linux bridge, if its driver options name one."""
        if self.driver != "bridge" or self.config_only:
            return None
        return dict(self.driver_options).get(BRIDGE_NAME)


@dataclasses.dataclass(frozen=True)
class ObservedNetwork:
    """A network of the engine; ``created`` is the engine's time stamp, which sorts as text.

    ``blocks_known`` is false if the engine does not report its address blocks. Its definition has none then.
    ``adopted``: the host's record has it.
    """

    id: str
    definition: Definition
    created: str = ""
    blocks_known: bool = True
    adopted: bool = False

    @property
    def owned(self) -> bool:
        """Whether this collection manages the network: it created or adopted it."""
        return self.definition.labeled or self.adopted

    @property
    def name(self) -> str:
        return self.definition.name

    @property
    def bridge(self) -> str | None:
        """The network's Linux bridge; None if the driver has none."""
        if self.definition.driver != "bridge" or self.definition.config_only:
            return None
        return self.definition.named_bridge or f"br-{self.id[:12]}"


@dataclasses.dataclass(frozen=True)
class ContainerSummary:
    """A container as the listing of containers shows it; ``networks`` are (network name, network id) pairs."""

    id: str
    name: str
    state: str
    network_mode: str = "default"
    networks: Pairs = ()
    service: str = ""  # the swarm service that the container belongs to

    @property
    def running(self) -> bool:
        return self.state in ("running", "paused", "restarting")

    @property
    def has_interfaces(self) -> bool:
        """Whether its endpoints exist; those of other containers are only listed until they start."""
        return self.state in ("running", "paused")

    def is_on(self, network: ObservedNetwork) -> bool:
        """Compare ids, or names if the container has not started since the network was created: it has no id then."""
        return any(nid == network.id or (not nid and name == network.name) for name, nid in self.networks)


@dataclasses.dataclass(frozen=True)
class Attachment:
    """A container's endpoint on one network, with everything needed to restore it.

    ``ipv4`` and ``ipv6`` are the addresses to request: the fixed one, else the one that a running container has.
    ``chosen`` are the IP versions whose address the engine chose.
    """

    container_id: str
    container: str
    running: bool = True
    ipv4: IPAddress | None = None
    ipv6: IPAddress | None = None
    mac: str = ""
    aliases: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    link_local: tuple[str, ...] = ()
    driver_opts: Pairs = ()
    gw_priority: int = 0
    chosen: tuple[int, ...] = ()

    @property
    def addresses(self) -> tuple[IPAddress, ...]:
        return tuple(address for address in (self.ipv4, self.ipv6) if address is not None)

    def __str__(self) -> str:
        facts = [str(address) for address in self.addresses] + ([] if self.running else ["stopped"])
        return f"{self.container} ({', '.join(facts)})" if facts else self.container


@dataclasses.dataclass(frozen=True)
class NetworkState:
    """A network with its endpoints, before or after a step. ``id`` is empty if the network does not exist yet."""

    definition: Definition
    attachments: tuple[Attachment, ...] = ()
    id: str = ""

    @property
    def name(self) -> str:
        return self.definition.name


def pairs(mapping: t.Mapping[str, str] | None) -> Pairs:
    """A mapping in its normal form: sorted pairs, which can be compared and hashed."""
    return tuple(sorted((mapping or {}).items()))
