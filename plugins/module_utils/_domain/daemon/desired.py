# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of module ``default_bridge`` as the daemon is to have them. Pure."""

from __future__ import annotations

import ipaddress
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.keys import BY_OPTION
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.plan import DesiredDaemon
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import InvalidValue


def desired_state(params: dict[str, t.Any]) -> DesiredDaemon:
    """The declared options; InvalidValue for an option that is declared and unset at once, or that does not exist."""
    values = {option: params[option] for option in BY_OPTION if params.get(option) is not None}
    for option in params["unset"]:
        if option not in BY_OPTION:
            raise InvalidValue("unset", option, "there is no such key; it takes names of this module's options")
        if option in values:
            raise InvalidValue("unset", option, f"it is declared as well ({option}: {values[option]!r})")
    if "default_network_opts" in values:
        values["default_network_opts"] = _text_values(values["default_network_opts"])
    for network in params["allow_overlap"]:
        _check_network(network)
    return DesiredDaemon(values, tuple(params["unset"]), tuple(params["allow_overlap"]))


def _check_network(network: str) -> None:
    try:
        ipaddress.ip_network(network)
    except ValueError as error:
        raise InvalidValue("allow_overlap", network, f"it has to be a network ({error})") from None


def _text_values(drivers: dict[str, t.Any]) -> dict[str, dict[str, str]]:
    """dockerd takes only strings as values of driver options, YAML makes numbers and booleans of some."""
    texts: dict[str, dict[str, str]] = {}
    for driver, options in drivers.items():
        if not isinstance(options, dict):
            raise InvalidValue(f"default_network_opts.{driver}", options, "it has to be a mapping of driver options")
        texts[driver] = {
            name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in options.items()
        }
    return texts
