# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read iptables' rules, and the policy of its chain FORWARD."""

from __future__ import annotations

from ansible_collections.fleetnet.docker.plugins.module_utils._host.programs.commands import CommandFailed, Commands

PROGRAMS = {4: "iptables", 6: "ip6tables"}


def read_forward_drops(commands: Commands) -> tuple[int, ...]:
    """The IP versions in which the chain FORWARD has policy DROP; empty without iptables."""
    return tuple(
        version for version in PROGRAMS if "-P FORWARD DROP" in list_rules(commands, version, "filter", "FORWARD")
    )


def accept_forwarded(commands: Commands, version: int) -> None:
    """Set the policy of the chain FORWARD to ACCEPT."""
    commands.run(PROGRAMS[version], "-w", "-P", "FORWARD", "ACCEPT")


def list_rules(commands: Commands, version: int, table: str, *chain: str) -> list[str]:
    """The rules of a table, or of one of its chains, as ``-S`` prints them; empty if it does not exist."""
    path = commands.find(PROGRAMS[version])
    if path is None:
        return []
    try:
        return commands.run(path, "-w", "-t", table, "-S", *chain).splitlines()
    except CommandFailed:  # a kernel without this IP version
        return []
