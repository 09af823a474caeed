# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The addresses of a generation. Pure. The host reports them; the controller compares them with the lock file."""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.addressing import Prefix
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.policy_line import DEFAULT_BRIDGE
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.generations.generation import Generation, Options

# Options of default_bridge that contain a subnet of docker0.
_DOCKER0 = ("bip", "bip6", "fixed_cidr_v6")


class HostAddresses(t.NamedTuple):
    """The blocks of a host, and the subnets of docker0 and its networks by name."""

    blocks: tuple[Prefix, ...]
    subnets: t.Mapping[str, tuple[Prefix, ...]]

    def to_data(self) -> dict[str, t.Any]:
        """The addresses as text, for :meth:`from_data`."""
        return {
            "blocks": [str(block) for block in self.blocks],
            "subnets": {name: [str(subnet) for subnet in subnets] for name, subnets in self.subnets.items()},
        }

    @classmethod
    def from_data(cls, data: t.Mapping[str, t.Any]) -> HostAddresses:
        """Raises KeyError, TypeError or ValueError for another form."""
        return cls(
            tuple(Prefix.parse(text) for text in data["blocks"]),
            {
                str(name): tuple(Prefix.parse(text) for text in subnets)
                for name, subnets in dict(data["subnets"]).items()
            },
        )


def addresses_of(generation: Generation) -> HostAddresses:
    """The addresses in the options of a generation."""
    routes = generation.options.get("host_routes", {})
    peers = (peer for peer in routes.get("peers") or () if peer.get("host") == routes.get("host"))
    own: Options = next(peers, {})
    blocks = [Prefix.parse(text) for key in ("blocks", "blocks_v6") for text in own.get(key) or ()]
    daemon = generation.options.get("default_bridge", {})
    docker0 = {Prefix.holding(daemon[option]) for option in _DOCKER0 if daemon.get(option)}
    subnets = {DEFAULT_BRIDGE: tuple(sorted(docker0))} if docker0 else {}
    for network in generation.options.get("networks", {}).get("networks") or ():
        found = [Prefix.parse(block["subnet"]) for block in network.get("ipam_config") or () if block.get("subnet")]
        if found:
            subnets[network["name"]] = tuple(found)
    return HostAddresses(tuple(blocks), subnets)
