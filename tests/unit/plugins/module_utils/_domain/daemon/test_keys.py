# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table of keys is complete and consistent."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon import reported, values
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.keys import (
    BRIDGE,
    BY_NAME,
    BY_OPTION,
    DAEMON,
    KEYS,
    OLDEST,
    RELOAD,
    RESTART,
    Key,
    default_of,
)

NEWEST = (29, 0)
TYPES: dict[str, tuple[type, ...]] = {"str": (str,), "int": (int,), "bool": (bool,), "list": (list,), "dict": (dict,)}
LISTS = {values.as_list, values.as_pools}


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.name)
def test_a_key_is_consistent(key: Key) -> None:
    kind = key.spec["type"]
    assert key.scope in (BRIDGE, DAEMON)
    assert key.apply in (RESTART, RELOAD)
    assert OLDEST <= key.since <= NEWEST
    for version in (key.since, NEWEST):
        default = default_of(key, version)
        assert default is None or isinstance(default, TYPES[kind])
        if default is not None:
            key.check(key.option, default, {})
            key.normalize(default)
    assert (key.normalize in LISTS) == (kind == "list")
    assert (key.normalize in (values.as_text, values.as_address)) == (kind == "str")
    # dockerd's flags for several values are mostly named in the singular.
    assert (key.flag is not None) == (kind in ("list", "dict"))
    if key.decides_subnet or key.of_interface:
        assert key.scope == BRIDGE
        assert key.normalize is values.as_address
        assert key.in_effect is not reported.nowhere


def test_no_key_is_listed_twice() -> None:
    assert len(BY_OPTION) == len(BY_NAME) == len(KEYS)


def test_a_key_without_a_required_field_is_an_error() -> None:
    incomplete: t.Any = Key
    with pytest.raises(TypeError, match="normalize"):
        incomplete("mtu", BRIDGE, {"type": "int"}, None, reported.nowhere, values.anything)


def test_defaults_depend_on_the_engine() -> None:
    assert not default_of(BY_OPTION["ip6tables"], (26, 1))
    assert default_of(BY_OPTION["ip6tables"], (27, 0))
