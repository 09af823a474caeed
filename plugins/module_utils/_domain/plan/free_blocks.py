# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The search for address blocks that are free on all hosts."""

from __future__ import annotations

import bisect
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.addressing import Prefix


class FreeBlocks:
    """Finds blocks that do not overlap the taken ones, each only once.

    The search continues after the last block of the same size, so that n blocks cost O(n log n).
    """

    def __init__(self, taken: t.Iterable[Prefix]) -> None:
        self._taken: list[Prefix] = []
        for block in sorted(set(taken), key=lambda block: (block.version, block.address, block.length)):
            # A block inside of the block before it adds nothing.
            if not self._taken or not self._taken[-1].contains(block):
                self._taken.append(block)
        self._reached: dict[tuple[Prefix, int], int] = {}

    def add(self, block: Prefix) -> None:
        """Mark a block as taken."""
        first = bisect.bisect_left(self._taken, (block.version, block.address))
        if first and self._taken[first - 1].contains(block):
            return
        last = first
        while last < len(self._taken) and block.contains(self._taken[last]):
            last += 1
        self._taken[first:last] = [block]

    def take(self, within: Prefix, length: int) -> Prefix | None:
        """Return the next free block of ``length`` inside ``within``, and mark it as taken; None if none is free."""
        if length < within.length:
            return None
        step = within.at(0, length).size
        address = self._reached.get((within, length), within.address)
        number = max(0, bisect.bisect_right(self._taken, (within.version, address, 129)) - 1)
        while number < len(self._taken):
            block = self._taken[number]
            number += 1
            if block.version != within.version or block.last < address:
                continue
            if block.address >= address + step:
                break
            address += -(-(block.last + 1 - address) // step) * step
        self._reached[(within, length)] = address
        if address + step - 1 > within.last:
            return None
        found = Prefix(within.version, address, length)
        self.add(found)
        return found
