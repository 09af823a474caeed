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
            raise Unsupported(
                f"{option}: requires Docker engine {needs} or newer, and this host has {has}. Upgrade the engine, or "
                "remove the option."
            )


def check_values(desired: t.Mapping[str, t.Any], config: Json, version: Version) -> None:
    """Raise InvalidValue for the first managed key of ``config``, the merged daemon.json, that dockerd rejects.

    Without ``desired`` keys (names as in daemon.json), nothing is checked: the file belongs to the user.
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
    """Raise InvalidValue for live restore and the nftables backend in a swarm: dockerd does not start with them."""
    if not in_swarm(info):
        return
    if desired.get("live-restore"):
        raise _invalid("live-restore", True, "is not supported in a swarm, and this host is in one. Remove it")
    if desired.get("firewall-backend") == "nftables":
        raise _invalid(
            "firewall-backend", "nftables", "is not supported in a swarm, and this host is in one. Use iptables"
        )


def _combinations(config: Json, version: Version) -> None:
    if config.get("iptables") is False:
        if config.get("icc") is False:
            raise _invalid("icc", False, "requires iptables: true. Set it, or remove icc")
        if config.get("ip6tables") is True and version < _SETTLED:
            raise _invalid(
                "ip6tables", True, "requires iptables: true on engines before 27.0. Set it, or remove ip6tables"
            )
        if config.get("ip-masq") is True:
            raise _invalid("ip-masq", True, "requires iptables: true. Set it, or remove ip_masq")
    for name in ("bip", "bip6"):
        if config.get("bridge") and config.get(name):
            reason = (
                f"daemon.json names the bridge {config['bridge']}, which has its own address. Declare bridge as well"
            )
            raise _invalid(name, config[name], reason)
    if config.get("ipv6") and version < _SETTLED and not config.get("fixed-cidr-v6"):
        raise _invalid("ipv6", True, "requires fixed_cidr_v6 on engines before 27.0. Set it")
    if config.get("ip6tables") and version < _SETTLED and not config.get("experimental"):
        raise _invalid("ip6tables", True, 'requires "experimental": true in daemon.json on engines before 27.0. Add it')


def _invalid(name: str, value: object, reason: str) -> InvalidValue:
    return InvalidValue(BY_NAME[name].option, value, reason)
