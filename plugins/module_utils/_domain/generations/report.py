# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The generations of a host as it reports them. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.generations.addresses import (
    HostAddresses,
    addresses_of,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.generations.generation import (
    Generation,
    changed_options,
)


class ReportedGeneration(t.NamedTuple):
    """A generation as its host reports it. ``changes`` are the options that differ from the one before."""

    number: int
    run: str
    started: float
    by: str
    complete: bool
    restores: str | None
    changes: tuple[str, ...]
    addresses: HostAddresses


def report_of(generations: t.Sequence[Generation]) -> list[dict[str, t.Any]]:
    """The generations as plain data, for :func:`parse_report`."""
    found = []
    before = None
    for each in generations:
        data: dict[str, t.Any] = {
            "number": each.number,
            "run": each.origin.id,
            "started": each.origin.started,
            "by": f"{each.origin.user}@{each.origin.controller}",
            "complete": each.complete,
            "changes": changed_options(before, each),
            **addresses_of(each).to_data(),
        }
        if each.restores is not None:
            data["restores"] = each.restores
        found.append(data)
        before = each
    return found


def parse_report(data: t.Iterable[t.Mapping[str, t.Any]]) -> list[ReportedGeneration]:
    """Parse what a host reports. Raises KeyError, TypeError or ValueError for another form."""
    found = [
        ReportedGeneration(
            int(each["number"]),
            str(each["run"]),
            float(each["started"]),
            str(each["by"]),
            bool(each["complete"]),
            each.get("restores"),
            tuple(map(str, each["changes"])),
            HostAddresses.from_data(each),
        )
        for each in data
    ]
    return sorted(found, key=lambda each: each.number)
