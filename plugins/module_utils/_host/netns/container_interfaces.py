# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Looking into containers' network namespaces, each once, and at what carries their published ports."""

from __future__ import annotations

import contextlib
import os
import typing as t

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
from ansible_collections.fleetnet.docker.plugins.module_utils._host.netns.rtnetlink import opened
from ansible_collections.fleetnet.docker.plugins.module_utils._host.programs.commands import CommandFailed, Commands
from ansible_collections.fleetnet.docker.plugins.module_utils._host.programs.iptables import list_rules

# Where engines with the nftables backend have their rules.
_ENGINE_TABLE = "docker-bridges"


def add_interfaces(containers: t.Sequence[ContainerReport]) -> None:
    """Give each running container ``namespace``, ``shares_namespace_with`` and ``interfaces``.

    One that ends meanwhile gets None and nothing. What lives in the host's own namespace has no interfaces of its own.
    """
    with opened() as host:
        by_index = {link.number: link for link in host.links()}
    by_name = {container["name"]: container for container in containers}
    interiors: dict[NamespaceId, NamespaceInterfaces] = {}
    homes: dict[str, NamespaceId | None] = {}
    for container in containers:
        homes[container["name"]] = _visit(container["pid"], interiors)
    for container in containers:
        home = homes[container["name"]]
        container["namespace"] = home.inode if home else None
        container["shares_namespace_with"] = sorted(
            name for name, other in homes.items() if home is not None and other == home and name != container["name"]
        )
        interior = interiors.get(home) if home is not None else None
        container["interfaces"] = (
            interfaces(interior, endpoints_of(container, by_name), by_index) if interior is not None else []
        )


def _visit(pid: int | None, interiors: dict[NamespaceId, NamespaceInterfaces]) -> NamespaceId | None:
    if pid is None:
        return None
    try:
        namespace = Namespace.of_process(pid)
    except NamespaceGone:
        return None
    with contextlib.closing(namespace):
        if namespace.id not in interiors and namespace.id != own_id():
            with namespace.entered(), opened() as link:
                interiors[namespace.id] = NamespaceInterfaces(link.links(), link.addresses(), link.default_routes())
        return namespace.id


def read_dnat(commands: Commands) -> list[Dnat]:
    """The rules that carry published ports, of both IP versions, whatever the engine writes them with."""
    lines = [line for version in (4, 6) for line in list_rules(commands, version, "nat")]
    nft = commands.find("nft")
    if nft is not None:
        for family in ("ip", "ip6"):
            # There is none unless the engine writes nftables.
            with contextlib.suppress(CommandFailed):
                lines += commands.run(nft, "list", "table", family, _ENGINE_TABLE).splitlines()
    return [rule for rule in map(parse_dnat, lines) if rule is not None]


def read_proxies(root: str = "/proc") -> list[Proxy]:
    """The userland proxies that run, by one look at all processes."""
    found = []
    for entry in os.listdir(root):
        if entry.isdigit():
            with contextlib.suppress(OSError), open(os.path.join(root, entry, "cmdline"), "rb") as file:
                line = file.read()
                if PROXY_PROGRAM.encode() in line:
                    found.append(parse_proxy(int(entry), line.decode(errors="replace").rstrip("\0").split("\0")))
    return [proxy for proxy in found if proxy is not None]
