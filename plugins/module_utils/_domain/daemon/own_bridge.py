# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A bridge of this collection in place of docker0: the systemd unit that creates it before dockerd starts.

A unit instead of a file of systemd-networkd or NetworkManager works on every host with systemd, and changes only the
addresses and the MTU of an existing bridge.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.keys import BY_OPTION, KEYS
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import InvalidValue
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.interface_name import DOCKER0, bridge_name_problem

UNIT = "fleetnet-default-bridge.service"
UNIT_FILE = f"/etc/systemd/system/{UNIT}"

NONE = "none"

OPTIONS_OF_INTERFACE = tuple(key.option for key in KEYS if key.of_interface)


class OwnBridge(t.NamedTuple):
    """The declared bridge; ``addresses`` with prefix length, ``mtu`` in bytes."""

    name: str
    addresses: tuple[str, ...]
    mtu: int


def own_bridge(values: t.Mapping[str, t.Any]) -> OwnBridge | None:
    """Return the bridge to create, None if docker0 stays or no bridge is declared.

    Raises InvalidValue if the name is invalid or an address is missing or superfluous.
    """
    name = values.get("bridge", DOCKER0)
    addresses = tuple(values[option] for option in OPTIONS_OF_INTERFACE if values.get(option))
    if name == DOCKER0:
        return None
    if name == NONE:
        if addresses:
            reason = f"the address {addresses[0]} requires a bridge. Name one, or remove bip and bip6"
            raise InvalidValue("bridge", name, reason)
        return None
    problem = bridge_name_problem(name)
    if problem is not None:
        raise InvalidValue("bridge", name, problem)
    if not values.get("bip"):
        raise InvalidValue("bridge", name, "dockerd requires an address on it. Set bip")
    return OwnBridge(name, addresses, values.get("mtu") or BY_OPTION["mtu"].default)


def check_unused(bridge: t.Mapping[str, t.Any] | None) -> None:
    """Raise InvalidValue if running containers are attached to the default network that is to be removed.

    They would start again without a network.
    """
    names = sorted(endpoint["Name"] for endpoint in ((bridge or {}).get("Containers") or {}).values())
    if names:
        who = f"{len(names)} running container{'s' if len(names) > 1 else ''} ({', '.join(names[:5])})"
        raise InvalidValue("bridge", NONE, f"{who} would lose their network. Connect them to another network first")


def unit_text(bridge: OwnBridge, program: str, daemon: str) -> str:
    """Return the unit's file; ``program`` is the path of ``ip``, ``daemon`` the unit of dockerd."""
    name = bridge.name
    make = f"{program} link show dev {name} >/dev/null 2>&1 || {program} link add {name} type bridge"
    lines = [
        "# Written by fleetnet.docker.default_bridge",
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
    """The name of the bridge that an existing unit file creates."""
    found = re.search(r"^ExecStart=\S+ link set dev (\S+) mtu ", text or "", re.MULTILINE)
    return found[1] if found else None
