# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sending probes from the containers that they are to come from."""

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
from ansible_collections.fleetnet.docker.plugins.module_utils._host.netns.neighbours import Forgetter
from ansible_collections.fleetnet.docker.plugins.module_utils._host.probes.sender import ProbeRun


def probe_all(
    probes: t.Sequence[ProbeRequest],
    residents: ContainerNamespaces,
    new_run: t.Callable[[], ProbeRun],
    most_neighbours: int,
) -> list[ProbeResult]:
    """Send ``probes`` from their containers; those whose container does not run are errors, the others go on.

    All at once, unless they are to more than ``most_neighbours``: the kernel's table has no room for more.
    """
    homes = {source: residents.find(source) for source in dict.fromkeys(probe.source for probe in probes)}
    verdicts: list[ProbeResult | None] = []
    sent = []
    for probe in probes:
        home = homes[probe.source]
        if isinstance(home, NoNamespace):
            verdicts.append(ProbeResult(ERROR, home.reason))
        else:
            verdicts.append(None)
            sent.append((probe, home))
    batches = in_batches([residents.neighbour(probe) for probe, _home in sent], most_neighbours)
    found: dict[int, ProbeResult] = {}
    with contextlib.closing(Forgetter(residents.observable().values() if len(batches) > 1 else ())) as forgetter:
        for batch in batches:
            found.update(zip(batch, new_run().run([sent[position] for position in batch])))
            forgetter.forget()
    answers = (found[position] for position in range(len(sent)))
    return [next(answers) if verdict is None else verdict for verdict in verdicts]
