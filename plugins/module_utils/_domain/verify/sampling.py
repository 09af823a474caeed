# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which pairs of containers to try where there are too many to try them all. Pure, and the same for the same fleet.

Every two hosts are in the sample in both directions, by a pair that something may pass between where there is one:
what is denied anyway proves no route. Every two networks are in it as well, once between hosts and once within one.
What is left of the budget is spread over all pairs evenly.
"""

from __future__ import annotations

import itertools
import math
import typing as t

Node = t.TypeVar("Node", bound=t.Hashable)


class Place(t.NamedTuple):
    """What is alike for nodes: the same host and the same kind, which is a network in one IP version."""

    host: str
    kind: t.Hashable


class Sampler(t.Generic[Node]):
    """Chooses from all ordered pairs of ``nodes``, those that ``counts`` says are none left out.

    ``place`` tells where a node is, ``passes`` whether anything may pass from one kind to another between hosts.
    """

    def __init__(
        self,
        nodes: t.Sequence[Node],
        place: t.Callable[[Node], Place],
        counts: t.Callable[[Node, Node], bool],
        passes: t.Callable[[t.Hashable, t.Hashable], bool],
    ) -> None:
        self._nodes = nodes
        self._counts = counts
        self._number = {node: number for number, node in enumerate(nodes)}
        self._at: dict[Place, list[Node]] = {}
        self._hosts_of: dict[t.Hashable, list[str]] = {}
        for node in nodes:
            self._at.setdefault(place(node), []).append(node)
        for where in self._at:
            self._hosts_of.setdefault(where.kind, []).append(where.host)
        self._hosts = list(dict.fromkeys(where.host for where in self._at))
        every = list(itertools.product(self._hosts_of, self._hosts_of))
        self._kinds = every
        # What passes comes first, so that it is taken where there is a choice.
        self._passing = [pair for pair in every if passes(*pair)]
        self._denied = [pair for pair in every if not passes(*pair)]

    def choose(self, most: int) -> list[tuple[Node, Node]]:
        """About ``most`` pairs in the order of ``nodes``, target by target; more where covering takes more.

        O(hosts squared + kinds squared + most).
        """
        if len(self._nodes) ** 2 <= most:
            chosen = {pair for pair in itertools.product(self._nodes, self._nodes) if self._counts(*pair)}
        else:
            chosen = set(self._of_every_two_hosts())
            chosen.update(self._of_every_two_kinds(chosen))
            chosen.update(itertools.islice(self._spread(chosen, most), max(0, most - len(chosen))))
        return sorted(chosen, key=lambda pair: (self._number[pair[1]], self._number[pair[0]]))

    def _of_every_two_hosts(self) -> t.Iterator[tuple[Node, Node]]:
        for turn, (source, target) in enumerate(itertools.product(self._hosts, self._hosts)):
            found = self._between(source, target, self._passing, turn) or self._between(
                source, target, self._denied, turn
            )
            if found is not None:
                yield found

    def _of_every_two_kinds(self, chosen: t.Collection[tuple[Node, Node]]) -> t.Iterator[tuple[Node, Node]]:
        covered = set()
        where = {node: place for place, nodes in self._at.items() for node in nodes}
        for source, target in chosen:
            covered.add((where[source].kind, where[target].kind, where[source].host == where[target].host))
        for turn, (kinds, same) in enumerate(itertools.product(self._kinds, (False, True))):
            if (*kinds, same) not in covered:
                found = self._of_kinds(kinds, same, turn)
                if found is not None:
                    yield found

    def _of_kinds(self, kinds: tuple[t.Hashable, t.Hashable], same: bool, turn: int) -> tuple[Node, Node] | None:
        sources = self._hosts_of[kinds[0]]
        for shift in range(len(sources)):
            source = sources[(turn + shift) % len(sources)]
            # One of the first two is another host than the source.
            for target in [source] if same else self._hosts_of[kinds[1]][:2]:
                if same or target != source:
                    found = self._between(source, target, [kinds], turn)
                    if found is not None:
                        return found
        return None

    def _between(
        self, source: str, target: str, kinds: t.Sequence[tuple[t.Hashable, t.Hashable]], turn: int
    ) -> tuple[Node, Node] | None:
        """A pair from host to host of the first kinds that both have; ``turn`` says where to begin, to take turns."""
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

    def _spread(self, chosen: t.Collection[tuple[Node, Node]], most: int) -> t.Iterator[tuple[Node, Node]]:
        """Further pairs, evenly: steps of the golden section through all of them never come close to each other."""
        count = len(self._nodes)
        step = max(1, round(count * count * (math.sqrt(5) - 1) / 2))
        while math.gcd(step, count * count) > 1:
            step += 1
        for turn in range(min(count * count, 4 * most)):
            source, target = divmod(turn * step % (count * count), count)
            pair = self._nodes[source], self._nodes[target]
            if self._counts(*pair) and pair not in chosen:
                yield pair
