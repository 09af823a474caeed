# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Send probes from their source containers."""

from __future__ import annotations

import contextlib
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.probes.request import (
    ERROR,
    ProbeRequest,
    ProbeResult,
    in_batches,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.netns.containers import (
    ContainerNamespaces,
    NoNamespace,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.netns.neighbours import NewNeighbours
from ansible_collections.fleetnet.docker.plugins.module_utils._host.probes.sender import ProbeRun


def probe_all(
    probes: t.Sequence[ProbeRequest],
    containers: ContainerNamespaces,
    new_run: t.Callable[[], ProbeRun],
    most_neighbours: int,
) -> list[ProbeResult]:
    """Send ``probes`` from their containers. A probe whose container is not running gets an error; the others are sent.

    All are sent at once, unless they are to more than ``most_neighbours``, the limit of the kernel's neighbour table.
    """
    namespaces = {source: containers.find(source) for source in dict.fromkeys(probe.source for probe in probes)}
    results: list[ProbeResult | None] = []
    sent = []
    for probe in probes:
        namespace = namespaces[probe.source]
        if isinstance(namespace, NoNamespace):
            results.append(ProbeResult(ERROR, namespace.reason))
        else:
            results.append(None)
            sent.append((probe, namespace))
    batches = in_batches([containers.neighbour(probe) for probe, _namespace in sent], most_neighbours)
    found: dict[int, ProbeResult] = {}
    with contextlib.closing(NewNeighbours(containers.observable().values() if len(batches) > 1 else ())) as neighbours:
        for batch in batches:
            found.update(zip(batch, new_run().run([sent[position] for position in batch])))
            neighbours.delete()
    answers = (found[position] for position in range(len(sent)))
    return [next(answers) if result is None else result for result in results]
