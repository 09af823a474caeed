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
# The TLS files of remote_api.
REMOTE_API_FOLDER = f"{FOLDER}/remote_api"
STATE_FOLDER = "/var/lib/fleetnet"
UNIT_FOLDER = "/etc/systemd/system"

# The unit that owns the policy's tables and applies the parts when the host differs from their files.
RECONCILER_UNIT = "fleetnet-reconciler.service"
RECONCILER_PROGRAM = f"{FOLDER}/reconciler"
# The exit status of its commands if it does not run.
NOT_RUNNING = 3


def is_unit(path: str) -> bool:
    """Whether a file is that of a systemd unit."""
    return path.startswith(f"{UNIT_FOLDER}/")


def unit_differences(states: t.Iterable[tuple[str, str, str, bool]]) -> list[Difference]:
    """Units that are not enabled and active, or that systemd has not read since their files changed.

    ``states`` are (unit, ActiveState, UnitFileState, outdated).
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
        if outdated or enabled != "enabled" or active != "active"
    ]


class Part(t.NamedTuple):
    """A part. ``needs`` are the programs that its script runs; ``after`` and ``part_of`` are units."""

    name: str
    needs: tuple[str, ...]
    after: str = ""
    part_of: str = ""

    @property
    def script(self) -> str:
        """Path of the part's script."""
        return f"{FOLDER}/apply-{self.name}"

    @property
    def service(self) -> str:
        """The unit that applies the part at boot and when Docker restarts."""
        return f"fleetnet-{self.name}.service"

    @property
    def former_units(self) -> tuple[str, ...]:
        """Units of earlier versions, now deleted. The first one starts the second."""
        return (f"fleetnet-{self.name}-reassert.timer", f"fleetnet-{self.name}-reassert.service")


FIREWALL_PART = Part(
    "firewall",
    ("nft", "sysctl", "systemctl", "unshare"),
    after="nftables.service firewalld.service ufw.service",
    # Not nftables.service, which conflicts with firewalld: a restart of firewalld would both stop and restart the unit.
    part_of="firewalld.service",
)
# After the firewall: at boot, no container reaches another host before the rules that deny it are loaded.
ROUTES_PART = Part("routes", ("ip", "systemctl"), after=FIREWALL_PART.service)
