# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Find the network namespaces of containers."""

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
    OWN,
    Namespace,
    NamespaceGone,
    NamespaceId,
    own_id,
)

OPTIONS: dict[str, t.Any] = {"containers": {"type": "list", "elements": "dict"}}
CGROUPS = "/proc/{pid}/cgroup"
_REQUIRED_KEYS = ("name", "id", "pid", "mode", "networks")


class NoNamespace(t.NamedTuple):
    """The reason why a container has no namespace on this host."""

    reason: str


class ContainerNamespaces:
    """Containers' namespaces by container name or id; containers that share one get the same object.

    ``reported`` are the running containers as network_info returns them with container_details. The engine is queried
    without them, and about a container whose process has changed since. Raises InvalidValue if a key is missing.
    """

    def __init__(self, connect: t.Callable[[], Engine], reported: t.Sequence[ContainerReport] | None = None) -> None:
        for number, container in enumerate(reported or ()):
            for key in _REQUIRED_KEYS:
                if key not in container:
                    raise InvalidValue(
                        f"containers[{number}]",
                        container,
                        f"has no {key!r}. Use the containers that network_info returns with container_details",
                    )
        self._connect = connect
        self._reported = reported
        self._by_name = {key: each for each in reported or () for key in (each["id"], each["name"])}
        self._namespaces: dict[NamespaceId, Namespace] = {}
        self._subnets: dict[str, list[Prefix]] = {}

    def find(self, container: str | None) -> Namespace | NoNamespace:
        """The namespace of a container; of the host itself without one."""
        if container is None:
            return self._known(Namespace(OWN))
        reported = self._by_name.get(container)
        if reported is not None and _is_current(reported):
            self._subnets[container] = [
                Prefix.holding(address)
                for endpoint in reported["networks"]
                for address in (endpoint["ipv4"], endpoint["ipv6"])
                if address
            ]
            return self._shared(int(reported["pid"] or 0), container)
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
            return NoNamespace(f"container {container} is not running (status {detail['State']['Status']})")
        return self._shared(pid, container)

    def neighbour(self, probe: ProbeRequest) -> tuple[str, str] | None:
        """Source and destination if the destination is in a subnet of the source; None if it is behind a router."""
        version, address = parse_address(probe.destination)
        on_link = any(
            subnet.version == version and subnet.has(address) for subnet in self._subnets.get(probe.source or "", ())
        )
        return (probe.source, probe.destination) if probe.source is not None and on_link else None

    def observable(self) -> dict[str, Namespace]:
        """The namespaces of all running containers, each once, by the name of the container that owns it.

        The host's own is excluded: a packet socket there receives packets before the host's firewall filters them.
        """
        found: dict[NamespaceId, tuple[str, Namespace]] = {}
        # Containers that join another's namespace come last, so that it gets its owner's name.
        for container in sorted(self._running(), key=_joins_another):
            namespace = self._shared(container["pid"], container["name"]) if container["pid"] else None
            if isinstance(namespace, Namespace):
                found.setdefault(namespace.id, (container["name"], namespace))
        found.pop(own_id(), None)
        return dict(found.values())

    def _running(self) -> t.Sequence[ContainerReport]:
        if self._reported is not None and all(map(_is_current, self._reported)):
            return self._reported
        return read_containers(self._connect(), details=True)

    def _shared(self, pid: int, container: str) -> Namespace | NoNamespace:
        try:
            namespace = Namespace.of_process(pid)
        except NamespaceGone:
            return NoNamespace(f"container {container} has ended")
        return self._known(namespace)

    def _known(self, namespace: Namespace) -> Namespace:
        known = self._namespaces.setdefault(namespace.id, namespace)
        if known is not namespace:
            namespace.close()
        return known


def _joins_another(container: ContainerReport) -> bool:
    return container["mode"].startswith("container:")


def _is_current(container: ContainerReport) -> bool:
    """Whether the process still belongs to the container: then the container's id is in the name of its cgroup."""
    try:
        cgroups = pathlib.Path(CGROUPS.format(pid=container["pid"])).read_text(encoding="utf-8")
    except OSError:
        return False
    return container["id"] in cgroups
