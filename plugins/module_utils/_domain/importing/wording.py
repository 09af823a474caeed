# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks, containers and lists of names in words, for comments and summaries. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.importing.imported_network import Item
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.importing.places import (
    ConnectedContainer,
    HostNetwork,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.printable import quoted_name

# A paragraph of text, or an item of a list of variables.
Comment = t.Union[str, Item]
MOST_NAMES = 20


def title(place: HostNetwork) -> str:
    """The network with its host and subnets."""
    name = "docker0" if place.is_docker0 else f"network {quoted_name(place.name)}"
    return f"{name} of host {place.host} ({subnets(place)})"


def subnets(place: HostNetwork) -> str:
    """The subnets of a network, in a line."""
    return " ".join(map(str, place.subnets)) or "no subnet"


def used_by(place: HostNetwork) -> str:
    """A sentence about the containers of a network; empty if it has none."""
    return f" Containers: {containers(place)}." if place.containers else ""


def containers(place: HostNetwork) -> str:
    """The names of its containers."""
    return listed([str(container) for container in place.containers])


def published(place: HostNetwork) -> str:
    """What its containers publish."""
    return listed([f"{each.protocol}/{each.port} of {each.container}" for each in place.services])


def listed(names: t.Sequence[str]) -> str:
    """The first names, the others counted."""
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return ", ".join(names[:MOST_NAMES]) + more


def fixed_addresses(places: t.Iterable[HostNetwork]) -> t.Iterator[str]:
    """The containers with fixed addresses, each with its host."""
    for place in places:
        for container in place.containers:
            if container.fixed:
                yield f"{_of_container(container)} on {place.host}"


def _of_container(container: ConnectedContainer) -> str:
    return f"{container.name} {' '.join(container.fixed)}"
