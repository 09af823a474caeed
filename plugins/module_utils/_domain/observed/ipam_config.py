# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The address configuration of a network, as the engine reports it or as a label of this collection records it. Pure.

Engines from 29 on do not report that of configuration networks (``config_only``), which have no addresses themselves.
"""

from __future__ import annotations

import json
import typing as t

# A label of configuration networks that this collection creates: their IPAM configuration as JSON. The networks that
# take their configuration from them have the label too, without a meaning.
IPAM_LABEL = "io.fleetnet.ipam_config"

Json = t.Mapping[str, t.Any]


def marked(config: t.Sequence[Json]) -> dict[str, str]:
    """Return the label that records an IPAM configuration, as in the body of the request that creates the network."""
    return {IPAM_LABEL: json.dumps(config, sort_keys=True)}


def ipam_config(network: Json) -> list[dict[str, t.Any]] | None:
    """Return the IPAM configuration of a network in the engine's JSON, None if it is unknown."""
    reported = (network.get("IPAM") or {}).get("Config")
    if reported is not None or not network.get("ConfigOnly"):
        return list(reported or ())
    try:
        recorded = json.loads((network.get("Labels") or {}).get(IPAM_LABEL) or "null")
    except ValueError:
        return None
    return recorded if isinstance(recorded, list) else None
