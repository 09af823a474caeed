# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Use of the page: styles, search, filters, clicks, print; and that Graphviz draws its format."""

from __future__ import annotations

import json
import subprocess

import pytest

from ansible_collections.fleetnet.docker.plugins.action import fleet_topology
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.topology import dot
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.topology.build import build
from ansible_collections.fleetnet.docker.plugins.plugin_utils import graph_library

from ..unit.plugins.module_utils._domain.topology.fleets import Fleet, damaged

HOSTILE = "<img src=x onerror=\"document.title='broken'\">"


def damaged_with_a_stopped_container():
    fleet = damaged()
    verdicts = fleet.verdicts()
    fleet.stop_container("h1", "web-1")
    fleet.container("h3", "web-1")["ports"] = [
        {"port": 80, "protocol": "tcp", "host_address": "0.0.0.0", "host_port": 8080}
    ]
    fleet.container("h3", "web-2")["name"] = HOSTILE
    return fleet, verdicts


def large_and_damaged():
    fleet = Fleet(hosts=30, containers=10)
    fleet.delete_route("h7", towards="h12")
    fleet.remove_network("h20", "db")
    fleet.add_network("h3", "compose_default", "172.20.0.0/16")
    del fleet.reports["h25"]
    return fleet, fleet.verdicts(most=1)


def sound():
    fleet = Fleet()
    return fleet, fleet.verdicts()


def large():
    fleet = Fleet(hosts=30, containers=10)
    return fleet, fleet.verdicts(most=1)


class Page:
    """A page of a fleet in the browser; ``noise`` has its console messages and network requests."""

    def __init__(self, browser, path):
        self.noise = []
        self.tab = browser.new_page(viewport={"width": 1500, "height": 950}, offline=True)
        self.tab.on("console", self._listen)
        self.tab.on("pageerror", lambda error: self.noise.append(str(error)))
        self.tab.on("request", lambda request: self._request(request.url))
        self.tab.goto(path.as_uri())

    def _listen(self, message):
        # The React component of Cytoscape.js always sets the wheel sensitivity, and Cytoscape.js warns about it.
        if not message.text.startswith("You have set a custom wheel sensitivity"):
            self.noise.append(message.text)

    def _request(self, url):
        if not url.startswith(("file:", "data:", "blob:")):
            self.noise.append(f"requested {url}")

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


@pytest.fixture(scope="session", name="pages")
def _pages(tmp_path_factory):
    """Return the paths of pages by fleet, each written once."""
    made = {}

    def page(fleet_of):
        if fleet_of not in made:
            fleet, verdicts = fleet_of()
            topology = build(fleet.hosts, fleet.peers, fleet.reports, verdicts, "2026-01-02 03:04 UTC")
            made[fleet_of] = tmp_path_factory.mktemp("page") / "topology.html"
            made[fleet_of].write_text(
                fleet_topology.render("html", topology, graph_library.scripts()), encoding="utf-8"
            )
        return made[fleet_of]

    return page


@pytest.fixture(name="open_page")
def _open_page(browser, pages):
    opened = []

    def open_page(fleet_of):
        opened.append(Page(browser, pages(fleet_of)))
        return opened[-1]

    yield open_page
    for page in opened:
        assert page.noise == []
        page.tab.close()


@pytest.mark.parametrize("fleet_of", [sound, damaged_with_a_stopped_container, large, large_and_damaged])
def test_it_opens_without_errors_and_shows_everything(open_page, pictures, fleet_of):
    page = open_page(fleet_of)
    fleet, _verdicts = fleet_of()
    assert page.drawn("host") == set(fleet.hosts)
    running = {f"{host}/{item['name']}" for host, report in fleet.reports.items() for item in report["containers"]}
    assert running <= page.drawn("container")
    page.tab.screenshot(path=pictures / f"{fleet_of.__name__}.png")


@pytest.mark.parametrize("fleet_of", [sound, damaged_with_a_stopped_container, large, large_and_damaged])
def test_boxes_lie_in_their_parents_and_overlap_nothing(open_page, fleet_of):
    wrong = open_page(fleet_of).tab.evaluate(
        """() => {
        const box = (node) => { const at = node.position(), w = node.width() / 2, h = node.height() / 2;
            return [at.x - w, at.y - h, at.x + w, at.y + h]; };
        const nodes = cy.nodes(".host, .network, .container").map((node) => [byId.get(node.id()), box(node)]);
        const found = [];
        const boxes = new Map(nodes.map(([item, at]) => [item.id, at]));
        for (const [item, a] of nodes) {
            const p = boxes.get(item.parent);
            if (p && (a[0] < p[0] || a[1] < p[1] || a[2] > p[2] || a[3] > p[3])) found.push(`${item.id} is outside`);
            for (const [other, b] of nodes) {
                if (item.id < other.id && item.parent === other.parent
                    && a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3]) found.push([item.id, other.id]);
            }
        }
        return found; }"""
    )
    assert wrong == []


