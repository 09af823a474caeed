# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the running daemon has in effect, computed from what the engine, the kernel and systemd show.

Three sources, in this order: the engine's answers together with docker0 in the kernel; the configuration that the
daemon read when it started; the engine's defaults. Where none of them tells, the value is UNKNOWN.
"""

from __future__ import annotations

import ipaddress
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.config import same
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.keys import Json, Key, Version, default_of
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.overlap import Surroundings


class _Unknown:
    """The type of UNKNOWN: neither the engine nor the file that it started with tells."""

    def __repr__(self) -> str:
        return "unknown"


UNKNOWN = _Unknown()


class RunningContainer(t.NamedTuple):
    """A container that runs, or that has to run again."""

    id: str
    name: str
    auto_remove: bool = False


class ObservedDaemon(t.NamedTuple):
    """The host as it is. ``text`` is None where daemon.json does not exist.

    ``startup`` is the configuration that the running daemon has read from its file, None where that is not known.
    ``bridge`` is the engine's answer about its default network, None where it has none. ``addresses`` are those of
    the bridge in the kernel, with prefix lengths. ``containers`` are those that run; ``to_resume`` those that an
    interrupted run of the module stopped and did not start again. ``help_text`` is dockerd's own, for engines
    without ``--validate``. ``around`` is what docker0's subnet may collide with. ``own_unit`` is the text of the unit
    that makes a bridge of ours, None where there is none; ``ip_program`` the path of ``ip`` for it.
    """

    version: Version
    path: str
    unit: str
    text: str | None
    startup: Json | None
    argv: tuple[str, ...]
    info: Json
    bridge: Json | None
    addresses: frozenset[str]
    containers: tuple[RunningContainer, ...] = ()
    to_resume: tuple[RunningContainer, ...] = ()
    help_text: str = ""
    around: Surroundings = Surroundings()
    own_unit: str | None = None
    ip_program: str = "/sbin/ip"

    @property
    def bridge_name(self) -> str:
        return str(((self.bridge or {}).get("Options") or {}).get("com.docker.network.bridge.name", "docker0"))


def effective(key: Key, observed: ObservedDaemon) -> t.Any:
    """The value of ``key`` that the running daemon works with, in daemon.json's form; UNKNOWN where nothing tells."""
    shown = _SHOWN.get(key.name)
    if shown is not None:
        value = shown(observed)
        if not isinstance(value, _Unknown):
            return value
    if observed.startup is None:
        return UNKNOWN
    return observed.startup.get(key.name, default_of(key, observed.version))


def equal(key: Key, one: t.Any, other: t.Any) -> bool:
    """Whether two values of ``key`` mean the same to dockerd; UNKNOWN equals nothing."""
    if isinstance(one, _Unknown) or isinstance(other, _Unknown):
        return False
    return same(_canonical(key, one), _canonical(key, other))


def _canonical(key: Key, value: t.Any) -> t.Any:
    if key.name == "default-address-pools":
        return [[str(ipaddress.ip_network(pool["base"])), pool["size"]] for pool in value or []]
    if key.kind == "list":
        return list(value or [])
    if isinstance(value, str):
        try:
            return str(ipaddress.ip_interface(value)) if "/" in value else str(ipaddress.ip_address(value))
        except ValueError:
            return value
    return None if value == "" else value


def _bridge_value(read: t.Callable[[Json], t.Any]) -> t.Callable[[ObservedDaemon], t.Any]:
    return lambda observed: None if observed.bridge is None else read(observed.bridge)


def _option(name: str, kind: t.Callable[[str], t.Any]) -> t.Callable[[ObservedDaemon], t.Any]:
    def read(bridge: Json) -> t.Any:
        value = (bridge.get("Options") or {}).get(name)
        return UNKNOWN if value is None else kind(value)

    return _bridge_value(read)


def _truth(text: str) -> bool:
    return text == "true"


def _ipam(bridge: Json, family: int) -> Json:
    for entry in (bridge.get("IPAM") or {}).get("Config") or []:
        if ipaddress.ip_network(entry["Subnet"], strict=False).version == family:
            return t.cast(Json, entry)
    return {}


def _bridge_address(family: int) -> t.Callable[[ObservedDaemon], t.Any]:
    def read(observed: ObservedDaemon) -> t.Any:
        entry = _ipam(observed.bridge or {}, family)
        # In the kernel: the engine goes on naming an address that somebody has taken off the bridge.
        found = [text for text in sorted(observed.addresses) if _inside(text, entry.get("Subnet"))]
        gateway = entry.get("Gateway", "").split("/")[0]  # 20.10 names none before it has a daemon.json
        return next((text for text in found if not gateway or text.split("/")[0] == gateway), None)

    return read


def _inside(address: str, subnet: str | None) -> bool:
    return subnet is not None and ipaddress.ip_interface(address).network == ipaddress.ip_network(subnet, strict=False)


def _ipam_field(family: int, *names: str) -> t.Callable[[ObservedDaemon], t.Any]:
    def read(bridge: Json) -> t.Any:
        value: t.Any = _ipam(bridge, family)
        for name in names:
            value = (value or {}).get(name)
        return value

    return _bridge_value(read)


def _ipv6(bridge: Json) -> t.Any:
    return bool(bridge.get("EnableIPv6"))


def _pools(observed: ObservedDaemon) -> t.Any:
    pools = observed.info.get("DefaultAddressPools") or []
    return [{"base": pool["Base"], "size": pool["Size"]} for pool in pools]


def _live_restore(observed: ObservedDaemon) -> t.Any:
    return bool(observed.info.get("LiveRestoreEnabled"))


def _firewall(observed: ObservedDaemon) -> t.Any:
    driver = (observed.info.get("FirewallBackend") or {}).get("Driver")
    return driver.split("+")[0] if driver else UNKNOWN  # "iptables+firewalld"


def _forwarding(observed: ObservedDaemon) -> t.Any:
    # Forwarding that somebody switched off after the daemon's start is not in effect, whatever the daemon was told.
    return UNKNOWN if observed.info.get("IPv4Forwarding", True) else False


_BRIDGE = "com.docker.network.bridge."

_SHOWN: dict[str, t.Callable[[ObservedDaemon], t.Any]] = {
    "bip": _bridge_address(4),
    "bip6": _bridge_address(6),
    "fixed-cidr": _ipam_field(4, "IPRange"),
    "fixed-cidr-v6": _ipam_field(6, "Subnet"),
    "default-gateway": _ipam_field(4, "AuxiliaryAddresses", "DefaultGatewayIPv4"),
    "default-gateway-v6": _ipam_field(6, "AuxiliaryAddresses", "DefaultGatewayIPv6"),
    "mtu": _option("com.docker.network.driver.mtu", int),
    "icc": _option(_BRIDGE + "enable_icc", _truth),
    "ip-masq": _option(_BRIDGE + "enable_ip_masquerade", _truth),
    "ip": _option(_BRIDGE + "host_binding_ipv4", str),
    "ipv6": _bridge_value(_ipv6),
    "bridge": lambda observed: (
        "none" if observed.bridge is None else (observed.bridge.get("Options") or {}).get(_BRIDGE + "name", UNKNOWN)
    ),
    "default-address-pools": _pools,
    "live-restore": _live_restore,
    "firewall-backend": _firewall,
    "ip-forward": _forwarding,
}
