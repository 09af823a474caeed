# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Policy lines that name the host's port of a published port instead of the container's. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.policy_line import PolicyLine
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.policy import Policy

Data = t.Dict[str, t.Any]


class HostPort(t.NamedTuple):
    """A line that allows ``host_port``, as which ``containers`` (with their hosts) publish ``port``, but not ``port``.

    ``line`` is the line with its path, as text.
    """

    line: str
    host_port: int
    port: int
    containers: tuple[str, ...]

    def to_data(self) -> Data:
        """Plain data."""
        return {**self._asdict(), "containers": list(self.containers)}

    @classmethod
    def from_data(cls, data: t.Mapping[str, t.Any]) -> HostPort:
        """The inverse of :meth:`to_data`."""
        return cls(data["line"], data["host_port"], data["port"], tuple(data["containers"]))


class _Published(t.NamedTuple):
    container: str
    network: str
    protocol: str
    host_port: int
    port: int


def find_host_ports(policy: Policy, reports: t.Mapping[str, t.Mapping[str, t.Sequence[Data]]]) -> list[HostPort]:
    """Return lines with a host's port. ``reports`` are those of hosts by name, with ``containers`` and their ``ports``.

    A line is right if a container of the network has this port, or if lines also allow the container's port.
    """
    published = [
        _Published(f"{container['name']} on {host}", network, port["protocol"], port["host_port"], port["port"])
        for host, report in reports.items()
        for container in report["containers"]
        if container.get("ports")
        for network in sorted(_networks(policy, container))
        for port in container["ports"]
    ]
    own = {(each.network, each.protocol, each.port) for each in published}
    found: dict[tuple[PolicyLine, int, int], set[str]] = {}
    for line in policy.lines:
        for each in published:
            if (
                line.ports
                and each.network in line.targets
                and line.covers(each.protocol, each.host_port)
                and (each.network, each.protocol, each.host_port) not in own
                and not all(policy.allowing(source, each.network, each.protocol, each.port) for source in line.sources)
            ):
                found.setdefault((line, each.host_port, each.port), set()).add(each.container)
    return [
        HostPort(f"{line.path}: {line}", host_port, port, tuple(sorted(containers)))
        for (line, host_port, port), containers in found.items()
    ]


def _networks(policy: Policy, container: Data) -> set[str]:
    """The networks of the policy that the container is on."""
    addresses = [endpoint.get(version) for endpoint in container["networks"] for version in ("ipv4", "ipv6")]
    networks = {policy.network_of(address.split("/", maxsplit=1)[0]) for address in addresses if address}
    return {network for network in networks if network is not None}