@pytest.mark.parametrize("fleet_of", [sound, damaged_with_a_stopped_container, large_and_damaged])
def test_labels_fit_into_their_boxes(open_page, fleet_of):
    wrong = open_page(fleet_of).tab.evaluate(
        """() => { const pen = document.createElement("canvas").getContext("2d");
        return cy.nodes(".host, .network, .container, .title").filter((node) => {
            const weight = node.hasClass("title") ? node.style("font-weight") : "normal";
            pen.font = `${weight} ${node.style("font-size")} ${node.style("font-family")}`;
            return node.data("text").split("\\n").some((line) => pen.measureText(line).width > node.width());
        }).map((node) => node.data("text")); }"""
    )
    assert wrong == []


def test_each_state_has_its_own_style(open_page):
    page = open_page(damaged_with_a_stopped_container)
    looks = {
        "as declared": page.look("network/h1/web"),
        "missing": page.look("network/h3/db"),
        "not declared": page.look("network/h1/compose_default"),
        "drifted": page.look("network/h2/web"),
    }
    assert len({look[1] for look in looks.values()}) == 4  # by colour
    assert {name: look[2] for name, look in looks.items()} == {  # and by line style
        "as declared": "solid", "missing": "dashed", "not declared": "dotted", "drifted": "double"
    }  # fmt: skip
    texts = page.tab.evaluate("cy.nodes('.network').map((node) => node.data('text').split('\\n')[0])")
    assert {"∅ db (fn-db) (missing)", "≠ web (fn-web) (drifted)"} <= set(texts)
    assert page.look("container/h2/db-1")[3] == "cut-rectangle"  # some of its probes failed
    assert page.look("container/h1/web-1")[2] == "dashed"  # it was probed, and no longer runs
    lines = page.tab.evaluate(
        """cy.edges(".probe").map((edge) => [edge.style("line-style"), edge.style("target-arrow-shape"),
        edge.data("all")[0]])"""
    )
    assert {tuple(line) for line in lines} == {("solid", "tee", "✗"), ("dashed", "triangle", "!")}


def test_a_fleet_as_declared_is_green(open_page):
    page = open_page(sound)
    assert page.look("container/h1/web-1")[0] == "rgb(231,246,236)"
    assert page.tab.evaluate("cy.edges('.probe').length") == 0
    assert page.tab.locator("#summary .wrong").count() == 0


def test_search_finds_a_container_and_shows_it(open_page, pictures):
    page = open_page(large)
    before = page.tab.evaluate("cy.zoom()")
    page.tab.fill("#search", "10.64.161.4")  # a container of h11
    assert page.tab.inner_text("#found") == "1 found"
    assert page.tab.evaluate("cy.nodes('.hit').map((node) => node.id())") == ["container/h11/web-3"]
    assert page.tab.evaluate("cy.zoom()") > before
    seen, whole = page.tab.evaluate(
        """[cy.getElementById("container/h11/web-3").renderedPosition(), { x: cy.width(), y: cy.height() }]"""
    )
    assert 0 < seen["x"] < whole["x"]
    assert 0 < seen["y"] < whole["y"]
    page.tab.screenshot(path=pictures / "search.png")
    page.tab.press("#search", "Enter")
    assert page.details.startswith("web-3\n")
    page.tab.fill("#search", "no such thing")
    assert page.tab.inner_text("#found") == "0 found"
    page.tab.fill("#search", "")
    assert page.tab.evaluate("cy.nodes('.faded').length") == 0


def test_zoom_in_out_and_fit(open_page):
    page = open_page(large)
    page.tab.click("#fit")
    whole = page.tab.evaluate("cy.zoom()")
    page.tab.click("#closer")
    closer = page.tab.evaluate("cy.zoom()")
    page.tab.mouse.move(400, 400)
    page.tab.mouse.wheel(0, -300)
    page.tab.wait_for_function("(before) => cy.zoom() > before", arg=closer)
    page.tab.click("#fit")
    assert page.tab.evaluate("cy.zoom()") == pytest.approx(whole)
    page.tab.click("#farther")
    assert page.tab.evaluate("cy.zoom()") < whole


def test_filters_hide_everything_else(open_page, pictures):
    page = open_page(large_and_damaged)
    page.tab.select_option("#filter-host", "h4")
    assert page.drawn("host") == {"h4"}
    assert len(page.drawn("container")) == 10
    page.tab.select_option("#filter-network", "db")
    assert page.drawn("network") == {"h4/db"}
    assert page.drawn("container") == {f"h4/db-{number}" for number in range(1, 6)}
    page.tab.select_option("#filter-host", "")
    assert page.drawn("host") == {f"h{number}" for number in range(1, 31)}
    page.tab.screenshot(path=pictures / "filter-network.png")
    page.tab.select_option("#filter-network", "")
    page.tab.fill("#filter-container", "web-3")
    assert page.drawn("container") == {f"h{number}/web-3" for number in range(1, 31) if number != 25}
    page.tab.fill("#filter-container", "")
    page.tab.check("#only-wrong")
    assert page.drawn("host") == {"h3", "h7", "h12", "h20", "h25"}
    page.tab.screenshot(path=pictures / "only-wrong.png")
    page.tab.uncheck("#only-wrong")
    assert len(page.drawn("host")) == 30


