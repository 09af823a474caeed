# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What modules would change, told as what differs."""

from __future__ import annotations

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.drift.deviations import deviations, refusal


def entry(header, before, after):
    return {"before_header": header, "after_header": header, "before": before, "after": after}


@pytest.mark.parametrize(
    ("part", "diff", "found"),
    [
        ("networks", {"before": {}, "after": {}}, []),
        ("host_routes", [], []),
        (
            "networks",
            {
                "before": {"web": {"mtu": "1500"}, "old": {"driver": "bridge"}},
                "after": {"web": {"mtu": "1450"}, "db": {"a": "b"}},
            },
            [("network", "db", "state", "present", None), ("network", "old", "state", None, "present"),
             ("network", "web", "mtu", "1450", "1500")],
        ),
        ("bridge_routing", [entry("/etc/a", "", "x\n")], [("file", "/etc/a", "content", "present", None)]),
        ("bridge_routing", [entry("/etc/a", "y\n", "x\n")], [("file", "/etc/a", "content", "present", "other text")]),
        ("bridge_routing", [entry("/etc/a", "y\n", "")], [("file", "/etc/a", "content", None, "present")]),
        (
            "host_routes",
            [entry("kernel", "routes: missing 10.0.0.0/8 via 192.0.2.1\n", "")],
            [("kernel", "host_routes", "state", None, "routes: missing 10.0.0.0/8 via 192.0.2.1")],
        ),
        (
            "default_bridge",
            [entry("in effect in the daemon", "bip: 172.17.0.1/16\nmtu: 1500\n", "bip: 10.0.0.1/24\nmtu: 1500\n")],
            [("daemon", "bip", "value", "10.0.0.1/24", "172.17.0.1/16")],
        ),
    ],
)  # fmt: skip
def test_one_line_a_difference(part, diff, found):
    assert [tuple(each.values()) for each in deviations({part: {"diff": diff}})] == found


def test_a_plan_that_is_refused_is_a_difference_too():
    assert refusal("networks: no") == {
        "what": "plan", "name": "host", "key": "refused", "declared": None, "observed": "networks: no",
    }  # fmt: skip
