# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a network is: the words that the declaration, the engine's answers and the plan all speak.

Everything is in one normal form, so that equal things compare equal: addresses are :mod:`ipaddress` objects, options
and labels are strings, what an engine adds by itself is gone.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import typing as t

IPNetwork = t.Union[ipaddress.IPv4Network, ipaddress.IPv6Network]
IPAddress = t.Union[ipaddress.IPv4Address, ipaddress.IPv6Address]
Version = t.Tuple[int, ...]
Pairs = t.Tuple[t.Tuple[str, str], ...]

OWNER_LABEL = "io.fleetnet.managed"
OWNER_VALUE = "true"

# The engine makes these itself, one of each; it refuses to remove them and to make others with their names.
PREDEFINED = frozenset({"bridge", "host", "none", "default"})

# Options of ours that are driver options under a shorter name.
DRIVER_OPTION_OF = {
    "mtu": "com.docker.network.driver.mtu",
    "bridge_name": "com.docker.network.bridge.name",
    "masquerade": "com.docker.network.bridge.enable_ip_masquerade",
    "gateway_mode_ipv4": "com.docker.network.bridge.gateway_mode_ipv4",
    "gateway_mode_ipv6": "com.docker.network.bridge.gateway_mode_ipv6",
}
SHORT_NAME_OF = {long: short for short, long in DRIVER_OPTION_OF.items()}
BRIDGE_NAME = DRIVER_OPTION_OF["bridge_name"]
MTU = DRIVER_OPTION_OF["mtu"]
# What the engine gives to networks that ask for none, in bytes.
MTU_DEFAULT = 1500
FLAG_OPTIONS = frozenset(
    f"com.docker.network.bridge.{name}" for name in ("enable_ip_masquerade", "enable_icc", "inhibit_ipv4")
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
    """One network as declared. None means that the item does not give the option."""

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
    adopts_bridge: bool = True  # by the raw driver option the engine may take over a bridge that is there already
    connected: tuple[str, ...] | None = None
    appends: bool = False

    def where(self, option: str) -> str:
        """The option as an error names it."""
        return f"{self.path}.{option}"


@dataclasses.dataclass(frozen=True)
class Definition:
    """A whole network, as it is or as it is to be; what :func:`wire.creation` sends to the engine."""

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
    def owned(self) -> bool:
        """Whether the network carries our label, and so may be pruned."""
        return dict(self.labels).get(OWNER_LABEL) == OWNER_VALUE


@dataclasses.dataclass(frozen=True)
class ObservedNetwork:
    """A network that the engine has; ``created`` is the engine's time stamp, which sorts as text."""

    id: str
    definition: Definition
    created: str = ""

    @property
    def name(self) -> str:
        return self.definition.name

    @property
    def bridge(self) -> str | None:
        """The Linux bridge behind the network, None where the driver has none."""
        if self.definition.driver != "bridge" or self.definition.config_only:
            return None
        return dict(self.definition.driver_options).get(BRIDGE_NAME) or f"br-{self.id[:12]}"


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

    def is_on(self, network: ObservedNetwork) -> bool:
        """By id; by name where the container has not been started since the network was made, as then it has no id."""
        return any(nid == network.id or (not nid and name == network.name) for name, nid in self.networks)


@dataclasses.dataclass(frozen=True)
class Attachment:
    """A container's endpoint on one network, with everything needed to put it back as it was.

    ``ipv4`` and ``ipv6`` are the addresses to ask for: the fixed one, else the one that a running container has.
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

    @property
    def addresses(self) -> tuple[IPAddress, ...]:
        return tuple(address for address in (self.ipv4, self.ipv6) if address is not None)

    def __str__(self) -> str:
        facts = [str(address) for address in self.addresses] + ([] if self.running else ["stopped"])
        return f"{self.container} ({', '.join(facts)})" if facts else self.container


@dataclasses.dataclass(frozen=True)
class NetworkState:
    """A network with its endpoints, before or after a step. ``id`` is empty for a network that is yet to be made."""

    definition: Definition
    attachments: tuple[Attachment, ...] = ()
    id: str = ""

    @property
    def name(self) -> str:
        return self.definition.name


def pairs(mapping: t.Mapping[str, str] | None) -> Pairs:
    """A mapping in its normal form: sorted pairs, which can be compared and hashed."""
    return tuple(sorted((mapping or {}).items()))
