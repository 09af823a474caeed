# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How the engine and the kernel report the value of a key: one reader per kind of report.

A reader returns the value in daemon.json's form, or UNKNOWN.
"""

from __future__ import annotations

import ipaddress
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.constants import (
    BRIDGE_NAME,
    BRIDGE_PREFIX,
    MTU,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.observed import (
    UNKNOWN,
    Json,
    ObservedDaemon,
)

Reader = t.Callable[[ObservedDaemon], t.Any]


def nowhere(_observed: ObservedDaemon) -> t.Any:
    """For keys that the engine does not report."""
    return UNKNOWN


def bridge_address(family: int) -> Reader:
    """The bridge's address in the kernel: the engine still reports an address that was removed from the bridge."""

    def read(observed: ObservedDaemon) -> t.Any:
        entry = _ipam(observed.bridge or {}, family)
        found = [text for text in sorted(observed.addresses) if _inside(text, entry.get("Subnet"))]
        gateway = entry.get("Gateway", "").split("/")[0]  # 20.10 reports none before it has a daemon.json
        return next((text for text in found if not gateway or text.split("/")[0] == gateway), None)

    return read


def ipam_field(family: int, *names: str) -> Reader:
    """A field of the default network's address block."""

    def read(bridge: Json) -> t.Any:
        value: t.Any = _ipam(bridge, family)
        for name in names:
            value = (value or {}).get(name)
        return value

    return _of_bridge(read)


def bridge_option(name: str) -> Reader:
    """A text among the options of the bridge driver."""
    return _option(BRIDGE_PREFIX + name, str)


def bridge_switch(name: str) -> Reader:
    """A boolean among the options of the bridge driver."""
    return _option(BRIDGE_PREFIX + name, lambda text: text == "true")


def mtu() -> Reader:
    return _option(MTU, int)


def bridge_name(observed: ObservedDaemon) -> t.Any:
    if observed.bridge is None:
        return "none"
    return (observed.bridge.get("Options") or {}).get(BRIDGE_NAME, UNKNOWN)


def ipv6(observed: ObservedDaemon) -> t.Any:
    return None if observed.bridge is None else bool(observed.bridge.get("EnableIPv6"))


def address_pools(observed: ObservedDaemon) -> t.Any:
    pools = observed.info.get("DefaultAddressPools") or []
    return [{"base": pool["Base"], "size": pool["Size"]} for pool in pools]


def live_restore(observed: ObservedDaemon) -> t.Any:
    return bool(observed.info.get("LiveRestoreEnabled"))


def firewall_backend(observed: ObservedDaemon) -> t.Any:
    driver = (observed.info.get("FirewallBackend") or {}).get("Driver")
    return driver.split("+")[0] if driver else UNKNOWN  # "iptables+firewalld"


def ip_forward(observed: ObservedDaemon) -> t.Any:
    """False if forwarding was switched off after the daemon's start: then it is not in effect."""
    return UNKNOWN if observed.info.get("IPv4Forwarding", True) else False


def _of_bridge(read: t.Callable[[Json], t.Any]) -> Reader:
    return lambda observed: None if observed.bridge is None else read(observed.bridge)


def _option(name: str, parse: t.Callable[[str], t.Any]) -> Reader:
    def read(bridge: Json) -> t.Any:
        value = (bridge.get("Options") or {}).get(name)
        return UNKNOWN if value is None else parse(value)

    return _of_bridge(read)


def _ipam(bridge: Json, family: int) -> Json:
    for entry in (bridge.get("IPAM") or {}).get("Config") or []:
        if ipaddress.ip_network(entry["Subnet"], strict=False).version == family:
            return t.cast(Json, entry)
    return {}


def _inside(address: str, subnet: str | None) -> bool:
    return subnet is not None and ipaddress.ip_interface(address).network == ipaddress.ip_network(subnet, strict=False)
