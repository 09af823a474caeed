# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a host differs from its part of the plan, told by what ``host_slice`` would change on it.

It is the plan that ``site.yml`` would execute, so that the drawing and a run of it cannot disagree.
"""

from __future__ import annotations

import dataclasses
import json
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.topology.model import Data

# What the engine calls docker0's network.
DEFAULT_BRIDGE_NETWORK = "bridge"
# Headers of differences that are lines of text, and no file's content.
_LINES = ("kernel", "units")


@dataclasses.dataclass
class Drift:
    """Differences as lines of text: of the host itself, and of its networks by the engine's names for them."""

    host: list[str] = dataclasses.field(default_factory=list)
    networks: dict[str, list[str]] = dataclasses.field(default_factory=dict)


def drift_of(parts: t.Mapping[str, Data]) -> Drift:
    """``parts`` as ``host_slice`` returns them in check mode.

    Networks and routes that are missing are left out: they are drawn as such.
    """
    drift = Drift()
    networks = parts.get("networks", {}).get("diff") or {}
    before, after = networks.get("before") or {}, networks.get("after") or {}
    for name in sorted(before.keys() & after.keys()):
        drift.networks[name] = _options(before[name], after[name])
    for name in sorted(before.keys() - after.keys()):
        drift.networks[name] = ["carries the label of this collection, and no declaration names it"]
    for entry in parts.get("default_bridge", {}).get("diff") or ():
        drift.networks.setdefault(DEFAULT_BRIDGE_NETWORK, []).extend(_daemon(entry))
    for part in ("bridge_routing", "host_routes"):
        for entry in parts.get(part, {}).get("diff") or ():
            drift.host += [line for line in _lines(entry) if not line.startswith("routes: ")]
    return drift


def _options(before: Data, after: Data) -> list[str]:
    return [
        f"{option}: declared {_shown(after.get(option))}, observed {_shown(before.get(option))}"
        for option in sorted(before.keys() | after.keys())
        if before.get(option) != after.get(option)
    ]


def _shown(value: t.Any) -> str:
    return "none" if value is None else value if isinstance(value, str) else json.dumps(value)


def _daemon(entry: Data) -> list[str]:
    """Keys of the daemon's configuration, or what else of docker0 differs."""
    try:
        before, after = (json.loads(entry[side] or "{}") for side in ("before", "after"))
    except (TypeError, ValueError):
        return _lines(entry)
    if not isinstance(before, dict) or not isinstance(after, dict):
        return _lines(entry)
    return _options(before, after)


def _lines(entry: Data) -> list[str]:
    header = str(entry.get("before_header") or entry.get("after_header") or "")
    before = str(entry.get("before") or "")
    if header in _LINES:
        return before.splitlines()
    return [f"{header} {'is other than planned' if before else 'is missing'}"]
