# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which differences belong to the host, and which to its networks."""

from __future__ import annotations

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.drift.difference import Difference
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.drift.drawn import Drift, drift_of


def result(*differences):
    return {"differences": [each.to_data() for each in differences]}


def test_differences_are_sorted_by_what_they_are_drawn_at():
    mtu = Difference("network", "web", "mtu", "1450", "1500")
    old = Difference("network", "old", "state", None, "present")
    created = Difference("network", "db", "state", "present", None)
    bip = Difference("daemon", "bip", "value", "10.64.0.1/24", None)
    file = Difference("file", "/etc/docker/daemon.json", "content", "as planned", "different")
    switch = Difference("sysctl", "net.ipv4.ip_forward", "value", "1", "0")
    route = Difference("route", "10.64.16.0/20 via 192.0.2.2", "state", "present", None)
    unit = Difference("unit", "fleetnet-reconciler.service", "state", "enabled and active", None)
    parts = {
        "default_bridge": result(bip, file),
        "bridge_routing": result(switch),
        "networks": result(mtu, old, created),
        "host_routes": result(route, unit),
    }
    assert drift_of(parts) == Drift([switch, unit], {"bridge": [bip, file], "web": [mtu], "old": [old]})


def test_a_host_without_differences():
    assert drift_of({}) == drift_of({"networks": {"changed": False}}) == Drift()
