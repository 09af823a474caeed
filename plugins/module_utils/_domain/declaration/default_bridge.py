# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The declared options of the module ``default_bridge``, with the types and checks of the module."""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.check import ANY_VERSION, check_values
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.desired import (
    OPTIONS,
    check_desired,
    desired_state,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.keys import BY_OPTION
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.keys import PREFIX
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import InvalidValue
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.fields import Fields, parse_all

VARIABLE = PREFIX + "default_bridge"
# The plan sets these options of docker0 and of the daemon's pools.
PLANNED = ("bip", "bip6", "default_address_pools", "fixed_cidr_v6")
# How a host restarts its daemon. The consent to it is a variable of its own.
_RESTART = {"restart_timeout": {"type": "int"}, "service": {"type": "str"}}
# What the plan depends on is the same on all hosts: addresses, MTU, the name of the bridge.
FLEET_WIDE = ("allow_overlap", "bridge", "default_gateway", "default_gateway_v6", "default_network_opts", "fixed_cidr",
              "ipv6", "mtu")  # fmt: skip
HOST_VARIABLE = PREFIX + "host_default_bridge"
# Whether docker0 and the pools stay as they are, instead of coming from the host's block. Not an option of the module.
KEEP = "keep"
SPEC = {**{option: spec for option, spec in OPTIONS.items() if option not in PLANNED}, **_RESTART,
        KEEP: {"type": "bool"}}  # fmt: skip
_HINTS = {
    **dict.fromkeys(PLANNED, "comes from the host's block of the supernet. Leave it out."),
    "allow_restart": f"Unknown key; set {PREFIX}allow_restart.",
}


def parse_default_bridge(value: object) -> dict[str, t.Any]:
    """Return the options that are given, by name. Raises InvalidValue, or InvalidValues for several errors."""
    return parse_all(_parse, value, VARIABLE, dict.fromkeys(SPEC))


def parse_host_default_bridge(value: object, host: str) -> dict[str, t.Any]:
    """Return the options of one host, which replace those of the fleet. Raises as :func:`parse_default_bridge`."""
    fixed = dict.fromkeys(FLEET_WIDE, f"is the same on all hosts. Set it in {VARIABLE}.")
    known = [option for option in SPEC if option not in FLEET_WIDE]

    def parse(given: object) -> dict[str, t.Any]:
        fields = Fields(given, HOST_VARIABLE, known, host, {**_HINTS, **fixed})
        config = _read_all(fields)
        for option in config.get("unset", ()):
            if option in fixed:
                raise InvalidValue(fields.at("unset"), option, fixed[option], host)
        return config

    return parse_all(parse, value, HOST_VARIABLE, dict.fromkeys(known))


def with_host(options: t.Mapping[str, t.Any], own: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Return the fleet's options with a host's ``own`` in place of them. What one sets, the other may unset."""
    unset = [option for option in options.get("unset", ()) if option not in own]
    removed = own.get("unset", ())
    merged = {option: value for option, value in {**options, **own}.items() if option not in removed}
    unset += [option for option in removed if option not in unset]
    return {**merged, "unset": unset} if unset else {name: value for name, value in merged.items() if name != "unset"}


def _parse(value: object) -> dict[str, t.Any]:
    return _read_all(Fields(value, VARIABLE, list(SPEC), hints=_HINTS))


def _read_all(fields: Fields) -> dict[str, t.Any]:
    config = {option: _read(fields, option) for option in SPEC if fields.has(option)}
    _check(lambda: desired_state({"unset": [], "allow_overlap": [], **config}), fields)
    daemon_json = {BY_OPTION[option].name: value for option, value in config.items() if option in BY_OPTION}
    _check(lambda: check_values(daemon_json, daemon_json, ANY_VERSION), fields)
    return config


def check_default_bridge(options: t.Mapping[str, t.Any]) -> None:
    """Raise InvalidValue if a host cannot have these options, which include those of the plan."""
    _check(lambda: check_desired(options))


def _check(check: t.Callable[[], object], fields: Fields | None = None) -> None:
    try:
        check()
    except InvalidValue as error:
        path, host = (fields.path, fields.host) if fields else (VARIABLE, None)
        raise InvalidValue(f"{path}.{error.variable}", error.value, error.reason, host) from None


def _read(fields: Fields, option: str) -> t.Any:
    spec = SPEC[option]
    if "choices" in spec:
        return fields.choice(option, spec["choices"])
    if spec["type"] == "list":
        return list(fields.texts(option))
    return {
        "bool": fields.boolean,
        "dict": fields.mapping,
        "int": fields.integer,
        "str": fields.text,
    }[spec["type"]](option)
