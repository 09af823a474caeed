# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The IPv6 addresses of a host's bridges. The engine sets them once, and the kernel removes them from a bridge that is
set down.
"""

from __future__ import annotations

import ipaddress
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import InvalidValue
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.interface_name import interface_name_problem
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.persistence.part import FOLDER

ADDRESSES_FILE = f"{FOLDER}/bridge-addresses"

_HEAD = """\
# Written by fleetnet.docker: the IPv6 addresses of this host's bridges, each with the bridge's IPv4 address or name.
"""


class BridgeAddress(t.NamedTuple):
    """``address`` is the IPv6 address of the bridge that has the name or the IPv4 address ``bridge``.

    Addresses have prefix lengths, as ``ip address show`` prints them.
    """

    address: str
    bridge: str


def parse_bridges(items: t.Sequence[t.Mapping[str, t.Any]]) -> list[BridgeAddress]:
    """Parse option ``bridges``. Raises InvalidValue."""
    found = []
    for number, item in enumerate(items):
        where = f"bridges[{number}]"
        bridge = item.get("bridge_name")
        if bridge is None:
            bridge = _address(f"{where}.address", item["address"], 4)
        else:
            problem = interface_name_problem(bridge)
            if problem is not None:
                raise InvalidValue(f"{where}.bridge_name", bridge, problem)
        found.append(BridgeAddress(_address(f"{where}.address_v6", item["address_v6"], 6), bridge))
    return found


def _address(option: str, value: str, version: int) -> str:
    example = "10.64.1.1/24" if version == 4 else "fd00:64:0:1::1/64"
    try:
        interface = ipaddress.ip_interface(value)
    except ValueError:
        interface = None
    if interface is None or "/" not in value or interface.version != version:
        raise InvalidValue(option, value, f"is not an IPv{version} address with a prefix length. Example: {example}")
    return str(interface)


def addresses_text(addresses: t.Iterable[BridgeAddress]) -> str:
    """The file that the part's script reads, sorted by bridge; empty without addresses."""
    lines = [
        f"address {each.address} bridge {each.bridge}\n"
        for each in sorted(addresses, key=lambda each: (each.bridge, each.address))
    ]
    return _HEAD + "".join(lines) if lines else ""
