# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a host differs from its part of the plan, by what ``host_slice`` would change on it. Pure.

The differences come from the plan that ``site.yml`` executes, so the drawing agrees with a run of it.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.drift.difference import (
    NETWORK,
    ROUTE,
    Difference,
    missing,
)

# The engine's name for docker0's network.
DEFAULT_BRIDGE_NETWORK = "bridge"


@dataclasses.dataclass
class Drift:
    """The differences of the host itself, and of its networks by the engine's names for them."""

    host: list[Difference] = dataclasses.field(default_factory=list)
    networks: dict[str, list[Difference]] = dataclasses.field(default_factory=dict)


def drift_of(parts: t.Mapping[str, t.Mapping[str, t.Any]]) -> Drift:
    """Return the differences in ``parts``, which are those that ``host_slice`` returns in check mode.

    Routes and missing networks are excluded: the topology draws these with states of their own.
    """
    drift = Drift()
    for part, result in parts.items():
        for difference in map(Difference.from_data, result.get("differences") or ()):
            if difference.kind == ROUTE or (difference.kind == NETWORK and missing(difference)):
                continue
            if part == "default_bridge":
                drift.networks.setdefault(DEFAULT_BRIDGE_NETWORK, []).append(difference)
            elif difference.kind == NETWORK:
                drift.networks.setdefault(difference.name, []).append(difference)
            else:
                drift.host.append(difference)
    return drift
