# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The drawing of the real fleet: as declared, and after manual changes. tests/browser tests its
appearance."""

from __future__ import annotations

import concurrent.futures
import json
import subprocess

import pytest
import testinfra

from .expected import ADOPTED, FLEET

# It would repair the route before it is drawn.
RECONCILER = "fleetnet-reconciler.service"


@pytest.fixture(scope="module")
def draw(inventory, tmp_path_factory):
    """Draws the fleet; returns its nodes and edges by id."""

    def run():
        folder = tmp_path_factory.mktemp("drawn")
        command = ["ansible-playbook", "--inventory", inventory, "fleetnet.docker.topology"]
        done = subprocess.run(
            [*command, "-e", f"docker_fleet_report_dir={folder}"], check=False, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr
        assert (folder / "topology.html").stat().st_size > 500_000  # the graph library is in it
        document = json.loads((folder / "topology.json").read_text())
        return {item["id"]: item for item in [*document["nodes"], *document["edges"]]}

    return run


@pytest.fixture(scope="module")
def drawn(draw):
    """The drawing of the fleet as declared."""
    return draw()


@pytest.fixture(scope="module")
def drawn_damaged(inventory, draw, drawn):  # noqa: ARG001  drawn before the damage
    """The deleted route of each host, and the drawing: on each, a route is deleted and a network created manually."""
    hosts = {name: testinfra.get_host(f"ansible://{name}", ansible_inventory=inventory) for name in FLEET}
    names = list(FLEET)
    lost = {name: FLEET[names[(number + 1) % len(names)]].block for number, name in enumerate(names)}
    routes = {name: hosts[name].check_output("ip route show proto 213 %s", lost[name]).strip() for name in names}

    def damage(name):
        hosts[name].check_output(
            f"systemctl stop {RECONCILER} && ip route del {routes[name]} proto 213 && "
            f"docker network create by_hand_{name}"
        )

    def repair(name):
        hosts[name].check_output(
            f"docker network rm by_hand_{name} && ip route replace {routes[name]} proto 213 && "
            f"systemctl start {RECONCILER}"
        )

    with concurrent.futures.ThreadPoolExecutor(len(names)) as pool:
        try:
            list(pool.map(damage, names))
            items = draw()
            for name in names:  # drawing repairs nothing
                assert lost[name] not in hosts[name].check_output("ip route show proto 213")
            yield lost, items
        finally:
            list(pool.map(repair, names))


def test_each_host_is_drawn_as_observed(drawn, me, others):
    name, items = me.name, drawn
    networks = [f"network/{name}/{network}" for network in ("bridge", "web", "db", ADOPTED)]
    for place in (f"host/{name}", f"underlay/{name}", *networks):
        assert items[place]["state"] == "as_declared", items[place]
    for name_of_container, network in (("web", "web"), ("db", "db"), ("shop", ADOPTED)):
        container = items[f"container/{name}/{name_of_container}"]
        assert container["parent"] == f"network/{name}/{network}"
    routes = [item for item in items.values() if item["kind"] == "route" and item["source"] == f"host/{name}"]
    assert {route["label"] for route in routes} == {block for other in others for block in (other.block, other.kept)}
    assert {route["state"] for route in routes} == {"as_declared"}
    assert me.block not in {route["label"] for route in routes}


def test_damage_is_drawn_at_the_damaged_host(drawn_damaged, me):
    lost, items = drawn_damaged
    wrong = {place: item["state"] for place, item in items.items() if item["wrong"] or item["state"] == "undeclared"}
    # the damage of every host, each at its own host only
    assert wrong == {
        place: state
        for name in FLEET
        for place, state in (
            (f"host/{name}", "drifted"),
            (f"route/{name}/{lost[name]}", "missing"),
            (f"network/{name}/by_hand_{name}", "undeclared"),
        )
    }
    assert [(each["kind"], each["name"]) for each in items[f"host/{me.name}"]["drift"]] == [("unit", RECONCILER)]
