# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of module ``default_bridge`` as the desired state of the daemon. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.check import ANY_VERSION, check_values
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.keys import BY_OPTION, TEXTS, argument_spec
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.observed import Json
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.overlap import check_network
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.own_bridge import own_bridge
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.plan import DesiredDaemon, edits_of
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import InvalidValue

# The options of the module that describe the daemon, as argument spec.
OPTIONS: Json = {
    **argument_spec(),
    "allow_overlap": {**TEXTS, "default": []},
    "unset": {**TEXTS, "default": []},
}


def desired_state(params: dict[str, t.Any]) -> DesiredDaemon:
    """Return the declared options.

    Raises InvalidValue for an option that is both declared and unset, and for a name that is not an option.
    """
    values = {option: params[option] for option in BY_OPTION if params.get(option) is not None}
    for option in params["unset"]:
        if option not in BY_OPTION:
            raise InvalidValue("unset", option, "is not a valid option name")
        if option in values:
            raise InvalidValue("unset", option, f"is also declared ({option}: {values[option]!r}). Remove one of them")
    if "default_network_opts" in values:
        values["default_network_opts"] = _text_values(values["default_network_opts"])
    for network in params["allow_overlap"]:
        check_network(network)
    return DesiredDaemon(values, tuple(params["unset"]), tuple(params["allow_overlap"]))


def check_desired(params: t.Mapping[str, t.Any]) -> None:
    """Raise InvalidValue for options (by name) that no host accepts, whatever its engine and its daemon.json."""
    desired = desired_state({"unset": [], "allow_overlap": [], **params})
    edits, _removed = edits_of(desired, own_bridge(desired.values))
    check_values(edits, edits, ANY_VERSION)


def _text_values(drivers: dict[str, t.Any]) -> dict[str, dict[str, str]]:
    """dockerd accepts only strings as values of driver options; YAML reads some as numbers and booleans."""
    texts: dict[str, dict[str, str]] = {}
    for driver, options in drivers.items():
        if not isinstance(options, dict):
            raise InvalidValue(f"default_network_opts.{driver}", options, "must be a mapping of driver options")
        texts[driver] = {
            name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in options.items()
        }
    return texts
