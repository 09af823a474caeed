# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Declared networks that a host does not have, or has with other subnets. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.addressing import Prefix

Data = t.Mapping[str, t.Any]


class WrongNetwork(t.NamedTuple):
    """A declared network of a host, with its subnets. ``observed`` is None if the host does not have the network."""

    host: str
    network: str
    declared: tuple[str, ...]
    observed: tuple[str, ...] | None

    def to_data(self) -> dict[str, t.Any]:
        """Plain data."""
        observed = None if self.observed is None else list(self.observed)
        return {**self._asdict(), "declared": list(self.declared), "observed": observed}

    @classmethod
    def from_data(cls, data: Data) -> WrongNetwork:
        """The inverse of :meth:`to_data`."""
        observed = None if data["observed"] is None else tuple(data["observed"])
        return cls(data["host"], data["network"], tuple(data["declared"]), observed)


def find_wrong_networks(slices: t.Mapping[str, Data], reports: t.Mapping[str, Data]) -> list[WrongNetwork]:
    """Compare the networks of the plan's ``slices`` with those that the hosts report.

    Overlay networks are left out: the workers of a swarm have them only while containers use them.
    """
    found = []
    for host, report in reports.items():
        if "networks" not in report:
            continue
        observed = {network["name"]: _subnets(network["subnets"]) for network in report["networks"]}
        for item in slices.get(host, {}).get("networks", ()):
            if item.get("driver") == "overlay":
                continue
            declared = _subnets(item["ipam_config"])
            if item["name"] not in observed or (declared and set(declared) != set(observed[item["name"]])):
                found.append(WrongNetwork(host, item["name"], declared, observed.get(item["name"])))
    return found


def _subnets(blocks: t.Iterable[Data]) -> tuple[str, ...]:
    return tuple(sorted(str(Prefix.parse(block["subnet"])) for block in blocks if block.get("subnet")))
