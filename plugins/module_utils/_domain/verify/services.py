# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The services that are probed at an end: those that lines open, and two that lines rarely open. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.policy import Policy

# A protocol and its port, None for ICMP.
Service = t.Tuple[str, t.Optional[int]]

# The discard port, which policy lines rarely name: a port that is not opened must be closed.
UNDECLARED_PORT = 9


def services_to(policy: Policy, targets: t.Collection[str]) -> list[Service]:
    """Return ping, the first port of each range that a line opens at one of ``targets``, and an undeclared port.

    ``targets`` are names and addresses of one end, as lines name it.
    """
    named = sorted(
        {
            (line.protocol, ports[0])
            for line in policy.lines
            if line.protocol in ("tcp", "udp")
            and any(policy.names(line.targets, target, as_target=True) for target in targets)
            for ports in line.ports
        }
    )
    services: list[Service] = [("icmp", None), *named]
    if ("tcp", UNDECLARED_PORT) not in named:
        services.append(("tcp", UNDECLARED_PORT))
    return services
