# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which planned differences can cut the path between the controller and a host. Pure.

A change of routes, rules, bridge addresses or the engine can. Files of the reconciler, units, labels and ownership
of networks and removed networks cannot: such a run needs no checkpoint.
"""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.drift.difference import (
    ADDRESS,
    CHAIN,
    CONNECTED,
    DAEMON,
    FILE,
    FIREWALLD,
    JUMP,
    MANAGED,
    MODE,
    NETWORK,
    ROUTE,
    SYSCTL,
    TABLE,
    Difference,
    unexpected,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.names import (
    EARLY_SYSCTL_FILE,
    FIREWALLD_FILES,
    IP6TABLES_FILE,
    IPTABLES_FILE,
    NFT_FILE,
    SYSCTL_FILE,
    firewalld_file,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.persistence.part import (
    FIREWALL_PART,
    ROUTES_PART,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.routes.bridge_addresses import ADDRESSES_FILE
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.routes.routes import ROUTES_FILE

# What may cut the path, in the order of a message.
ROUTES = "routes"
RULES = "rules"
FIREWALLD_RULES = "firewalld"
FORWARDING = "forwarding"
ENGINE = "engine"
NETWORKS = "networks"
DECLARED_BY_USER = "user"
RISKS = (ROUTES, RULES, FIREWALLD_RULES, FORWARDING, ENGINE, NETWORKS, DECLARED_BY_USER)

_OF_KIND = {
    ROUTE: ROUTES,
    ADDRESS: ROUTES,
    TABLE: RULES,
    CHAIN: RULES,
    JUMP: RULES,
    FIREWALLD: FIREWALLD_RULES,
    SYSCTL: FORWARDING,
    DAEMON: ENGINE,
}
_OF_FILE = {
    ROUTES_FILE: ROUTES,
    ADDRESSES_FILE: ROUTES,
    ROUTES_PART.script: ROUTES,
    NFT_FILE: RULES,
    IPTABLES_FILE: RULES,
    IP6TABLES_FILE: RULES,
    FIREWALL_PART.script: RULES,
    SYSCTL_FILE: FORWARDING,
    EARLY_SYSCTL_FILE: FORWARDING,
    **{firewalld_file(name.partition("/")[2]): FIREWALLD_RULES for name in FIREWALLD_FILES},
}
# Options of a network that concern no address of the host.
_HARMLESS = ("labels", CONNECTED, MANAGED)
_NAMED = 3


class Risk(t.NamedTuple):
    """A kind of change that can cut the path, one of :data:`RISKS`, and what it changes."""

    kind: str
    names: tuple[str, ...]

    def __str__(self) -> str:
        shown = ", ".join(self.names[:_NAMED])
        more = f" and {len(self.names) - _NAMED} more" if len(self.names) > _NAMED else ""
        return f"{self.kind} ({shown}{more})" if shown else self.kind


def risks(differences: t.Iterable[Difference]) -> tuple[Risk, ...]:
    """The risks of a change that ends the differences. Empty if none of them can cut the path."""
    found: dict[str, dict[str, None]] = {}
    for each in differences:
        kind = _risk(each)
        if kind is not None:
            found.setdefault(kind, {})[each.name] = None
    return tuple(Risk(kind, tuple(found[kind])) for kind in RISKS if kind in found)


def _risk(difference: Difference) -> str | None:
    if difference.kind == FILE:
        return None if difference.key == MODE else _OF_FILE.get(difference.name)
    if difference.kind == NETWORK:
        harmless = unexpected(difference) or difference.key.startswith(_HARMLESS)
        return None if harmless else NETWORKS
    return _OF_KIND.get(difference.kind)
