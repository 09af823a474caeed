# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options that return a host to a generation. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.keys import BY_OPTION
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import InvalidValue
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.generations.generation import Generation, Options

_DAEMON = "default_bridge"
_UNSET = "unset"


def find(number: int, generations: t.Sequence[Generation]) -> Generation:
    """The generation with this number. Raises InvalidValue if the host does not have it."""
    for each in generations:
        if each.number == number:
            return each
    known = ", ".join(str(each.number) for each in generations) or "none"
    raise InvalidValue("generation", number, f"is not a generation of this host. It has: {known}")


def restoring_options(
    target: Generation, generations: t.Iterable[Generation], given: t.Mapping[str, Options]
) -> dict[str, Options]:
    """The options that return a host to ``target``; ``given`` are the consents of this run.

    ``generations`` are those of the host. The keys of daemon.json that a newer one sets, and the target does not, get
    the values that they had then.
    """
    options = {part: {**recorded, **given.get(part, {})} for part, recorded in target.options.items()}
    daemon = options.get(_DAEMON)
    if daemon is None:
        return options
    unset = set(daemon.get(_UNSET) or ())
    newer = {key for each in generations if each.number > target.number for key in _keys(each)}
    for key in newer - _keys(target):
        if key in target.daemon:
            daemon[key] = target.daemon[key]
        else:
            unset.add(key)
    if unset:
        daemon[_UNSET] = sorted(unset)
    return options


def _keys(generation: Generation) -> set[str]:
    """The keys of daemon.json that the generation sets or removes, as options."""
    daemon = generation.options.get(_DAEMON, {})
    return {key for key in daemon if key in BY_OPTION} | set(daemon.get(_UNSET) or ())
