# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers on networks of the declaration that get no probes, and why. Pure."""

from __future__ import annotations

import enum
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.policy import Policy

Data = t.Dict[str, t.Any]


class Reason(str, enum.Enum):
    """Why a container is not probed."""

    HOST_NETWORK = "host_network"  # the policy does not know the network
    INTERNAL = "internal"  # the engine isolates the network
    NOT_ROUTED = "not_routed"  # hosts do not forward the network's packets
    SEVERAL_NETWORKS = "several_networks"


class Unprobed(t.NamedTuple):
    """Containers of a host on a network, or on several (``network`` has all names), that are not probed."""

    host: str
    network: str
    containers: tuple[str, ...]
    reason: Reason

    def to_data(self) -> Data:
        """Plain data."""
        return {**self._asdict(), "containers": list(self.containers), "reason": self.reason.value}

    @classmethod
    def from_data(cls, data: t.Mapping[str, t.Any]) -> Unprobed:
        """The inverse of :meth:`to_data`."""
        return cls(data["host"], data["network"], tuple(data["containers"]), Reason(data["reason"]))


def find_unprobed(policy: Policy, reports: t.Mapping[str, t.Mapping[str, t.Sequence[Data]]]) -> list[Unprobed]:
    """Return the containers on networks of this collection that ``find_endpoints`` does not consider.

    ``reports`` are as for ``find_endpoints``. Containers on undeclared networks only are not part of the declaration.
    """
    found: dict[tuple[str, str, Reason], list[str]] = {}
    for host, report in reports.items():
        managed = {item["name"]: item for item in report.get("networks", ()) if item.get("managed")}
        for container in report["containers"]:
            networks = sorted(endpoint["network"] for endpoint in container["networks"])
            declared = [name for name in networks if name in managed]
            if not declared:
                continue
            if len(networks) > 1:
                reason = Reason.SEVERAL_NETWORKS
            elif managed[declared[0]]["driver"] != "bridge":
                reason = Reason.NOT_ROUTED
            elif managed[declared[0]]["internal"]:
                reason = Reason.INTERNAL
            elif policy.is_network(declared[0]):
                continue
            else:
                reason = Reason.HOST_NETWORK
            found.setdefault((host, ", ".join(networks), reason), []).append(str(container["name"]))
    return sorted(
        Unprobed(host, network, tuple(sorted(names)), reason) for (host, network, reason), names in found.items()
    )
