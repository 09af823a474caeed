# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers that get no probes, and why. Pure."""

from __future__ import annotations

import enum
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.policy import Policy
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.printable import quoted_name
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.endpoints import is_undeclared
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.probe import Endpoint

Data = t.Dict[str, t.Any]


class Reason(str, enum.Enum):
    """Why a container is not probed."""

    HOST_NETWORK = "host_network"  # the policy does not know the network
    INTERNAL = "internal"  # the engine isolates the network
    NOT_ROUTED = "not_routed"  # hosts do not forward the network's packets
    SEVERAL_NETWORKS = "several_networks"
    UNDECLARED = "undeclared"  # and internal, or not a bridge
    NO_NETWORK = "no_network"  # mode none, or disconnected from all networks
    HOST_MODE = "host_mode"  # the container is the host to all rules
    SHARED = "shared"  # in the namespace of another container
    NO_ADDRESS = "no_address"
    NOT_PLANNED = "not_planned"  # the network is declared, and the address is not in the plan
    STOPPED = "stopped"
    NOT_CHOSEN = "not_chosen"  # more containers than are probed per network and host


class Unprobed(t.NamedTuple):
    """Containers of a host on a network, or on several (``network`` has all names), that are not probed.

    ``network`` is the network mode of containers that are not attached to a network.
    """

    host: str
    network: str
    containers: tuple[str, ...]
    reason: Reason

    @property
    def running(self) -> bool:
        """Whether the containers run."""
        return self.reason is not Reason.STOPPED

    @property
    def wrong(self) -> bool:
        """Whether the containers are not as declared."""
        return self.reason is Reason.NOT_PLANNED

    def to_data(self) -> Data:
        """Plain data."""
        return {**self._asdict(), "containers": list(self.containers), "reason": self.reason.value}

    @classmethod
    def from_data(cls, data: t.Mapping[str, t.Any]) -> Unprobed:
        """The inverse of :meth:`to_data`."""
        return cls(data["host"], data["network"], tuple(data["containers"]), Reason(data["reason"]))


def find_unprobed(
    policy: Policy, reports: t.Mapping[str, t.Mapping[str, t.Sequence[Data]]], endpoints: t.Iterable[Endpoint]
) -> list[Unprobed]:
    """Return the containers that are not among ``endpoints``, those that do not run included if they are reported.

    ``reports`` are as for ``find_endpoints``, with ``stopped``.
    """
    probed = {(each.host, each.container) for each in endpoints}
    found: dict[tuple[str, str, Reason], list[str]] = {}
    for host, report in reports.items():
        networks = {item["name"]: item for item in report.get("networks", ())}
        for container in report["containers"]:
            if (host, container["name"]) not in probed:
                where = _names(endpoint["network"] for endpoint in container["networks"])
                mode = quoted_name(str(container.get("mode") or "none"))
                key = host, where or mode, _reason(policy, container, networks)
                found.setdefault(key, []).append(str(container["name"]))
        for container in report.get("stopped", ()):
            key = host, _names(container["networks"]) or "none", Reason.STOPPED
            found.setdefault(key, []).append(str(container["name"]))
    return sorted(
        Unprobed(host, network, tuple(sorted(names)), reason) for (host, network, reason), names in found.items()
    )


def _names(networks: t.Iterable[str]) -> str:
    return ", ".join(map(quoted_name, sorted(networks)))


def _reason(policy: Policy, container: Data, networks: t.Mapping[str, Data]) -> Reason:
    attached = container["networks"]
    if not attached:
        mode = str(container.get("mode") or "")
        return Reason.HOST_MODE if mode == "host" else Reason.SHARED if ":" in mode else Reason.NO_NETWORK
    managed = [networks[each["network"]] for each in attached if networks.get(each["network"], {}).get("managed")]
    addresses = [each[key].split("/")[0] for each in attached for key in ("ipv4", "ipv6") if each.get(key)]
    planned = any(policy.network_of(address) for address in addresses)
    if len(attached) > 1:
        return Reason.SEVERAL_NETWORKS
    if not managed and not planned:
        probed = addresses and is_undeclared(networks.get(attached[0]["network"], {}))
        return Reason.NOT_CHOSEN if probed else Reason.UNDECLARED
    if managed and managed[0]["driver"] != "bridge":
        return Reason.NOT_ROUTED
    if managed and managed[0]["internal"]:
        return Reason.INTERNAL
    if planned:
        return Reason.NOT_CHOSEN
    if not policy.is_network(managed[0]["name"]):
        return Reason.HOST_NETWORK
    return Reason.NOT_PLANNED if addresses else Reason.NO_ADDRESS