def test_a_click_shows_the_details(open_page, pictures):
    page = open_page(damaged_with_a_stopped_container)
    page.click("container/h3/web-1")
    for text in ("web-1", "10.64.33.2", "8080→80/tcp", "02:42:00:00:00:00"):
        assert text in page.details or text in page.tab.evaluate("cy.getElementById('container/h3/web-1').data('text')")
    page.click("network/h2/web")
    assert "subnet: declared 10.64.17.0/24, observed 10.99.0.0/24" in page.details
    page.tab.screenshot(path=pictures / "details.png")
    page.click("host/h2")
    assert "∅ route 10.64.0.0/20: h2 → h1" in page.details
    assert page.tab.evaluate("cy.edges('.route').map((edge) => edge.id()).sort()") == [
        "route/h2/10.64.0.0/20",
        "route/h2/10.64.32.0/20",
    ]
    page.tab.get_by_role("button", name="∅ route 10.64.0.0/20: h2 → h1").click()
    assert "declared: 10.64.0.0/20 via 198.51.100.1" in page.details
    assert "observed: no route" in page.details


def test_a_failed_pair_shows_its_problem(open_page):
    page = open_page(damaged_with_a_stopped_container)
    page.tab.evaluate("show(cy.edges('.probe').filter((edge) => edge.data('all').startsWith('✗'))[0].id())")
    assert "does not pass (timeout); expected to pass: " in page.details


def test_names_from_hosts_are_text(open_page):
    page = open_page(damaged_with_a_stopped_container)
    page.tab.evaluate("(name) => show('container/h3/' + name)", HOSTILE)
    assert HOSTILE in page.details
    assert page.tab.title() == "Docker networks of the fleet"
    assert page.tab.locator("#details img").count() == 0


def test_only_embedded_scripts_run_and_nothing_is_loaded(browser, pages):
    page = Page(browser, pages(sound))
    refused = []
    page.tab.on("requestfailed", lambda request: refused.append(request.failure))
    page.tab.evaluate(
        """() => { const script = document.createElement("script"); script.textContent = "window.broken = 1";
        document.body.append(script); const image = document.createElement("img"); image.src = "http://127.0.0.1:9/x";
        document.body.append(image); }"""
    )
    assert page.tab.evaluate("window.broken") is None
    assert refused == ["csp"]
    assert any("Content Security Policy" in line for line in page.noise)
    page.tab.close()


@pytest.mark.parametrize(
    ("fleet_of", "pictures_in_it"), [(damaged_with_a_stopped_container, 1), (large_and_damaged, 5)]
)
def test_print_shows_everything(open_page, pictures, fleet_of, pictures_in_it):
    page = open_page(fleet_of)
    path = pictures / f"{fleet_of.__name__}.pdf"
    page.tab.pdf(path=path, prefer_css_page_size=True)
    text = subprocess.run(["pdftotext", "-layout", path, "-"], check=True, capture_output=True, text=True).stdout
    for line in (
        "Docker networks of the fleet",
        "Overview",
        "Not as declared",
        "Containers",
        "observed: no route",
        "missing",
    ):
        assert line in text
    images = subprocess.run(["pdfimages", "-list", path], check=True, capture_output=True, text=True).stdout
    sizes = [line.split()[3] for line in images.splitlines()[2:] if line.split()[2] == "image"]
    assert len(sizes) == pictures_in_it
    assert all(int(size) > 1000 for size in sizes)
    assert page.tab.evaluate("cy.nodes('.container').length") > 0  # the screen shows the whole fleet again


def test_the_same_fleet_gives_the_same_picture(open_page):
    places = [
        json.dumps(open_page(large).tab.evaluate("cy.nodes().map((node) => [node.id(), node.position()])"))
        for _time in range(2)
    ]
    assert places[0] == places[1]


@pytest.mark.parametrize("fleet_of", [sound, damaged_with_a_stopped_container, large, large_and_damaged])
def test_graphviz_draws_it_without_warnings(pictures, fleet_of):
    fleet, verdicts = fleet_of()
    text = dot.render(build(fleet.hosts, fleet.peers, fleet.reports, verdicts, ""))
    path = pictures / f"{fleet_of.__name__}.dot.png"
    command = ["dot", "-Tpng", "-Gdpi=50", "-o", path]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=True)
    assert done.stderr == ""
