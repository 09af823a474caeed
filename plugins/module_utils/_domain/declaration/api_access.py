# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may connect to the remote API of the hosts' engines. api_access_parser.py parses it."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.addressing import Prefix, parse_address, single
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.policy_line import WORLD, is_block

# Sources that are not addresses, besides the world: the Ansible controller, and the fleet's hosts.
CONTROLLER = "controller"
HOSTS = "hosts"
# Docker's port for TCP with TLS.
DEFAULT_PORT = 2376


@dataclasses.dataclass(frozen=True)
class ApiAccess:
    """The sources of connections to ``port`` of the hosts. No source includes the fleet's containers.

    A source is ``controller``, ``hosts``, ``world`` or a block of outside addresses as text.
    """

    port: int = DEFAULT_PORT
    # Being managed must not cut off the clients of an engine that listened before.
    sources: tuple[str, ...] = (WORLD,)

    def blocks(self, version: int, controller: str | None) -> list[Prefix]:
        """The blocks of an IP version, sorted. ``controller`` is its address as this host sees it, None if unknown."""
        found = {Prefix.parse(source) for source in self.sources if is_block(source)}
        if CONTROLLER in self.sources and controller:
            found.add(single(*parse_address(controller)))
        return sorted(block for block in found if block.version == version)

    def to_data(self) -> dict[str, t.Any]:
        """Plain data."""
        return {"port": self.port, "from": list(self.sources)}

    @classmethod
    def from_data(cls, data: t.Mapping[str, t.Any]) -> ApiAccess:
        """The inverse of :meth:`to_data`. Raises KeyError, TypeError or ValueError if the data is invalid."""
        return cls(int(data["port"]), tuple(data["from"]))
