# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The drawing of the real fleet: as declared, and after manual changes. tests/browser tests its
appearance."""

from __future__ import annotations

import json
import subprocess

import pytest

# Otherwise the timer, or the service that it has just started, would repair the route before it is drawn.
TIMER = "fleetnet-routes-reassert.timer"
QUIET = f"systemctl stop {TIMER} && systemctl stop fleetnet-routes-reassert.service"


@pytest.fixture
def draw(inventory, tmp_path):
    """Draws the fleet; returns its nodes and edges by id."""

    def run():
        command = ["ansible-playbook", "--inventory", inventory, "fleetnet.docker.topology"]
        subprocess.run([*command, "-e", f"docker_fleet_report_dir={tmp_path}"], check=True, capture_output=True)
        assert (tmp_path / "topology.html").stat().st_size > 500_000  # the graph library is in it
        document = json.loads((tmp_path / "topology.json").read_text())
        return {item["id"]: item for item in [*document["nodes"], *document["edges"]]}

    return run


@pytest.fixture
def damaged(host):
    """Delete a route and create a network manually; undo both after the test."""
    route = host.check_output("ip route show proto 213").splitlines()[0].strip()
    host.check_output(f"{QUIET} && ip route del {route} proto 213 && docker network create by_hand")
    yield route.split()[0]
    host.check_output(f"docker network rm by_hand && ip route replace {route} proto 213 && systemctl start {TIMER}")


def test_each_host_is_drawn_as_observed(host, draw, me, others):
    name = host.backend.get_hostname()
    items = draw()
    networks = [f"network/{name}/{network}" for network in ("bridge", "web", "db")]
    for place in (f"host/{name}", f"underlay/{name}", *networks):
        assert items[place]["state"] == "as_declared", items[place]
    for network in ("web", "db"):
        container = items[f"container/{name}/{network}"]
        assert container["parent"] == f"network/{name}/{network}"
    routes = [item for item in items.values() if item["kind"] == "route" and item["source"] == f"host/{name}"]
    assert {route["label"] for route in routes} == {other.block for other in others}
    assert {route["state"] for route in routes} == {"as_declared"}
    assert me.block not in {route["label"] for route in routes}


def test_damage_is_drawn_at_the_damaged_host(host, draw, damaged):
    name = host.backend.get_hostname()
    items = draw()
    wrong = {place: item["state"] for place, item in items.items() if item["wrong"] or item["state"] == "undeclared"}
    assert wrong == {
        f"host/{name}": "drifted",
        f"route/{name}/{damaged}": "missing",
        f"network/{name}/by_hand": "undeclared",
    }
    assert damaged not in host.check_output("ip route show proto 213")  # the check repaired nothing
    assert [(each["kind"], each["name"]) for each in items[f"host/{name}"]["drift"]] == [("unit", TIMER)]
