# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read the interfaces in containers' network namespaces, and what forwards their published ports."""

from __future__ import annotations

import contextlib
import os
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.constants import ENGINE_TABLE
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.container_interfaces import (
    NamespaceInterfaces,
    endpoints_of,
    interfaces,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.host import ContainerReport
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.published_ports import (
    PROXY_PROGRAM,
    Dnat,
    Proxy,
    parse_dnat,
    parse_proxy,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.netns.namespace import (
    Namespace,
    NamespaceGone,
    NamespaceId,
    own_id,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.netns.rtnetlink import open_netlink
from ansible_collections.fleetnet.docker.plugins.module_utils._host.programs.commands import CommandFailed, Commands
from ansible_collections.fleetnet.docker.plugins.module_utils._host.programs.iptables import list_rules


def add_interfaces(containers: t.Sequence[ContainerReport]) -> None:
    """Set ``namespace``, ``shares_namespace_with`` and ``interfaces`` of each running container.

    Each namespace is entered once. A container that has ended gets None and empty lists. Containers in the host's own
    namespace get no interfaces.
    """
    with open_netlink() as host:
        by_index = {link.number: link for link in host.links()}
    by_name = {container["name"]: container for container in containers}
    found: dict[NamespaceId, NamespaceInterfaces] = {}
    ids = {container["name"]: _read_namespace(container["pid"], found) for container in containers}
    for container in containers:
        own = ids[container["name"]]
        container["namespace"] = own.inode if own else None
        container["shares_namespace_with"] = sorted(
            name for name, other in ids.items() if own is not None and other == own and name != container["name"]
        )
        inside = found.get(own) if own is not None else None
        container["interfaces"] = (
            interfaces(inside, endpoints_of(container, by_name), by_index) if inside is not None else []
        )


def _read_namespace(pid: int | None, found: dict[NamespaceId, NamespaceInterfaces]) -> NamespaceId | None:
    """The id of a process' namespace, None if the process has ended. Adds the interfaces to ``found``."""
    if pid is None:
        return None
    try:
        namespace = Namespace.of_process(pid)
    except NamespaceGone:
        return None
    with contextlib.closing(namespace):
        if namespace.id not in found and namespace.id != own_id():
            with namespace.entered(), open_netlink() as netlink:
                found[namespace.id] = NamespaceInterfaces(
                    netlink.links(), netlink.addresses(), netlink.default_routes()
                )
        return namespace.id


def read_nat_rules(commands: Commands) -> list[str]:
    """The NAT rules of both IP versions, from iptables and from the engine's tables of nftables."""
    lines = [line for version in (4, 6) for line in list_rules(commands, version, "nat")]
    nft = commands.find("nft")
    if nft is not None:
        for family in ("ip", "ip6"):
            # The table exists only if the engine uses the nftables backend.
            with contextlib.suppress(CommandFailed):
                lines += commands.run(nft, "list", "table", family, ENGINE_TABLE).splitlines()
    return lines


def find_dnat(rules: t.Iterable[str]) -> list[Dnat]:
    """The DNAT rules of published ports."""
    return [rule for rule in map(parse_dnat, rules) if rule is not None]


def read_proxies(root: str = "/proc") -> list[Proxy]:
    """The running userland proxies, found in one pass over all processes."""
    found = []
    for entry in os.listdir(root):
        if entry.isdigit():
            with contextlib.suppress(OSError), open(os.path.join(root, entry, "cmdline"), "rb") as file:
                line = file.read()
                if PROXY_PROGRAM.encode() in line:
                    found.append(parse_proxy(int(entry), line.decode(errors="replace").rstrip("\0").split("\0")))
    return [proxy for proxy in found if proxy is not None]
