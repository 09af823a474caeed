# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The port to the bridges of networks that are being created, and its implementation without access to the host."""

from __future__ import annotations

import typing as t


class Bridges(t.Protocol):
    """The bridges that creations on this host have requested."""

    def requested(self) -> frozenset[str]:
        """The names of the recorded bridges."""

    def left_over(self) -> frozenset[str]:
        """The names of requested bridges that exist. The caller excludes those that a network of the engine has."""

    def request(self, name: str) -> None:
        """Record a bridge that the engine is about to create. A bridge that exists is not recorded."""

    def settle(self, name: str) -> None:
        """Forget a bridge, since it belongs to a network."""

    def remove(self, name: str) -> None:
        """Delete the bridge if it is left over, and forget it. Raises FleetnetError."""


class UnknownBridges:
    """The bridges of an engine on another host: nothing is recorded, and nothing is left over."""

    def requested(self) -> frozenset[str]:
        return frozenset()

    def left_over(self) -> frozenset[str]:
        return frozenset()

    def request(self, name: str) -> None:
        """Record nothing."""

    def settle(self, name: str) -> None:
        """Forget nothing."""

    def remove(self, name: str) -> None:
        """Delete nothing."""
