# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the reconciler reports about itself."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.reconciler.state import state_warnings

JUMP = "jump\tiptables FORWARD -> FLEETNET-FORWARD\tstate\tpresent\t"


def part(**values: t.Any) -> dict[str, t.Any]:
    return {"repairs": 7, "pause": 4.0, "last": [JUMP], **values}


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({}, []),
        ({"ownership": "owner", "error": None, "parts": {"firewall": part(pause=0.0)}}, []),
        ({"ownership": "owner,persist", "parts": {}}, []),
        # no table is loaded: a host without firewall
        ({"ownership": None}, []),
        ({"ownership": "", "parts": {}}, ["the policy's tables have no owner"]),
        ({"ownership": "owner", "interrupted_run": []}, []),
        ({"ownership": "owner", "interrupted_run": ["x: taken."]}, ["fleetnet-reconciler.service: x: taken."]),
        (
            {"ownership": "", "standby": "[Errno 11] Resource temporarily unavailable", "parts": {}},
            [
                "the policy's tables have no owner, because the second process, which keeps them if the first one is "
                "killed, does not run: [Errno 11] Resource temporarily unavailable. Another program"
            ],
        ),
        ({"ownership": None, "error": "syntax error"}, ["could not be loaded: syntax error"]),
        (
            {"ownership": "owner", "parts": {"firewall": part()}},
            ["repairs of the firewall (7 so far, the last of: jump iptables FORWARD -> FLEETNET-FORWARD is missing)"],
        ),
        ({"ownership": "owner", "parts": {"routes": part(last=["ip: failed"])}}, ["the last of: ip: failed)"]),
    ],
)
def test_warnings(state: dict[str, t.Any], words: list[str]) -> None:
    warnings = state_warnings(state)
    assert len(warnings) == len(words)
    assert all(word in warning for word, warning in zip(words, warnings, strict=True))
