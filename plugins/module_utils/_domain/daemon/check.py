# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is wrong with a daemon configuration before dockerd sees it.

``dockerd --validate`` exists from 23.0 on and parses more than it judges: a bip that is a network address passes it
and stops the daemon afterwards. So these checks run for every engine.
"""

from __future__ import annotations

import ipaddress
import re
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.keys import (
    BY_NAME,
    BY_OPTION,
    FILE_ONLY_KEYS,
    FLAG_KEYS,
    Json,
    Version,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import (
    FleetnetError,
    InvalidValue,
    Unsupported,
)

_Interface = t.Union[ipaddress.IPv4Interface, ipaddress.IPv6Interface]
_Network = t.Union[ipaddress.IPv4Network, ipaddress.IPv6Network]

SMALLEST_MTU = 68  # RFC 791
SMALLEST_MTU_V6 = 1280  # RFC 8200
LARGEST_MTU = 65535

# Objects of daemon.json whose members are values, not further keys of the daemon.
_FLAT_KEYS = frozenset(
    ("builder", "cluster-store-opts", "default-network-opts", "default-ulimits", "features", "log-opts", "runtimes")
)


def check_versions(options: t.Iterable[str], version: Version) -> None:
    """Raise Unsupported for the first option that the engine of ``version`` does not know."""
    for option in options:
        since = BY_OPTION[option].since
        if version < since:
            needs, has = (".".join(str(part) for part in numbers) for numbers in (since, version))
            raise Unsupported(f"{option} needs Docker engine {needs} or newer; this host has {has}")


def check_values(desired: t.Mapping[str, t.Any], config: Json, version: Version) -> None:
    """Raise InvalidValue for the first value of ``config`` (the merged daemon.json) that dockerd cannot work with.

    Only what the ``desired`` keys (names as in daemon.json) take part in is judged: what else the file says is its
    owner's.
    """
    if not desired:
        return
    bip = _bridge_address(config, "bip", 4)
    bip6 = _bridge_address(config, "bip6", 6)
    _fixed_range(config, "fixed-cidr", 4, bip)
    _fixed_range(config, "fixed-cidr-v6", 6, None)
    _gateway(config, "default-gateway", bip)
    _gateway(config, "default-gateway-v6", bip6)
    _mtu(config)
    _pools(config)
    if "ip" in config:
        _address(config, "ip")
    for at, server in enumerate(config.get("dns") or []):
        _parse("dns", server, ipaddress.ip_address, f"entry {at + 1} has to be an IP address")
    _combinations(config, version)


def reload_works(config: Json, version: Version) -> bool:
    """Whether dockerd takes the file on SIGHUP.

    Since it validates the path of the userland proxy it refuses a file that switches the proxy on without naming the
    path (seen with 26.1 and 28.5): at a reload it does not look the default path up.
    """
    return version < (23, 0) or not config.get("userland-proxy") or "userland-proxy-path" in config


def check_swarm(desired: t.Mapping[str, t.Any], info: Json) -> None:
    """Live restore and the nftables backend do not go with swarm mode: dockerd would not start again."""
    if info.get("Swarm", {}).get("LocalNodeState", "inactive") == "inactive":
        return
    if desired.get("live-restore"):
        raise _invalid("live-restore", True, "this host is in a swarm, and a swarm's engine refuses live restore")
    if desired.get("firewall-backend") == "nftables":
        raise _invalid("firewall-backend", "nftables", "this host is in a swarm, whose networks need iptables")


def _combinations(config: Json, version: Version) -> None:
    if config.get("iptables") is False:
        if config.get("icc") is False:
            raise _invalid("icc", False, "dockerd keeps containers apart by iptables, which iptables: false forbids")
        if config.get("ip6tables") is True and version < (27, 0):
            raise _invalid("ip6tables", True, "engines before 27.0 do not start with it and iptables: false")
        if config.get("ip-masq") is True:
            raise _invalid("ip-masq", True, "dockerd masquerades by iptables, which iptables: false forbids")
    if config.get("bridge") and (config.get("bip") or config.get("bip6")):
        reason = f"daemon.json names the bridge {config['bridge']}, which has its own address: declare bridge as well"
        raise _invalid("bip", config.get("bip") or config.get("bip6"), reason)
    if config.get("ipv6") and version < (27, 0) and not config.get("fixed-cidr-v6"):
        raise _invalid("ipv6", True, "engines before 27.0 need fixed_cidr_v6 with it")
    if config.get("ip6tables") and version < (27, 0) and not config.get("experimental"):
        raise _invalid("ip6tables", True, 'engines before 27.0 take it only with "experimental": true in daemon.json')
    backend = config.get("firewall-backend", "")
    if backend not in ("", "iptables", "nftables"):
        raise _invalid("firewall-backend", backend, "it has to be iptables or nftables")
    mark = config.get("bridge-accept-fwmark", "")
    number = r"(0[xX][0-9a-fA-F]{1,8}|[0-9]{1,10})"
    if mark and not re.match(rf"{number}(/{number})?$", mark):
        raise _invalid("bridge-accept-fwmark", mark, "it has to be MARK or MARK/MASK, as in 0x10/0xf0")


def _bridge_address(config: Json, name: str, family: int) -> _Interface | None:
    if not config.get(name):
        return None
    value = config[name]
    form = f"it has to be docker0's IPv{family} address with its prefix length, as in "
    form += "10.64.0.1/24" if family == 4 else "fd00:64::1/64"
    address = _parse(name, value, ipaddress.ip_interface, form)
    if address.version != family or "/" not in value:
        raise _invalid(name, value, form)
    network = address.network
    if address.ip == network.network_address or (family == 4 and address.ip == network.broadcast_address):
        first = next(iter(network.hosts()))
        raise _invalid(name, value, f"that is not an address of a host in {network}; the first one is {first}")
    if family == 4 and network.prefixlen > 30:
        raise _invalid(name, value, "that leaves no address for a container")
    return t.cast(_Interface, address)


def _fixed_range(config: Json, name: str, family: int, bip: _Interface | None) -> None:
    if not config.get(name):
        return
    value = config[name]
    network = _network(name, value)
    if network.version != family:
        raise _invalid(name, value, f"it has to be an IPv{family} network")
    if bip and not _within(network, bip.network):
        where = f"it is not inside docker0's network {bip.network}, which bip declares"
        raise _invalid(name, value, f"{where}: declare {BY_NAME[name].option} anew, or unset it")
    if family == 6 and network.prefixlen > 126:
        raise _invalid(name, value, "that leaves no address for a container")


def _gateway(config: Json, name: str, bip: _Interface | None) -> None:
    if not config.get(name):
        return
    address = _address(config, name)
    if bip and address not in bip.network:
        raise _invalid(name, config[name], f"it is not inside docker0's network {bip.network}")


def _mtu(config: Json) -> None:
    mtu = config.get("mtu", 0)
    smallest = SMALLEST_MTU_V6 if config.get("ipv6") else SMALLEST_MTU
    if mtu and not smallest <= mtu <= LARGEST_MTU:
        raise _invalid("mtu", mtu, f"it has to be between {smallest} and {LARGEST_MTU} bytes")


def _pools(config: Json) -> None:
    pools: list[_Network] = []
    for at, pool in enumerate(config.get("default-address-pools") or []):
        base, size = pool.get("base"), pool.get("size")
        where = f"default_address_pools[{at}]"
        network = _parse(where + ".base", base, ipaddress.ip_network, "it has to be a network, as in 10.64.8.0/21")
        if not isinstance(size, int) or not network.prefixlen <= size <= network.max_prefixlen:
            reason = f"it has to be a prefix length between the base's {network.prefixlen} and {network.max_prefixlen}"
            raise InvalidValue(where + ".size", size, reason)
        for other in pools:
            if network.version == other.version and network.overlaps(other):
                raise InvalidValue(where + ".base", base, f"it overlaps with the pool {other}")
        pools.append(network)


def _network(name: str, value: object) -> _Network:
    return t.cast(_Network, _parse(name, value, ipaddress.ip_network, "it has to be a network, as in 10.64.0.128/25"))


def _address(config: Json, name: str) -> t.Any:
    return _parse(name, config[name], ipaddress.ip_address, "it has to be an IP address")


def _parse(name: str, value: object, parser: t.Callable[[t.Any], t.Any], reason: str) -> t.Any:
    if not isinstance(value, str):  # the ipaddress module would take a number for an address
        raise _invalid(name, value, reason)
    try:
        return parser(value)
    except ValueError as error:
        detail = f" ({error})" if "host bits" in str(error) else ""
        raise _invalid(name, value, reason + detail) from None


def _within(inner: _Network, outer: t.Any) -> bool:
    return inner.version == outer.version and inner.subnet_of(outer)


def _invalid(name: str, value: object, reason: str) -> InvalidValue:
    return InvalidValue(BY_NAME[name].option if name in BY_NAME else name, value, reason)


def keys_of_flags(argv: t.Sequence[str]) -> dict[str, str]:
    """The keys of daemon.json that dockerd's command line gives, each with the flag as it stands there."""
    found: dict[str, str] = {}
    for word in argv[1:]:
        if not word.startswith("-") or word == "-":
            continue
        flag = word.split("=", 1)[0]
        short = flag[:2] if not flag.startswith("--") else ""
        name = FLAG_KEYS.get(short or flag) or flag.lstrip("-")
        found.setdefault(name, word)
    return found


