# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A sample of the pairs of containers for fleets with too many pairs. Pure; the same fleet gives the same sample.

The sample covers every two hosts in both directions, by a pair with an allowed service if one exists: a denied pair
does not prove a route. It covers every two networks, between hosts and within a host. The rest of the budget is spread
evenly over all pairs.
"""

from __future__ import annotations

import itertools
import math
import typing as t

Item = t.TypeVar("Item", bound=t.Hashable)


class Place(t.NamedTuple):
    """Where an item is: its host, and its kind, which is a network and an IP version."""

    host: str
    kind: t.Hashable


class Sampler(t.Generic[Item]):
    """Chooses from the ordered pairs of ``items`` for which ``counts`` is true.

    ``place`` returns where an item is, ``passes`` whether any service is allowed from one kind to another between
    hosts.
    """

    def __init__(
        self,
        items: t.Sequence[Item],
        place: t.Callable[[Item], Place],
        counts: t.Callable[[Item, Item], bool],
        passes: t.Callable[[t.Hashable, t.Hashable], bool],
    ) -> None:
        self._items = items
        self._counts = counts
        self._number = {item: number for number, item in enumerate(items)}
        self._at: dict[Place, list[Item]] = {}
        self._hosts_of: dict[t.Hashable, list[str]] = {}
        for item in items:
            self._at.setdefault(place(item), []).append(item)
        for where in self._at:
            self._hosts_of.setdefault(where.kind, []).append(where.host)
        self._hosts = list(dict.fromkeys(where.host for where in self._at))
        every = list(itertools.product(self._hosts_of, self._hosts_of))
        self._kinds = every
        # Allowed pairs come first, so that they are preferred.
        self._passing = [pair for pair in every if passes(*pair)]
        self._denied = [pair for pair in every if not passes(*pair)]

    def choose(self, most: int) -> list[tuple[Item, Item]]:
        """Return about ``most`` pairs in the order of ``items``, target by target; more if coverage requires more.

        O(hosts squared + kinds squared + most).
        """
        if len(self._items) ** 2 <= most:
            chosen = {pair for pair in itertools.product(self._items, self._items) if self._counts(*pair)}
        else:
            chosen = set(self._of_every_two_hosts())
            chosen.update(self._of_every_two_kinds(chosen))
            chosen.update(itertools.islice(self._spread(chosen, most), max(0, most - len(chosen))))
        return sorted(chosen, key=lambda pair: (self._number[pair[1]], self._number[pair[0]]))

    def _of_every_two_hosts(self) -> t.Iterator[tuple[Item, Item]]:
        for turn, (source, target) in enumerate(itertools.product(self._hosts, self._hosts)):
            found = self._between(source, target, self._passing, turn) or self._between(
                source, target, self._denied, turn
            )
            if found is not None:
                yield found

    def _of_every_two_kinds(self, chosen: t.Collection[tuple[Item, Item]]) -> t.Iterator[tuple[Item, Item]]:
        covered = set()
        where = {item: place for place, items in self._at.items() for item in items}
        for source, target in chosen:
            covered.add((where[source].kind, where[target].kind, where[source].host == where[target].host))
        for turn, (kinds, same) in enumerate(itertools.product(self._kinds, (False, True))):
            if (*kinds, same) not in covered:
                found = self._of_kinds(kinds, same, turn)
                if found is not None:
                    yield found

    def _of_kinds(self, kinds: tuple[t.Hashable, t.Hashable], same: bool, turn: int) -> tuple[Item, Item] | None:
        sources = self._hosts_of[kinds[0]]
        for shift in range(len(sources)):
            source = sources[(turn + shift) % len(sources)]
            # At least one of the first two differs from the source.
            for target in [source] if same else self._hosts_of[kinds[1]][:2]:
                if same or target != source:
                    found = self._between(source, target, [kinds], turn)
                    if found is not None:
                        return found
        return None

    def _between(
        self, source: str, target: str, kinds: t.Sequence[tuple[t.Hashable, t.Hashable]], turn: int
    ) -> tuple[Item, Item] | None:
        """Return a pair from host to host of the first kinds that both have; rotation begins at ``turn``."""
        for shift in range(len(kinds)):
            from_kind, to_kind = kinds[(turn + shift) % len(kinds)]
            sources, targets = self._at.get(Place(source, from_kind)), self._at.get(Place(target, to_kind))
            if sources and targets:
                first = sources[turn % len(sources)]
                for step in range(len(targets)):
                    pair = first, targets[(turn + step) % len(targets)]
                    if self._counts(*pair):
                        return pair
        return None

    def _spread(self, chosen: t.Collection[tuple[Item, Item]], most: int) -> t.Iterator[tuple[Item, Item]]:
        """Yield further pairs evenly: steps of the golden section through all pairs stay apart."""
        count = len(self._items)
        step = max(1, round(count * count * (math.sqrt(5) - 1) / 2))
        while math.gcd(step, count * count) > 1:
            step += 1
        for turn in range(min(count * count, 4 * most)):
            source, target = divmod(turn * step % (count * count), count)
            pair = self._items[source], self._items[target]
            if self._counts(*pair) and pair not in chosen:
                yield pair
