# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The expected addresses, written by hand: the tests use neither the planner nor the lock file."""

from __future__ import annotations

import dataclasses

SUPERNET = "10.64.0.0/12"
# network -> third octet within a host's /20
NETWORKS = {"web": 1, "db": 2}
ADOPTED = "shop_default"


@dataclasses.dataclass(frozen=True)
class Expected:
    """A host's part of the address plan."""

    name: str
    octet: int  # the third octet of the host's block
    kept: str  # its subnet of the adopted network

    @property
    def block(self) -> str:
        return f"10.64.{self.octet}.0/20"

    @property
    def docker0(self) -> str:
        return f"10.64.{self.octet}.1/24"

    def subnet(self, network: str) -> str:
        return f"10.64.{self.octet + NETWORKS[network]}.0/24"

    def gateway(self, network: str) -> str:
        return f"10.64.{self.octet + NETWORKS[network]}.1"


FLEET = {
    expected.name: expected
    for expected in (
        Expected("h1", 0, "172.18.0.0/16"),
        Expected("h2", 16, "172.19.0.0/16"),
        Expected("h3", 32, "172.20.0.0/16"),
    )
}
