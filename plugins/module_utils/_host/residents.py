# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which network namespace a container lives in, and probing from there."""

from __future__ import annotations

import contextlib
import typing as t
from urllib.parse import quote

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.addressing import Prefix, parse_address
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.probing import ERROR, Probe, Verdict, in_batches
from ansible_collections.fleetnet.docker.plugins.module_utils._host.engine import Engine
from ansible_collections.fleetnet.docker.plugins.module_utils._host.neighbours import Forgetter
from ansible_collections.fleetnet.docker.plugins.module_utils._host.netns import (
    Namespace,
    NamespaceGone,
    NamespaceId,
    own_id,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.probes import ProbeRun
from ansible_collections.fleetnet.docker.plugins.module_utils._host.survey import inspect, read_containers


class Absent(t.NamedTuple):
    """Why a container has no namespace on this host."""

    reason: str


class Residents:
    """Containers' namespaces, asked for by name or id; containers that share one get the same object."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._namespaces: dict[NamespaceId, Namespace] = {}
        self._subnets: dict[str, list[Prefix]] = {}

    def find(self, container: str) -> Namespace | Absent:
        detail = inspect(self._engine, quote(container, safe=""))
        if detail is None:
            return Absent(f"container {container} does not exist on this host")
        self._subnets[container] = [
            Prefix.holding(f"{network[address]}/{network[length]}")
            for network in detail["NetworkSettings"]["Networks"].values()
            for address, length in (("IPAddress", "IPPrefixLen"), ("GlobalIPv6Address", "GlobalIPv6PrefixLen"))
            if network.get(address)
        ]
        pid = int(detail["State"]["Pid"])
        if not pid:
            return Absent(f"container {container} does not run (it is {detail['State']['Status']})")
        return self._shared(pid, container)

    def neighbour(self, probe: Probe) -> tuple[str, str] | None:
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
        for container in sorted(read_containers(self._engine, details=True), key=_borrows):
            namespace = self._shared(container["pid"], container["name"]) if container["pid"] else None
            if isinstance(namespace, Namespace):
                found.setdefault(namespace.id, (container["name"], namespace))
        found.pop(own_id(), None)
        return dict(found.values())

    def _shared(self, pid: int, container: str) -> Namespace | Absent:
        try:
            namespace = Namespace.of_process(pid)
        except NamespaceGone:
            return Absent(f"container {container} has just ended")
        known = self._namespaces.setdefault(namespace.id, namespace)
        if known is not namespace:
            namespace.close()
        return known


def _borrows(container: t.Mapping[str, t.Any]) -> bool:
    return str(container["mode"]).startswith("container:")


def probe_all(
    probes: t.Sequence[Probe], residents: Residents, new_run: t.Callable[[], ProbeRun], most_neighbours: int
) -> list[Verdict]:
    """Send ``probes`` from their containers; those whose container does not run are errors, the others go on.

    All at once, unless they are to more than ``most_neighbours``: the kernel's table has no room for more.
    """
    homes = {source: residents.find(source) for source in dict.fromkeys(probe.source for probe in probes)}
    verdicts: list[Verdict | None] = []
    sent = []
    for probe in probes:
        home = homes[probe.source]
        if isinstance(home, Absent):
            verdicts.append(Verdict(ERROR, home.reason))
        else:
            verdicts.append(None)
            sent.append((probe, home))
    batches = in_batches([residents.neighbour(probe) for probe, _home in sent], most_neighbours)
    found: dict[int, Verdict] = {}
    with contextlib.closing(Forgetter(residents.observable().values() if len(batches) > 1 else ())) as forgetter:
        for batch in batches:
            found.update(zip(batch, new_run().run([sent[position] for position in batch])))
            forgetter.forget()
    answers = (found[position] for position in range(len(sent)))
    return [next(answers) if verdict is None else verdict for verdict in verdicts]
