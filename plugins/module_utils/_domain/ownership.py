# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which networks this collection manages: those with its label, and those that it has adopted. Pure.

The labels of a network cannot change. So the host has a record of adopted networks by id: if another program creates a
network again, it has a new id, and is not adopted.
"""

from __future__ import annotations

import json
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.constants import OWNER_LABEL, OWNER_VALUE
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import InvalidValue

_FORMAT = 1


def is_labeled(labels: t.Mapping[str, str]) -> bool:
    """Whether a network has the label of this collection, which created it then."""
    return labels.get(OWNER_LABEL) == OWNER_VALUE


def check_ports(variable: str, network: str, bridge: str, ports: t.Mapping[str, t.Sequence[str]]) -> None:
    """Raise InvalidValue if the bridge of a network to adopt has ports that are not containers' (``ports``, by bridge).

    The rules take what arrives from a network's bridge for traffic of its containers.
    """
    others = ports.get(bridge)
    if others:
        raise InvalidValue(
            variable,
            network,
            f"cannot be adopted: its bridge {bridge} has ports that are not containers' interfaces ("
            f"{', '.join(others)}), and what arrives there would have the rights of the network. Remove these ports "
            "from the bridge, or leave the network out of the declaration.",
        )


def adopted_text(adopted: t.Mapping[str, str]) -> str:
    """The names of adopted networks by id as text, for :func:`parse_adopted`."""
    return json.dumps({"format": _FORMAT, "networks": dict(sorted(adopted.items()))}, indent=1) + "\n"


def parse_adopted(text: str | None) -> dict[str, str]:
    """The names of adopted networks by id; none without a text. Raises ValueError if this release cannot read it."""
    if text is None:
        return {}
    try:
        data = json.loads(text)
        if data["format"] != _FORMAT:
            raise ValueError(f"its format is {data['format']}, not {_FORMAT}")
        return {str(network_id): str(name) for network_id, name in data["networks"].items()}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error
