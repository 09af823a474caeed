# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The two parts of what stays on a host, the firewall and the routes, and how their files and units are called.

Apart from the files' contents, which only those who write them have to load.
"""

from __future__ import annotations

import typing as t

FOLDER = "/etc/fleetnet"
STATE_FOLDER = "/var/lib/fleetnet"
# Not in /etc/iproute2/rt_protos and not used by bird (12), FRR (186 to 196), babel (42) or openr (99).
ROUTE_PROTOCOL = 213


class Part(t.NamedTuple):
    """A part of what stays on a host. ``needs`` are the programs that its script runs."""

    name: str
    needs: tuple[str, ...]
    after: str = ""
    part_of: str = ""
    # units whose start takes the part away
    flushed_by: str = ""

    @property
    def script(self) -> str:
        """Path of the part's script."""
        return f"{FOLDER}/apply-{self.name}"

    @property
    def service(self) -> str:
        """The unit that applies the part at boot and whenever Docker restarts."""
        return f"fleetnet-{self.name}.service"

    @property
    def reassert(self) -> str:
        """The unit that puts back what got lost, once."""
        return f"fleetnet-{self.name}-reassert.service"

    @property
    def timer(self) -> str:
        """The unit that re-asserts it every few seconds."""
        return f"fleetnet-{self.name}-reassert.timer"

    @property
    def units(self) -> tuple[str, ...]:
        """What has to be enabled."""
        return (self.service, self.timer, *((self.reassert,) if self.flushed_by else ()))

    def idle(self, states: t.Iterable[tuple[str, str, str]]) -> tuple[str, ...]:
        """Those units that are not as they have to be; ``states`` are (unit, ActiveState, UnitFileState) of systemd.

        All are enabled, and the service and the timer active: the other service runs for a moment only.
        """
        return tuple(
            unit
            for unit, active, enabled in states
            if enabled != "enabled" or (active != "active" and unit != self.reassert)
        )


FIREWALL_PART = Part(
    "firewall",
    ("nft", "sysctl", "systemctl"),
    after="nftables.service firewalld.service ufw.service",
    # Not of nftables.service, which firewalld conflicts with: a restart of firewalld would both stop and restart us.
    part_of="firewalld.service",
    flushed_by="nftables.service",
)
ROUTES_PART = Part("routes", ("ip", "systemctl"))
