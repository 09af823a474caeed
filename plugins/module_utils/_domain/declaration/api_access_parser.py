# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parse the sources of connections to the engines' remote API."""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.addressing import Prefix, parse_address, single
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.api_access import (
    CONTROLLER,
    DEFAULT_PORT,
    HOSTS,
    ApiAccess,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.network import Network
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.policy_line import WORLD
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import ErrorList
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.fields import Fields, nearest

ACCESS_KEYS = ("from", "port")
_WORDS = (CONTROLLER, HOSTS, WORLD)


def parse_api_access(
    value: object, path: str, networks: t.Sequence[Network], supernets: t.Sequence[Prefix]
) -> ApiAccess:
    """Parse the mapping at ``path``. Raises InvalidValue, or InvalidValues."""
    fields = Fields(value, path, ACCESS_KEYS)
    errors = ErrorList()
    port = DEFAULT_PORT
    with errors.collect():
        port = fields.integer("port", DEFAULT_PORT, 1, 65535)
    sources = []
    with errors.collect():
        for name in fields.names("from", ApiAccess().sources):
            with errors.collect():
                sources.append(name if name in _WORDS else _parse_block(fields, name, networks, supernets))
    errors.check()
    return ApiAccess(port, tuple(dict.fromkeys(sources)))


def _parse_block(fields: Fields, name: str, networks: t.Sequence[Network], supernets: t.Sequence[Prefix]) -> str:
    names = [network.name for network in networks]
    if name in names:
        raise fields.refuse("from", name, "is a network. Containers cannot connect to the remote API. Leave it out.")
    try:
        block = Prefix.parse(name) if "/" in name else single(*parse_address(name))
    except ValueError as error:
        if set(name) & set(".:/"):
            raise fields.refuse("from", name, f"{error}.") from None
        raise fields.fail("from", f"{name!r} is not a valid source. {nearest(name, _WORDS)}") from None
    if block.version not in [supernet.version for supernet in supernets]:
        raise fields.refuse("from", name, f"requires an IPv{block.version} supernet. Leave it out.")
    if block.length == 0:
        raise fields.refuse("from", name, f"contains every address. Use {WORLD!r} for the outside of the fleet.")
    for subnet in (*supernets, *(subnet for network in networks for subnet, _path in network.all_pinned)):
        if subnet.contains(block):
            raise fields.refuse(
                "from", name, f"is in {subnet}, the addresses of containers, which cannot connect. Leave it out."
            )
    return str(block)
