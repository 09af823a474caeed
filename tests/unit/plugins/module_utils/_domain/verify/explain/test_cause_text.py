# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Causes as sentences, and what to do about them. Only these tests pin the words."""

from __future__ import annotations

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain import cause_text, remedies
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.cause import (
    Cause,
    CauseKind,
)

from ...planning import assert_golden
from .cause_cases import CAUSES, OUT, ROUTES, SPECIFIC, TO, C


@pytest.mark.parametrize(("cause", "sentence"), CAUSES, ids=lambda value: getattr(value, "kind", None))
def test_causes(cause, sentence):
    assert cause_text.sentence(cause) == f"h1: {sentence}"


def test_every_kind_of_cause_is_covered():
    assert {cause.kind for cause, _sentence in CAUSES} == set(CauseKind)


def test_several_causes_are_joined():
    down, gone = CAUSES[3][0], CAUSES[0][0]
    assert cause_text.explanation([down, gone]) == f"{cause_text.sentence(down)}; {cause_text.sentence(gone)}"
    assert cause_text.explanation([]) is None


def test_golden_remedies():
    """What to do about each cause. Read it as a user does: is it true, and is the command harmless?"""
    found = [{"cause": cause_text.sentence(cause), "remedy": remedies.remedy(cause)} for cause, _text in CAUSES]
    assert_golden("remedies.yml", found)


@pytest.mark.parametrize(
    ("cause", "command"),
    [
        (Cause(C.INTERFACE_DOWN, "h1", {"container": None, "interface": "a;reboot"}), "dev 'a;reboot' up"),
        (Cause(C.NO_DNS_RULES, "h1", {"container": "$(reboot)"}), "docker restart '$(reboot)'"),
        (
            Cause(C.PORTS_ISOLATED, "h1", {"bridge": "b", "interfaces": ["{x}`y`", "z"]}),
            "set dev '{x}`y`' isolated off",
        ),
        (
            Cause(C.DROPPING_ROUTE, "h1", {**TO, "type": "x", "route": {**SPECIFIC, "device": "{e}&"}}),
            "dev '{e}&' table 77",
        ),
    ],
)
def test_names_in_commands_are_quoted(cause, command):
    assert command in remedies.remedy(cause)


def test_no_remedy_deletes_a_default_route():
    route = {**SPECIFIC, "destination": "0.0.0.0/0", "table": 254}
    assert remedies.remedy(Cause(C.WRONG_NEXT_HOP, "h1", {**OUT, "route": route})) == remedies.SITE
    # It replaces a route to the same destination, of which this may be one of several next hops.
    route = {**SPECIFIC, "destination": "10.64.16.0/20"}
    assert remedies.remedy(Cause(C.WRONG_NEXT_HOP, "h1", {**OUT, "route": route}, None, ROUTES)) == remedies.SITE
