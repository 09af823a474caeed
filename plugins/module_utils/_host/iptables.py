# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading what iptables does with forwarded packets that no rule decides about."""

from __future__ import annotations

from ansible_collections.fleetnet.docker.plugins.module_utils._host.commands import CommandFailed, Commands


def read_forward_drops(commands: Commands) -> tuple[int, ...]:
    """The IP versions in which the chain FORWARD has policy DROP; none where the host has no iptables."""
    drops = []
    for version, program in ((4, "iptables"), (6, "ip6tables")):
        path = commands.find(program)
        if path is None:
            continue
        try:
            first = commands.run(path, "-w", "-S", "FORWARD").partition("\n")[0]
        except CommandFailed:  # a kernel without this IP version
            continue
        if first == "-P FORWARD DROP":
            drops.append(version)
    return tuple(drops)
