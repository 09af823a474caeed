# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fleets and their pages, for the tests in a browser."""

from __future__ import annotations

import time

from ansible_collections.fleetnet.docker.plugins.action import fleet_topology
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.topology.build import build
from ansible_collections.fleetnet.docker.plugins.plugin_utils import graph_library

from ..unit.plugins.module_utils._domain.topology.fleets import Fleet, damaged, shop

HOSTILE = "<img src=x onerror=\"document.title='broken'\">"


def damaged_with_a_stopped_container():
    fleet = damaged()
    verdicts, coverage = fleet.verdicts(), fleet.coverage()
    fleet.stop_container("h1", "web-1")
    fleet.container("h3", "web-1")["ports"] = [
        {"port": 80, "protocol": "tcp", "host_address": "0.0.0.0", "host_port": 8080}
    ]
    fleet.container("h3", "web-2")["name"] = HOSTILE
    return fleet, verdicts, coverage


def large_and_damaged():
    fleet = Fleet(hosts=30, containers=10)
    fleet.delete_route("h7", towards="h12")
    fleet.remove_network("h20", "db")
    fleet.add_network("h3", "compose_default", "172.20.0.0/16")
    del fleet.reports["h25"]
    return fleet, fleet.verdicts(most=1), fleet.coverage(most=1)


def sound():
    fleet = Fleet()
    return fleet, fleet.verdicts(), fleet.coverage()


def large():
    fleet = Fleet(hosts=30, containers=10)
    return fleet, fleet.verdicts(most=1), fleet.coverage(most=1)


def shop_of_three():
    fleet = shop(3)
    return fleet, fleet.verdicts(most=1), fleet.coverage(most=1)


def large_shop():
    """Thirty hosts with ten networks each, and failures."""
    fleet = shop(30)
    fleet.delete_route("h7", towards="h12")
    fleet.leak("h1", "h2")
    fleet.add_network("h3", "compose_default", "172.20.0.0/16")
    return fleet, fleet.verdicts(1, 3000), fleet.coverage(1, 3000)


def leaking_into_an_undeclared_network():
    """Of two undeclared networks, one has a container that a declared network reaches."""
    fleet = Fleet()
    end = {"ipv6": None, "mac": None, "gateway": None, "ipv6_gateway": None, "aliases": []}
    for host, network, subnet in (("h1", "compose_default", "172.20.0"), ("h2", "other_default", "172.21.0")):
        fleet.add_network(host, network, f"{subnet}.0/16")
        attached = {**end, "network": network, "ipv4": f"{subnet}.2/16"}
        fleet.reports[host]["containers"].append(
            {"name": "foreign", "id": "0" * 64, "pid": 1, "mode": "user-defined", "networks": [attached]}
        )
    verdicts = fleet.verdicts()
    target = {"host": "h1", "container": "foreign", "network": "compose_default", "address": "172.20.0.2"}
    verdicts.append({**verdicts[0], "target": {**target, "kind": "undeclared"}, "intended": False, "kind": "leak",
                     "problem": "passes"})  # fmt: skip
    return fleet, verdicts, fleet.coverage()


def not_verified():
    return shop(3), None, None


class Page:
    """A page of a fleet in the browser; ``noise`` has its console messages and network requests."""

    def __init__(self, browser, path, view="drawing", width=1500):
        self.noise = []
        self.tab = browser.new_page(viewport={"width": width, "height": 950}, offline=True)
        self.tab.on("console", self._listen)
        self.tab.on("pageerror", lambda error: self.noise.append(str(error)))
        self.tab.on("request", lambda request: self._request(request.url))
        self.tab.goto(path.as_uri())
        if view == "drawing":
            self.tab.click("#view-drawing")

    def _listen(self, message):
        # The React component of Cytoscape.js always sets the wheel sensitivity, and Cytoscape.js warns about it.
        if not message.text.startswith("You have set a custom wheel sensitivity"):
            self.noise.append(message.text)

    def _request(self, url):
        if not url.startswith(("file:", "data:", "blob:")):
            self.noise.append(f"requested {url}")

    def wait_until(self, expression, holds, seconds=30):
        """Wait until ``holds`` accepts the value of an expression.

        Playwright's own wait evaluates text within the page, if it does not hold at once, and the page's Content
        Security Policy forbids that.
        """
        deadline = time.monotonic() + seconds
        while not holds(value := self.tab.evaluate(expression)):
            assert time.monotonic() < deadline, f"{expression} is {value!r} after {seconds} s"
            self.tab.wait_for_timeout(50)

    def drawn(self, kind):
        """Return the names of the drawn nodes, as host/network/container."""
        return set(self.tab.evaluate(f"cy.nodes('.{kind}').map((node) => node.id().replace(/^[a-z]+./, ''))"))

    def look(self, node_id):
        """Return the fill, line colour, line style and shape of a drawn node."""
        return self.tab.evaluate(
            """(id) => ["background-color", "border-color", "border-style", "shape"]
            .map((key) => cy.getElementById(id).style(key))""",
            node_id,
        )

    def click(self, node_id):
        """Click on a node where it is drawn, near its lower left corner."""
        place = self.tab.evaluate(
            """(id) => { const box = cy.getElementById(id).renderedBoundingBox({ includeLabels: false });
            const frame = cy.container().getBoundingClientRect();
            return [frame.x + box.x1 + 8, frame.y + box.y2 - 8]; }""",
            node_id,
        )
        self.tab.mouse.click(*place)

    @property
    def details(self):
        return self.tab.inner_text("#details")


def page_text(fleet_of, with_policy=True, show_undeclared=False):
    fleet, verdicts, coverage = fleet_of()
    topology = build(
        fleet.hosts, fleet.peers, fleet.reports, verdicts, "2026-01-02 03:04 UTC", coverage=coverage,
        policy=fleet.policy if with_policy else None,
    )  # fmt: skip
    return fleet_topology.render("html", topology, graph_library.scripts(), show_undeclared)
