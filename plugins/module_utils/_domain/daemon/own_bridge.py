# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A bridge of our own in place of docker0: the systemd unit that makes it before dockerd starts.

A unit and no file of systemd-networkd or NetworkManager: it works on every host that has systemd, whoever manages the
links there, and leaves a bridge that it finds alone but for its address and MTU.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import InvalidValue
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.interface_name import interface_name_problem

UNIT = "fleetnet-default-bridge.service"
UNIT_FILE = f"/etc/systemd/system/{UNIT}"

DOCKER0 = "docker0"
NONE = "none"

# Options whose values are properties of the bridge itself: with a bridge that it has not made dockerd refuses them.
OF_THE_LINK = ("bip", "bip6")


class OwnBridge(t.NamedTuple):
    """The declared bridge; ``addresses`` with prefix length, ``mtu`` in bytes."""

    name: str
    addresses: tuple[str, ...]
    mtu: int


def own_bridge(values: t.Mapping[str, t.Any]) -> OwnBridge | None:
    """The bridge that the options ask us to make, None where docker0 stays or there is none. Raises InvalidValue."""
    name = values.get("bridge", DOCKER0)
    addresses = tuple(values[option] for option in OF_THE_LINK if values.get(option))
    if name == DOCKER0:
        return None
    if name == NONE:
        if addresses:
            raise InvalidValue("bridge", name, f"{addresses[0]} would belong to no bridge: leave bip and bip6 out")
        return None
    problem = interface_name_problem(name)
    if problem is not None:
        raise InvalidValue("bridge", name, problem)
    if not values.get("bip"):
        raise InvalidValue("bridge", name, "dockerd needs an address on it: set bip")
    return OwnBridge(name, addresses, values.get("mtu") or 1500)


def check_unused(bridge: t.Mapping[str, t.Any] | None) -> None:
    """Raise InvalidValue where running containers are attached to the default network that is to go.

    They would start again, without any network.
    """
    names = sorted(endpoint["Name"] for endpoint in ((bridge or {}).get("Containers") or {}).values())
    if names:
        who = f"{len(names)} running container(s) would be left without a network ({', '.join(names[:5])})"
        raise InvalidValue("bridge", NONE, f"{who}: move them first")


def unit_text(bridge: OwnBridge, program: str, daemon: str) -> str:
    """The unit's file; ``program`` is the path of ``ip``, ``daemon`` the unit of dockerd."""
    name = bridge.name
    make = f"{program} link show dev {name} >/dev/null 2>&1 || {program} link add {name} type bridge"
    lines = [
        "# Made by fleetnet.docker.default_bridge",
        "[Unit]",
        f"Description=Bridge {name} for Docker's default network",
        "After=network-pre.target",
        f"Before={daemon}",
        "",
        "[Service]",
        "Type=oneshot",
        "RemainAfterExit=yes",
        f"ExecStart=/bin/sh -c '{make}'",
        f"ExecStart={program} address flush dev {name} scope global",
        *(f"ExecStart={program} address add {address} dev {name}" for address in bridge.addresses),
        f"ExecStart={program} link set dev {name} mtu {bridge.mtu} up",
        "",
        "[Install]",
        f"WantedBy={daemon}",
    ]
    return "\n".join(lines) + "\n"


def name_in(text: str | None) -> str | None:
    """The name of the bridge that an existing unit file makes."""
    found = re.search(r"^Description=Bridge (\S+) for", text or "", re.MULTILINE)
    return found[1] if found else None
