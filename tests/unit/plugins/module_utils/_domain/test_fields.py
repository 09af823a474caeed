# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values of a mapping by their types, and the messages for other values."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.addressing import Prefix
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import InvalidValue
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.fields import Fields, nearest

from .planning import assert_golden, message_of


def fields(value: object) -> Fields:
    return Fields({"key": value}, "item", ("key",), "h1")


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        *(("boolean", value, True) for value in ("yes", "on", "True", "y", "t", "1", 1, True, " true ")),
        *(("boolean", value, False) for value in ("no", "off", "False", "n", "f", "0", 0, False)),
        ("integer", 3, 3),
        ("integer", " +3 ", 3),
        ("integer", "-3", -3),
        ("text", "web", "web"),
        ("text", 123, "123"),
        ("items", (1, 2), [1, 2]),
        ("texts", ["a", 1], ("a", "1")),
        ("mapping", {1: 2}, {"1": 2}),
        ("pairs", {"b": True, "a": 1.5}, (("a", "1.5"), ("b", "true"))),
        ("names", "web", ("web",)),
        ("names", ["web", "db"], ("web", "db")),
        ("prefix", "10.64.0.0/12", Prefix(4, 0x0A400000, 12)),
        ("prefixes", "10.64.0.0/12", [Prefix(4, 0x0A400000, 12)]),
        ("prefixes", ["10.64.0.0/12", "fd00::/8"], [Prefix(4, 0x0A400000, 12), Prefix(6, 0xFD << 120, 8)]),
        ("address", "10.64.0.1", (4, 0x0A400001)),
        ("address", "::1", (6, 1)),
    ],
)
def test_values(kind: str, value: object, expected: object) -> None:
    found = getattr(fields(value), kind)("key")
    assert (found, type(found)) == (expected, type(expected))


DEFAULTS: dict[str, t.Any] = {"items": [], "texts": None, "mapping": {}, "pairs": None, "prefixes": []}
KINDS = ("boolean", "integer", "text", "items", "texts", "mapping", "pairs", "names", "prefix", "prefixes", "address")


@pytest.mark.parametrize("kind", KINDS)
def test_a_missing_key(kind: str) -> None:
    if kind in DEFAULTS:
        assert getattr(fields(None), kind)("key") == DEFAULTS[kind]
    else:
        with pytest.raises(InvalidValue, match="is missing"):
            getattr(fields(None), kind)("key")
    if kind != "prefixes":
        assert getattr(fields(None), kind)("key", None) is None


def test_bounds() -> None:
    for value in (1, "5"):
        assert fields(value).integer("key", low=1, high=5) == int(value)
    assert message_of(lambda: fields(0).integer("key", low=1, high=5)).endswith("must be a whole number from 1 to 5.")
    assert message_of(lambda: fields("6").integer("key", low=1, high=5)).endswith("must be a whole number from 1 to 5.")


def test_aliases() -> None:
    known = {"key": ("alias",)}
    assert Fields({"alias": 1}, "", known).raw("key") == 1
    assert Fields({"alias": 1, "key": 1}, "", known).raw("key") == 1
    assert Fields({"alias": 1, "key": None}, "", known).raw("key") == 1
    assert not Fields({"alias": None}, "", known).has("key")


def test_messages() -> None:
    values: list[object] = [None, True, "", "x", 1, 1.5, [1.5], ["x", ""], {"a": [1]}, {True: 1}, "10.64.0.1/12",
                            "10.64.0.0/255.240.0.0", ["10.0.0.0"], "10.64.0.1/32", "::/0"]  # fmt: skip
    messages: dict[str, dict[str, str]] = {}
    for kind in KINDS:
        for value in values:
            try:
                getattr(fields(value), kind)("key")
            except InvalidValue as error:
                messages.setdefault(kind, {})[repr(value)] = str(error)
    messages["others"] = {
        "choice": message_of(fields("c").choice, "key", ("a", "b")),
        "version": message_of(fields("fd00::/8").prefix, "key", None, 4),
        "no mapping": message_of(Fields, "x", "item", ()),
        "unknown key": message_of(Fields, {"kay": 1}, "item", ("key", "other")),
        "hint": message_of(Fields, {"old": 1}, "", ("key",), None, {"old": "was removed. Use key."}),
        "alias": message_of(Fields, {"alias": 1, "key": 2}, "item", {"key": ("alias",)}),
        "none of few": nearest("x", ["web", "db"]),
        "none of many": nearest("x", [f"network{number:02}" for number in range(22)]),
        "none of no": nearest("x", []),
    }
    assert_golden("fields.yml", messages)
