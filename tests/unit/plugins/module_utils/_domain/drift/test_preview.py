# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tasks in check mode would change, as text."""

from __future__ import annotations

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.drift.difference import Difference
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.drift.preview import change_lines, report_lines
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.answer import documented_part
from ansible_collections.fleetnet.docker.plugins.plugin_utils.return_documentation import documentation_of


def changed(*differences, **more):
    return {"changed": True, "differences": [Difference(*each).to_data() for each in differences], **more}


RESULTS = {
    "no change": ({"changed": False, "operations": []}, []),
    "operations": ({"changed": True, "operations": ["create network web"]}, ["create network web"]),
    "operations instead of differences": (
        changed(("network", "web", "state", "present", None), operations=["create network web (bridge)"]),
        ["create network web (bridge)"],
    ),
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
        ["recreate network web", "briefly disconnect container a from network web"],
    ),
    "a new file": (changed(("file", "/etc/a", "state", "present", None)), ["create /etc/a"]),
    "a file": (changed(("file", "/etc/a", "content", "as planned", "different")), ["update /etc/a"]),
    "a file that is removed": (changed(("file", "/etc/a", "state", None, "present")), ["remove /etc/a"]),
    "a route": (
        changed(("route", "10.0.0.0/8 via 192.0.2.1", "state", "present", None)),
        ["create route 10.0.0.0/8 via 192.0.2.1"],
    ),
    "a sysctl": (
        changed(("sysctl", "net.ipv4.ip_forward", "value", "1", "0")),
        ["change sysctl net.ipv4.ip_forward from 0 to 1"],
    ),
    "an option": (changed(("network", "web", "mtu", 1450, None)), ["change network web: mtu from none to 1450"]),
    "a unit": (
        changed(("unit", "fleetnet-firewall.service", "state", "enabled and active", None)),
        ["enable and start unit fleetnet-firewall.service"],
    ),
    "a unit that is removed": (
        changed(("unit", "fleetnet-firewall.service", "state", None, "enabled and active")),
        ["remove unit fleetnet-firewall.service"],
    ),
    "a jump": (
        changed(("jump", "FLEETNET-FORWARD", "position", "first rule", "different")),
        ["move jump FLEETNET-FORWARD: first rule"],
    ),
    "parts": (
        {
            "changed": True,
            "parts": {
                "networks": {"changed": True, "operations": ["create network web"]},
                "host_routes": changed(("file", "/etc/a", "state", "present", None)),
            },
            "operations": ["create network web"],
        },
        ["create network web", "create /etc/a"],
    ),
    "an undescribed change": ({"changed": True}, ["a change that the module does not describe"]),
    "a failure": ({"failed": True, "msg": "no consent\nto a"}, ["would fail: no consent", "to a"]),
    "a failure of a host that is named": (
        {"failed": True, "msg": "host h1: no consent\n  to a"},
        ["would fail: no consent", "  to a"],
    ),
    "a failure whose message is empty": (
        {"failed": True, "msg": "host h1:  \n  "},
        ["would fail: no reason given"],
    ),
    "an unreachable host": ({"unreachable": True, "msg": "no route"}, ["unreachable: no route"]),
}


@pytest.mark.parametrize("name", RESULTS)
def test_change_lines(name):
    result, lines = RESULTS[name]
    assert change_lines(result, "h1") == lines


def test_diff_is_never_read():
    result = changed(("file", "/etc/a", "state", "present", None), diff=[{"before_header": "/etc/b", "before": "x"}])
    assert change_lines(result, "h1") == ["create /etc/a"]


def test_hosts_with_the_same_changes_share_an_entry():
    assert report_lines({"h1": ["a"], "h2": [], "h3": ["a"], "h4": []}) == [
        "Changes",
        "",
        "  h1, h3:",
        "    a",
        "",
        "  h2, h4:",
        "    none",
    ]


def test_a_host_cannot_forge_the_entry_of_another_host():
    """What the module of a host returns passes the boundary, which escapes line breaks in structures."""
    forged = "create network web\n\n  h1:\n    none"
    part = {"changed": True, "operations": [forged], "interrupted": [], "differences": []}
    given = {"changed": True, "parts": {"networks": part}, "operations": [forged], "interrupted": [], "differences": []}
    kept = documented_part(given, documentation_of("host_slice")).kept
    assert change_lines(kept, "h3") == [r"create network web\n\n  h1:\n    none"]
