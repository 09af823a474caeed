# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ends of probes, from what the hosts report. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.constants import MTU, MTU_DEFAULT
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.policy import Policy
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.probe import Data, Endpoint


def find_endpoints(
    policy: Policy, reports: t.Mapping[str, t.Mapping[str, t.Sequence[Data]]], most: int
) -> list[Endpoint]:
    """Return the endpoints to probe, at most ``most`` containers per network and host.

    ``reports`` maps hosts to results of ``network_info``: ``containers`` and, for their MTU, ``networks``. A container
    has one endpoint per IP version. Containers on several networks are excluded: their routes decide which of their
    addresses is the source.
    """
    endpoints = []
    for host, report in reports.items():
        mtus = {item["name"]: item["options"].get(MTU) for item in report.get("networks", ())}
        counts: dict[str, int] = {}
        for container in sorted(report["containers"], key=lambda item: str(item["name"])):
            if len(container["networks"]) != 1:
                continue
            for version in ("ipv4", "ipv6"):
                address = (container["networks"][0].get(version) or "").split("/", maxsplit=1)[0]
                network = policy.network_of(address) if address else None
                key = f"{network} {version}"
                if network is not None and counts.get(key, 0) < most:
                    counts[key] = counts.get(key, 0) + 1
                    mtu = int(mtus.get(container["networks"][0]["network"]) or MTU_DEFAULT)
                    aliases = tuple(container["networks"][0].get("aliases") or ())
                    endpoints.append(Endpoint(host, container["name"], network, address, mtu, aliases))
    return endpoints
