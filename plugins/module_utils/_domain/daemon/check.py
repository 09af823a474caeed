# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reject a daemon configuration that dockerd does not start with, before dockerd reads it."""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.keys import BY_NAME, BY_OPTION, KEYS
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.observed import (
    VALIDATES,
    Json,
    Version,
    in_swarm,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import InvalidValue, Unsupported

_SETTLED = (27, 0)  # from here on ipv6 and ip6tables need no other keys
# For values of hosts whose engines are not known: no check that only older engines need applies.
ANY_VERSION = (1 << 16,)


def check_versions(options: t.Iterable[str], version: Version) -> None:
    """Raise Unsupported for the first option that the engine of ``version`` does not know."""
    for option in options:
        since = BY_OPTION[option].since
        if version < since:
            needs, has = (".".join(str(part) for part in numbers) for numbers in (since, version))
            raise Unsupported(f"{option} needs Docker engine {needs} or newer; this host has {has}")


def check_values(desired: t.Mapping[str, t.Any], config: Json, version: Version) -> None:
    """Raise InvalidValue for the first managed key of ``config``, the merged daemon.json, that dockerd rejects.

    Without ``desired`` keys (names as in daemon.json) nothing is checked: the file is its owner's.
    """
    if not desired:
        return
    for key in KEYS:
        if key.name in config:
            value = config[key.name]
            key.check(key.option, value, config)
            choices = key.spec.get("choices")
            if choices and value not in ("", *choices):
                raise InvalidValue(key.option, value, f"must be {' or '.join(choices)}")
    _combinations(config, version)


def reload_works(config: Json, version: Version) -> bool:
    """Whether dockerd accepts the file on SIGHUP.

    Since dockerd validates the path of the userland proxy it rejects a file that enables the proxy without its path
    (observed with 26.1 and 28.5): a reload does not look up the default path.
    """
    return version < VALIDATES or not config.get("userland-proxy") or "userland-proxy-path" in config


def check_swarm(desired: t.Mapping[str, t.Any], info: Json) -> None:
    """Raise InvalidValue for live restore and the nftables backend in a swarm: dockerd would not start again."""
    if not in_swarm(info):
        return
    if desired.get("live-restore"):
        raise _invalid("live-restore", True, "this host is in a swarm, and a swarm's engine rejects live restore")
    if desired.get("firewall-backend") == "nftables":
        raise _invalid("firewall-backend", "nftables", "this host is in a swarm, whose networks require iptables")


def _combinations(config: Json, version: Version) -> None:
    if config.get("iptables") is False:
        if config.get("icc") is False:
            raise _invalid("icc", False, "dockerd isolates containers by iptables, which iptables: false forbids")
        if config.get("ip6tables") is True and version < _SETTLED:
            raise _invalid("ip6tables", True, "engines before 27.0 do not start with it and iptables: false")
        if config.get("ip-masq") is True:
            raise _invalid("ip-masq", True, "dockerd masquerades by iptables, which iptables: false forbids")
    if config.get("bridge") and (config.get("bip") or config.get("bip6")):
        reason = f"daemon.json names the bridge {config['bridge']}, which has its own address. Declare bridge as well"
        raise _invalid("bip", config.get("bip") or config.get("bip6"), reason)
    if config.get("ipv6") and version < _SETTLED and not config.get("fixed-cidr-v6"):
        raise _invalid("ipv6", True, "engines before 27.0 require fixed_cidr_v6 with it")
    if config.get("ip6tables") and version < _SETTLED and not config.get("experimental"):
        raise _invalid("ip6tables", True, 'engines before 27.0 require "experimental": true in daemon.json with it')


def _invalid(name: str, value: object, reason: str) -> InvalidValue:
    return InvalidValue(BY_NAME[name].option, value, reason)
