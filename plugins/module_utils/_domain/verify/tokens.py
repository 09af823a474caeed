# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The numbers of probes: different ones for all probes to a port of a target. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.probe import Endpoint

# Tokens reserved for probes that are sent again; no run starts with one of them.
SPARE_TOKENS = 1_000


class Tokens:
    """Counts from ``first``, per target, protocol and port of the target."""

    def __init__(self, first: int) -> None:
        self._first = first
        self._used: dict[tuple[Endpoint, str, int | None], int] = {}

    def next(self, target: Endpoint, protocol: str, port: int | None) -> int:
        """Return a token that no other probe to this target, protocol and port has."""
        key = target, protocol, port
        token = self._used.get(key, self._first)
        self._used[key] = token + 1
        return token


def most_tokens(endpoints: t.Sequence[Endpoint]) -> int:
    """Return the most tokens that the probes between the endpoints need to one target and port."""
    return len(endpoints) * (1 + max((len(each.ports) for each in endpoints), default=0))
