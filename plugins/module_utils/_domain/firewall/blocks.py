# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The blocks of outside addresses that policy lines name. Pure."""

from __future__ import annotations

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.addressing import Prefix
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.policy_line import is_block
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.policy import Policy


def outside_blocks(policy: Policy, version: int, sources_only: bool = False) -> list[Prefix]:
    """The blocks of outside addresses in policy lines, sorted, without duplicates and blocks inside of others."""
    ends = {end for line in policy.lines for end in (line.sources if sources_only else (*line.sources, *line.targets))}
    found: list[Prefix] = []
    for block in sorted(Prefix.parse(end) for end in ends if is_block(end)):
        if block.version == version and not (found and found[-1].contains(block)):
            found.append(block)
    return found


def named_blocks(policy: Policy, version: int) -> list[Prefix]:
    """The blocks of one IP version that lines name as sources."""
    found = {Prefix.parse(source) for line in policy.lines for source in line.sources if is_block(source)}
    return sorted(block for block in found if block.version == version)
