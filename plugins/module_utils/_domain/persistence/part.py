# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The two parts of a host that this collection keeps in files and units: firewall and routes. Names only."""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.drift.difference import (
    ACTIVE,
    STATE,
    UNIT,
    Difference,
)

FOLDER = "/etc/fleetnet"
STATE_FOLDER = "/var/lib/fleetnet"


class Part(t.NamedTuple):
    """A part. ``needs`` are the programs that its script runs; ``after``, ``part_of`` and ``flushed_by`` are units.

    The start of a unit in ``flushed_by`` removes the part from the kernel.
    """

    name: str
    needs: tuple[str, ...]
    after: str = ""
    part_of: str = ""
    flushed_by: str = ""

    @property
    def script(self) -> str:
        """Path of the part's script."""
        return f"{FOLDER}/apply-{self.name}"

    @property
    def service(self) -> str:
        """The unit that applies the part at boot and when Docker restarts."""
        return f"fleetnet-{self.name}.service"

    @property
    def reassert(self) -> str:
        """The unit that checks the part once and applies it if it differs."""
        return f"fleetnet-{self.name}-reassert.service"

    @property
    def timer(self) -> str:
        """The unit that starts :attr:`reassert` every few seconds."""
        return f"fleetnet-{self.name}-reassert.timer"

    @property
    def units(self) -> tuple[str, ...]:
        """The units that must be enabled."""
        return (self.service, self.timer, *((self.reassert,) if self.flushed_by else ()))

    def unit_differences(self, states: t.Iterable[tuple[str, str, str, bool]]) -> list[Difference]:
        """Units that are not enabled and active, or that systemd has not read since their files changed.

        ``states`` are (unit, ActiveState, UnitFileState, outdated). :attr:`reassert` runs only for a moment and need
        not be active.
        """
        return [
            Difference(
                UNIT,
                unit,
                STATE,
                ACTIVE,
                f"{enabled or 'not installed'} and {active}{', outdated' if outdated else ''}",
            )
            for unit, active, enabled, outdated in states
            if outdated or enabled != "enabled" or (active != "active" and unit != self.reassert)
        ]


FIREWALL_PART = Part(
    "firewall",
    ("nft", "sysctl", "systemctl", "unshare"),
    after="nftables.service firewalld.service ufw.service",
    # Not nftables.service, which conflicts with firewalld: a restart of firewalld would both stop and restart the unit.
    part_of="firewalld.service",
    flushed_by="nftables.service",
)
# After the firewall: at boot, no container reaches another host before the rules that deny it are loaded.
ROUTES_PART = Part("routes", ("ip", "systemctl"), after=FIREWALL_PART.service)
