# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses of hosts at which ports are published, and that are not probed because they are not declared. Pure."""

from __future__ import annotations

import ipaddress
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.endpoints import (
    Addresses,
    Reports,
    listens,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.probe import Endpoint


class UnprobedAddress(t.NamedTuple):
    """An address of a host's underlay interface at which ``containers`` on declared networks publish ports."""

    host: str
    address: str
    containers: tuple[str, ...]

    def to_data(self) -> dict[str, t.Any]:
        """Plain data."""
        return {**self._asdict(), "containers": list(self.containers)}

    @classmethod
    def from_data(cls, data: t.Mapping[str, t.Any]) -> UnprobedAddress:
        """The inverse of :meth:`to_data`."""
        return cls(data["host"], data["address"], tuple(data["containers"]))


def find_unprobed_addresses(
    reports: Reports, addresses: Addresses, endpoints: t.Iterable[Endpoint]
) -> list[UnprobedAddress]:
    """Return the addresses, of hosts whose report has ``links``.

    They are not probed, since other hosts would send packets to any address that a host reports.
    """
    probed = {(each.host, each.container) for each in endpoints}
    found = []
    for host, report in reports.items():
        containers = [each for each in report["containers"] if (host, each["name"]) in probed]
        for address in _others(report, addresses.get(host, ())):
            names = {
                str(each["name"]) for each in containers for port in each.get("ports") or () if listens(port, address)
            }
            if names:
                found.append(UnprobedAddress(host, address, tuple(sorted(names))))
    return found


def _others(report: t.Mapping[str, t.Any], declared: t.Collection[str]) -> list[str]:
    """The addresses that are not declared of the interfaces that have a declared one, without link-local ones."""
    found = []
    for link in report.get("links", ()):
        own = [ipaddress.ip_interface(address).ip for address in link["addresses"]]
        if any(str(address) in declared for address in own):
            found += [str(each) for each in own if str(each) not in declared and not each.is_link_local]
    return found
