# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What modules say in check mode, in words."""

from __future__ import annotations

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.drift.preview import change_lines, report_lines


def entry(header, before, after):
    return {"before_header": header, "after_header": header, "before": before, "after": after}


RESULTS = {
    "no change": ({"changed": False, "operations": []}, []),
    "operations": ({"changed": True, "operations": ["create network web"]}, ["create network web"]),
    "containers that are interrupted": (
        {"changed": True, "operations": ["restart docker.service"], "interrupted": ["shop"]},
        ["restart docker.service", "interrupt container shop"],
    ),
    "containers that are disconnected": (
        {
            "changed": True,
            "operations": ["recreate network web"],
            "interrupted": [{"network": "web", "container": "a"}],
        },
        ["recreate network web", "disconnect container a from network web for a moment"],
    ),
    "a new file": ({"changed": True, "diff": [entry("/etc/a", "", "x\ny\n")]}, ["create /etc/a (2 lines)"]),
    "a file": ({"changed": True, "diff": [entry("/etc/a", "x\ny\n", "x\nz\n+\n")]}, ["change /etc/a (+2 -1 lines)"]),
    "a file that goes": ({"changed": True, "diff": entry("/etc/a", "x\n", "")}, ["remove /etc/a"]),
    "the kernel": (
        {"changed": True, "diff": [entry("kernel", "routes: missing x\n", "")]},
        ["put right: routes: missing x"],
    ),
    "nothing told": ({"changed": True}, ["something that the module does not tell"]),
    "a failure": ({"failed": True, "msg": "no consent\nto a"}, ["would fail: no consent", "to a"]),
    "a host that is away": ({"unreachable": True, "msg": "no route"}, ["cannot be reached: no route"]),
}


@pytest.mark.parametrize("name", RESULTS)
def test_change_lines(name):
    result, lines = RESULTS[name]
    assert change_lines(result) == lines


def test_hosts_to_which_the_same_happens_are_told_together():
    assert report_lines({"h1": ["a"], "h2": [], "h3": ["a"], "h4": []}) == [
        "What would change",
        "",
        "  h1, h3:",
        "    a",
        "",
        "  h2, h4:",
        "    nothing",
    ]
