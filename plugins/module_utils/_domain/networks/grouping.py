# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Groups of networks to recreate in one step, because one needs what another releases."""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.constants import BRIDGE_NAME
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.model import Definition, ObservedNetwork
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.survey import Drifted


def groups(recreate: t.Sequence[Drifted], targets: t.Mapping[str, Definition]) -> t.Iterator[tuple[Drifted, ...]]:
    """Yield the networks to replace in one step: of two that swap subnets, both are removed before either is created.

    Independent networks are separate groups, so that the failure of one restores only that one.
    """
    left = list(recreate)
    while left:
        group = [left.pop(0)]
        for member in group:  # grows during the iteration
            linked = [each for each in left if _linked(member, each, targets)]
            group += linked
            left = [each for each in left if each not in linked]
        yield tuple(group)


def _linked(one: Drifted, other: Drifted, targets: t.Mapping[str, Definition]) -> bool:
    return _needs(targets[one.item.name], other.network) or _needs(targets[other.item.name], one.network)


def _needs(wanted: Definition, held: ObservedNetwork) -> bool:
    if held.definition.config_only or wanted.config_only:
        names = (wanted.config_from, held.definition.config_from)
        return wanted.name in names or held.name in names
    bridge = dict(wanted.driver_options).get(BRIDGE_NAME)
    if bridge is not None and bridge == held.bridge:
        return True
    blocks = held.definition.blocks
    return any(block.subnet.overlaps(taken.subnet) for block in wanted.blocks for taken in blocks)
