# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Undeclared networks of a host with addresses of a subnet that a network of another host keeps. Pure.

The rules take packets with such addresses for those of the other host, and the route to it replaces that of the bridge.
The plan refuses this for hosts that it observes. Here are those of a plan that was made offline, or of an earlier time.
"""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.addressing import Prefix
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.constants import BRIDGE_PREFIX
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import consent
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.ownership import is_labeled

Json = t.Mapping[str, t.Any]


class KeptElsewhere(t.NamedTuple):
    """A network with ``subnet``, and the subnet that the host ``keeper`` keeps. ``containers`` run on the network."""

    network: str
    subnet: Prefix
    kept: Prefix
    keeper: str
    containers: tuple[str, ...]

    def __str__(self) -> str:
        return (
            f"network {self.network!r} ({self.subnet}) is not declared, and overlaps "
            f"{self.kept}, which host {self.keeper} keeps"
        )

    def warning(self) -> str:
        """What follows from it, and what to do."""
        return (
            f"{self}: its containers reach nothing but each other, and other containers of this host do not reach "
            f"those of host {self.keeper}. Remove the network, and create it again with another subnet."
        )

    def refusal(self) -> str:
        """Why a change that begins this is refused, if containers run on the network."""
        return (
            f"{self}: this would cut off {', '.join(self.containers)}. Remove the network, and create it again with "
            f"another subnet. {consent('allow_disconnect')} to cut them off."
        )


def kept_by_peers(peers: t.Iterable[Json], host: str, supernets: t.Iterable[str]) -> dict[Prefix, str]:
    """The subnets outside of the supernets that other hosts have, with the host. ``peers`` are those of host_routes."""
    scheme = [Prefix.parse(text) for text in supernets]
    found = {}
    for peer in peers:
        for text in (*peer["blocks"], *peer["blocks_v6"]) if peer["host"] != host else ():
            block = Prefix.parse(text)
            if not any(each.contains(block) for each in scheme):
                found[block] = peer["host"]
    return found


def kept_elsewhere(
    networks: t.Iterable[Json],
    declared: t.Collection[str],
    kept: t.Mapping[Prefix, str],
    containers: t.Sequence[Json],
) -> list[KeptElsewhere]:
    """All of a host. ``networks`` are as network_info reports them, ``containers`` as the engine lists running ones.

    docker0 is not among them. Networks with the label of the collection are removed if they are not declared.
    """
    found = []
    for network in networks:
        name = network["name"]
        default = f"{BRIDGE_PREFIX}default_bridge" in network["options"]
        if name in declared or default or is_labeled(network["labels"]):
            continue
        on_it = tuple(sorted(_names_on(network["id"], containers)))
        for subnet in (Prefix.parse(each["subnet"]) for each in network["subnets"] if each["subnet"]):
            found += [
                KeptElsewhere(name, subnet, block, keeper, on_it)
                for block, keeper in kept.items()
                if block.version == subnet.version and block.overlaps(subnet)
            ]
    return found


def _names_on(network_id: str, containers: t.Iterable[Json]) -> t.Iterator[str]:
    for container in containers:
        ends = ((container.get("NetworkSettings") or {}).get("Networks") or {}).values()
        if any(end.get("NetworkID") == network_id for end in ends):
            yield str((container.get("Names") or [container["Id"]])[0]).lstrip("/")
