# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Compare declared values with those that the running daemon has in effect."""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.config import same
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.keys import Key, default_of
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.observed import (
    UNKNOWN,
    ObservedDaemon,
    Unknown,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.readable import UNEXPECTED_FORM


def value_in_effect(key: Key, observed: ObservedDaemon) -> t.Any:
    """Return the value of ``key`` in the running daemon, in daemon.json's form, or UNKNOWN.

    Sources, in this order: the engine and the kernel; the configuration that the daemon read at its start; the engine's
    default.
    """
    value = _reported(key, observed)
    if not isinstance(value, Unknown):
        return value
    if observed.startup is None:
        return UNKNOWN
    return observed.startup.get(key.name, default_of(key, observed.version))


def _reported(key: Key, observed: ObservedDaemon) -> t.Any:
    """What engine and kernel report; UNKNOWN if it cannot be read.

    Engine 28.5 reports its address pools as "invalid Prefix" after a reload.
    """
    try:
        value = key.in_effect(observed)
        if value is not None and not isinstance(value, Unknown):
            key.normalize(value)
    except UNEXPECTED_FORM:
        return UNKNOWN
    return value


def equal(key: Key, one: t.Any, other: t.Any) -> bool:
    """Whether two values of ``key`` mean the same to dockerd. UNKNOWN equals nothing."""
    if isinstance(one, Unknown) or isinstance(other, Unknown):
        return False
    return same(key.normalize(one), key.normalize(other))
