# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which network namespace a container lives in."""

from __future__ import annotations

import pathlib
import typing as t
from urllib.parse import quote

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.addressing import Prefix, parse_address
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import InvalidValue
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.host import ContainerReport
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.probes.request import ProbeRequest
from ansible_collections.fleetnet.docker.plugins.module_utils._host.engine.containers import inspect, read_containers
from ansible_collections.fleetnet.docker.plugins.module_utils._host.engine.port import Engine
from ansible_collections.fleetnet.docker.plugins.module_utils._host.netns.namespace import (
    Namespace,
    NamespaceGone,
    NamespaceId,
    own_id,
)

OPTIONS: dict[str, t.Any] = {"containers": {"type": "list", "elements": "dict"}}
CGROUPS = "/proc/{pid}/cgroup"
_NEEDED = ("name", "id", "pid", "mode", "networks")


class NoNamespace(t.NamedTuple):
    """Why a container has no namespace on this host."""

    reason: str


class ContainerNamespaces:
    """Containers' namespaces, asked for by name or id; containers that share one get the same object.

    ``told`` are the running containers, as network_info with their details has told them a moment ago. Without, and
    about those that have another process by now, the engine is asked. InvalidValue for what network_info does not tell.
    """

    def __init__(self, connect: t.Callable[[], Engine], told: t.Sequence[ContainerReport] | None = None) -> None:
        for number, container in enumerate(told or ()):
            for key in _NEEDED:
                if key not in container:
                    raise InvalidValue(
                        f"containers[{number}]",
                        container,
                        f"has no {key!r}; give what network_info returns with container_details",
                    )
        self._connect = connect
        self._told = told
        self._by_name = {key: each for each in told or () for key in (each["id"], each["name"])}
        self._namespaces: dict[NamespaceId, Namespace] = {}
        self._subnets: dict[str, list[Prefix]] = {}

    def find(self, container: str) -> Namespace | NoNamespace:
        told = self._by_name.get(container)
        if told is not None and _still_there(told):
            self._subnets[container] = [
                Prefix.holding(address)
                for endpoint in told["networks"]
                for address in (endpoint["ipv4"], endpoint["ipv6"])
                if address
            ]
            return self._shared(int(told["pid"] or 0), container)
        detail = inspect(self._connect(), quote(container, safe=""))
        if detail is None:
            return NoNamespace(f"container {container} does not exist on this host")
        self._subnets[container] = [
            Prefix.holding(f"{network[address]}/{network[length]}")
            for network in detail["NetworkSettings"]["Networks"].values()
            for address, length in (("IPAddress", "IPPrefixLen"), ("GlobalIPv6Address", "GlobalIPv6PrefixLen"))
            if network.get(address)
        ]
        pid = int(detail["State"]["Pid"])
        if not pid:
            return NoNamespace(f"container {container} does not run (it is {detail['State']['Status']})")
        return self._shared(pid, container)

    def neighbour(self, probe: ProbeRequest) -> tuple[str, str] | None:
        """Source and destination, where the destination is on one of the source's own links; None behind a router."""
        version, address = parse_address(probe.destination)
        on_link = any(
            subnet.version == version and subnet.has(address) for subnet in self._subnets.get(probe.source, ())
        )
        return (probe.source, probe.destination) if on_link else None

    def observable(self) -> dict[str, Namespace]:
        """The namespaces of all running containers, each once, by the name of the container that it belongs to.

        Not the host's own: what a packet socket hears there has not passed the host's firewall yet, and proves nothing.
        """
        found: dict[NamespaceId, tuple[str, Namespace]] = {}
        # Those that live in another's namespace come last, so that it goes by the name of its owner.
        for container in sorted(self._running(), key=_borrows):
            namespace = self._shared(container["pid"], container["name"]) if container["pid"] else None
            if isinstance(namespace, Namespace):
                found.setdefault(namespace.id, (container["name"], namespace))
        found.pop(own_id(), None)
        return dict(found.values())

    def _running(self) -> t.Sequence[ContainerReport]:
        if self._told is not None and all(map(_still_there, self._told)):
            return self._told
        return read_containers(self._connect(), details=True)

    def _shared(self, pid: int, container: str) -> Namespace | NoNamespace:
        try:
            namespace = Namespace.of_process(pid)
        except NamespaceGone:
            return NoNamespace(f"container {container} has just ended")
        known = self._namespaces.setdefault(namespace.id, namespace)
        if known is not namespace:
            namespace.close()
        return known


def _borrows(container: ContainerReport) -> bool:
    return container["mode"].startswith("container:")


def _still_there(container: ContainerReport) -> bool:
    """Whether the container's process is still its own: then its cgroup is called by the container's id."""
    try:
        cgroups = pathlib.Path(CGROUPS.format(pid=container["pid"])).read_text(encoding="utf-8")
    except OSError:
        return False
    return container["id"] in cgroups