def check_flags(config: Json, argv: t.Sequence[str], path: str, unit: str) -> None:
    """Raise FleetnetError for a key that is both in ``config`` and on dockerd's command line: it would not start."""
    flags = keys_of_flags(argv)
    for name in _flatten(config):
        if name in flags and name != "runtimes":  # runtimes are the one key that dockerd merges
            raise FleetnetError(
                f"{name} is given by {unit} as the flag '{flags[name]}', and dockerd does not start with a key that "
                f"is in {path} as well: take the flag out of the unit (systemctl cat {unit}) or the key out of the file"
            )


def check_known(config: Json, help_text: str, path: str) -> None:
    """Raise FleetnetError for a key that this dockerd does not know; ``help_text`` is what ``dockerd --help`` prints.

    For engines before 23.0, which have no ``--validate``.
    """
    known = {FLAG_KEYS.get(flag, flag[2:]) for flag in re.findall(r"(--[a-z0-9][a-z0-9-]*)", help_text)}
    known |= FILE_ONLY_KEYS | _FLAT_KEYS
    for name in _flatten(config):
        if name not in known:
            raise FleetnetError(f"{path} has the key {name!r}, which this dockerd does not know: it would not start")


def _flatten(config: Json) -> t.Iterator[str]:
    """Keys as dockerd sees them: the members of an object that is no value of its own count as outermost ones."""
    for name, value in config.items():
        if isinstance(value, dict) and name not in _FLAT_KEYS:
            yield from _flatten(value)
        else:
            yield name
