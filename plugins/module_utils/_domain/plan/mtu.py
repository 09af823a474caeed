# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""MTUs, in bytes: what the hosts' underlay links carry, and what containers' links may have. Pure.

A network that names no MTU gets its host's, so that a plan of some hosts (``--limit``) says the same as one of all.
Docker's own default is not written out: it is what a network has that asks for none.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.fleet import Host
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.keys import PREFIX
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import InvalidValue
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.model import MTU_DEFAULT
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.plan.plan import FleetPlan

Report = t.Mapping[str, t.Any]


class Underlay(t.NamedTuple):
    """The link of a host that holds its underlay address, and its MTU."""

    link: str
    mtu: int


def underlay_of(host: Host, report: Report) -> Underlay | None:
    """None where no link of the host holds the address, as where it is translated on the way."""
    for link in report.get("links", ()):
        if any(address.split("/", maxsplit=1)[0] == host.underlay for address in link["addresses"]):
            return Underlay(link["name"], link["mtu"])
    return None


def fit_to_underlay(plan: FleetPlan, reports: t.Mapping[str, Report]) -> FleetPlan:
    """The plan with the MTUs of networks that name none, as the reported hosts' underlay links have it.

    InvalidValue where a network declares more than a link carries, or where the hosts of a link differ and a network
    leaves the choice to them: what the larger one sends would get lost at the smaller one without a word.
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
    return dataclasses.replace(plan, mtus=mtus)


def _check_declared(plan: FleetPlan, host: Host, underlay: Underlay) -> None:
    declared = [(f"{network.path}.mtu", network.mtu) for network, _subnet in plan.networks_of(host) if network.routed]
    for path, mtu in [(f"{PREFIX}default_bridge.mtu", plan.fleet.default_bridge.get("mtu")), *declared]:
        if isinstance(mtu, int) and mtu > underlay.mtu:
            raise InvalidValue(
                path,
                mtu,
                f"is more than the {underlay.mtu} bytes that link {underlay.link} carries, by which the host's "
                f"containers reach other hosts; set it to {underlay.mtu} or less, or leave it out",
                host.name,
            )


def _check_alike(plan: FleetPlan, found: t.Mapping[str, Underlay]) -> None:
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
                f"the hosts on it differ in MTU: {here.mtu} on {here.link} here, {there.mtu} on {there.link} of host "
                f"{other}; what the larger one sends would get lost without a word. Give the links the same MTU, or "
                f"set mtu to {min(here.mtu, there.mtu)} for the networks that name none: {names}",
                host.name,
            )
