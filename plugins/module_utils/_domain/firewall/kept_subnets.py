# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules that bind subnets outside of the supernet to the bridges of declared networks. Pure.

Without the network of such a subnet, the default route may lead there, and Docker may give it to another network. So
its packets come from, and go to, bridges of declared networks only. If another program creates such a network again,
with another bridge, the reconciler finds this by the network's name.
"""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.addressing import Prefix
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.policy_line import DEFAULT_BRIDGE
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.binding import (
    Local,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.filled_sets import (
    BRIDGES,
    ENDPOINTS,
    bridges_definition,
    kept_lines,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.nft_text import prefix_set, quoted
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.policy import Family
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.undeclared import undeclared_bridges


class KeptSubnets:
    """The subnets outside of the supernet in one IP version: ``own`` are those of this host's networks.

    The others are those of other hosts, which the underlay leads to.
    """

    def __init__(self, family: Family, own: t.Iterable[Prefix], local: Local) -> None:
        self._ip = "ip" if family.version == 4 else "ip6"
        self._local = local
        self._all = family.pinned
        self.own = [subnet for subnet in own if family.host_block_of(subnet) is None]
        self._others = [subnet for subnet in self._all if subnet not in self.own]

    def definitions(self) -> list[str]:
        """The set of the bridges that declared networks have now, and the subnets, which the reconciler reads."""
        declared = [name for name in self._local.bridges if name != DEFAULT_BRIDGE]
        return [*kept_lines(self._all), *bridges_definition(self._ip, BRIDGES, declared)] if self._all else []

    def source_rules(self) -> list[str]:
        """Rules of the chain of sources, behind the bridges of this host's networks, before those of others."""
        if not self._all:
            return []
        source = f"{self._ip} saddr"
        known = f"iifname . ether saddr . {source} @{ENDPOINTS} goto bound"
        forged = 'counter drop comment "forged source"'
        rules = [f"iifname @{BRIDGES} goto bound", f"{source} {prefix_set(self._all)} {known}"]
        if self.own:
            rules.append(f'{source} {prefix_set(self.own)} iifname != "lo" {forged}')
        if self._others:
            undeclared = undeclared_bridges("iif", self._local.other_bridges)
            rules.append(f"{source} {prefix_set(self._others)} {undeclared} {forged}")
        return rules

    def target_rules(self) -> list[str]:
        """Rules of the forward hook, whatever the connection state, behind the frames within declared bridges."""
        # not frames within one bridge, which br_netfilter passes to this hook
        closed = f'oifname != @{BRIDGES} fib daddr . iif oif missing counter drop comment "undeclared network"'
        target = f"{self._ip} daddr"
        rules = []
        if self.own:
            rules.append(f"{target} {prefix_set(self.own)} oifname != {quoted(self._local.all_bridges)} {closed}")
        if self._others:
            undeclared = undeclared_bridges("oif", self._local.other_bridges)
            rules.append(f"{target} {prefix_set(self._others)} {undeclared} {closed}")
        return rules
