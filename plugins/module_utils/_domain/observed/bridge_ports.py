# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ports of bridges that are not containers' interfaces, as uplinks and virtual machines have them. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.readable import reads

Json = t.Dict[str, t.Any]


@reads("ip address show")
def ports_of_others(links: t.Sequence[Json]) -> dict[str, list[str]]:
    """Parse ``ip -json -details address show``: the ports by bridge, sorted, without those that lead to a container.

    These are veth interfaces whose peer is in another network namespace. For a moment, the engine has the peer of a
    container that starts in the host's namespace: without a bridge, and without an address.
    """
    by_name = {link["ifname"]: link for link in links}
    found: dict[str, list[str]] = {}
    for link in links:
        info = link.get("linkinfo") or {}
        if info.get("info_slave_kind") == "bridge" and not _leads_to_container(link, info, by_name):
            found.setdefault(link["master"], []).append(link["ifname"])
    return {bridge: sorted(ports) for bridge, ports in found.items()}


def _leads_to_container(link: Json, info: Json, by_name: t.Mapping[str, Json]) -> bool:
    if info.get("info_kind") != "veth":
        return False
    peer = by_name.get(link.get("link", ""))
    if peer is None:  # only an interface of this namespace has a name here
        return True
    return "master" not in peer and all(each.get("scope") == "link" for each in peer["addr_info"])
