# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""MTUs, in bytes, of the hosts' underlay interfaces and of the networks. Pure.

A network without an MTU gets that of its host, so that a run with ``--limit`` has the same result as one of all hosts.
Docker's default is not set explicitly.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.constants import MTU_DEFAULT, MTU_MAX
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.keys import BY_OPTION
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.fleet import Host
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.keys import PREFIX
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import InvalidValue
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.plan.plan import FleetPlan

Report = t.Mapping[str, t.Any]


class UnderlayInterface(t.NamedTuple):
    """The interface of a host with its underlay address, and its MTU."""

    link: str
    mtu: int


def underlay_of(host: Host, report: Report) -> UnderlayInterface | None:
    """Return None if no interface has the address, for example behind NAT, or only the loopback interface.

    The MTU of the loopback interface, more than any network can have, is not that of the path to other hosts.
    """
    for link in report.get("links", ()):
        if link["mtu"] <= MTU_MAX and any(
            address.split("/", maxsplit=1)[0] == host.underlay for address in link["addresses"]
        ):
            return UnderlayInterface(link["name"], link["mtu"])
    return None


def fit_to_underlay(plan: FleetPlan, reports: t.Mapping[str, Report]) -> FleetPlan:
    """Return the plan with MTUs for the networks that set none, taken from the reported underlay interfaces.

    Raises InvalidValue if a network's MTU is larger than that of the interface, or if hosts of one L2 segment have
    different MTUs and a network sets none: the host with the smaller one would silently drop large packets.
    """
    found = {
        host.name: underlay
        for host in plan.hosts
        for underlay in [underlay_of(host, reports.get(host.name, {}))]
        if underlay
    }
    for host in plan.hosts:
        if host.name in found:
            _check_declared(plan, host, found[host.name])
    _check_alike(plan, found)
    mtus = {name: underlay.mtu for name, underlay in found.items() if underlay.mtu != MTU_DEFAULT}
    limited = frozenset(
        name for name, mtu in mtus.items() if mtu < MTU_DEFAULT and _has_network_defaults(reports.get(name, {}))
    )
    return dataclasses.replace(plan, mtus=mtus, limited=limited)


def _has_network_defaults(report: Report) -> bool:
    """Whether the engine knows ``default-network-opts``; False if it has not reported its version."""
    version = str((report.get("engine") or {}).get("version") or "")
    numbers = re.match(r"([0-9]+)\.([0-9]+)", version)
    since = BY_OPTION["default_network_opts"].since
    return numbers is not None and (int(numbers[1]), int(numbers[2])) >= since


def _check_declared(plan: FleetPlan, host: Host, underlay: UnderlayInterface) -> None:
    declared = [(f"{network.path}.mtu", network.mtu) for network, _subnet in plan.networks_of(host) if network.routed]
    for path, mtu in [(f"{PREFIX}default_bridge.mtu", plan.fleet.default_bridge.get("mtu")), *declared]:
        if isinstance(mtu, int) and mtu > underlay.mtu:
            raise InvalidValue(
                path,
                mtu,
                f"is larger than the MTU of underlay interface {underlay.link} ({underlay.mtu}). Set it to "
                f"{underlay.mtu} or less, or omit it",
                host.name,
            )


def _check_alike(plan: FleetPlan, found: t.Mapping[str, UnderlayInterface]) -> None:
    undecided = [network for network in plan.fleet.networks if network.routed and network.mtu is None]
    first: dict[str, str] = {}
    for host in plan.hosts:
        if host.name not in found or not undecided or plan.fleet.backend == "none":
            continue
        other = first.setdefault(host.link, host.name)
        here, there = found[host.name], found[other]
        if here.mtu != there.mtu:
            names = ", ".join(network.name for network in undecided)
            raise InvalidValue(
                PREFIX + "link",
                host.link,
                f"interface {here.link} has MTU {here.mtu}, and {there.link} of host {other} on the same segment has "
                f"{there.mtu}. Set the same MTU on both, or set mtu to {min(here.mtu, there.mtu)} for networks {names}",
                host.name,
            )
