# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The numbers of probes: different ones for all probes to a port of a target. Pure."""

from __future__ import annotations

import hashlib
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.probes.packets import TOKENS
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.probe import Endpoint

# Tokens reserved for probes that are sent again; no run starts with one of them.
SPARE_TOKENS = 1_000


class Tokens:
    """Counts per target, protocol and port of the target, from a number that ``seed`` decides; from 0 with seed 0.

    A container that knows the numbers of the probes to itself does not know those of the probes to another one.
    """

    def __init__(self, endpoints: t.Sequence[Endpoint], seed: int) -> None:
        most = len(endpoints) * (1 + max((len(each.ports) for each in endpoints), default=0))
        self._room = max(1, TOKENS - SPARE_TOKENS - most)
        self._seed = seed
        self._used: dict[tuple[Endpoint, str, int | None], int] = {}

    def next(self, target: Endpoint, protocol: str, port: int | None) -> int:
        """Return a token that no other probe to this target, protocol and port has."""
        key = target, protocol, port
        token = self._used.get(key)
        if token is None:
            token = self._first(target, protocol, port)
        self._used[key] = token + 1
        return token

    def _first(self, target: Endpoint, protocol: str, port: int | None) -> int:
        if not self._seed:
            return 0
        text = f"{self._seed} {target.host} {target.address} {protocol} {port}"
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") % self._room
