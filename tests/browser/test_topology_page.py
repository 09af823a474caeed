# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Use of the page's drawing: styles, search, filters, clicks, print; and that Graphviz draws its format."""

from __future__ import annotations

import json
import re
import subprocess

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.topology import dot
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.topology.build import build

from .pages import (
    HOSTILE,
    Page,
    damaged_with_a_stopped_container,
    large,
    large_and_damaged,
    large_shop,
    leaking_into_an_undeclared_network,
    sound,
)


@pytest.mark.parametrize("fleet_of", [sound, damaged_with_a_stopped_container, large, large_and_damaged])
def test_it_opens_without_errors_and_shows_everything(open_page, pictures, fleet_of):
    page = open_page(fleet_of)
    fleet = fleet_of()[0]
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


@pytest.mark.parametrize("fleet_of", [sound, damaged_with_a_stopped_container, large_and_damaged, large_shop])
def test_labels_fit_into_their_boxes(open_page, fleet_of):
    wrong = open_page(fleet_of).tab.evaluate(
        """() => { const pen = document.createElement("canvas").getContext("2d");
        return cy.nodes(".host, .network, .container, .title").filter((node) => {
            const weight = node.hasClass("title") ? node.style("font-weight") : "normal";
            pen.font = `${weight} ${node.style("font-size")} ${node.style("font-family")}`;
            return node.style("label").split("\\n").some((line) => pen.measureText(line).width > node.width());
        }).map((node) => node.style("label")); }"""
    )
    assert wrong == []


def test_each_state_has_its_own_style(open_page):
    page = open_page(damaged_with_a_stopped_container)
    page.tab.check("#undeclared")
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
    page.wait_until("cy.zoom()", lambda zoom: zoom > closer)
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
    assert page.drawn("host") == {"h7", "h12", "h20", "h25"}
    page.tab.check("#undeclared")  # they are problems only if the reader asks for them
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


def test_undeclared_networks_are_drawn_on_request(open_page):
    page = open_page(large_and_damaged)
    assert not [name for name in page.drawn("network") if "compose" in name]
    assert page.tab.inner_text("#undeclared-label").strip() == "undeclared networks (1)"
    page.tab.check("#undeclared")
    assert "h3/compose_default" in page.drawn("network")
    page.tab.uncheck("#undeclared")
    assert "h3/compose_default" not in page.drawn("network")
    page.tab.select_option("#filter-network", "compose_default")
    assert page.drawn("network") == {"h3/compose_default"}
    assert "h3/compose_default" in open_page(large_and_damaged, show_undeclared=True).drawn("network")
    assert not open_page(sound).tab.is_visible("#undeclared-label")


def test_undeclared_networks_are_drawn_if_something_in_them_failed(open_page):
    page = open_page(leaking_into_an_undeclared_network)
    assert "h1/compose_default" in page.drawn("network")
    assert "h2/other_default" not in page.drawn("network")


def test_details_are_written_for_people(open_page):
    """No label is a path of keys, and no value is the text of a data structure."""
    page = open_page(damaged_with_a_stopped_container)
    ids = page.tab.evaluate("topology.nodes.concat(topology.edges).map((item) => item.id)")
    assert len(ids) > 30
    for each in ids:
        page.tab.evaluate("(id) => show(id)", each)
        labels = page.tab.locator("#details th").all_inner_texts()
        assert not [label for label in labels if re.search(r"\.\d+\.|[_.\[\]{}]", label)], labels
        assert not re.search(r"[a-z_]\.\d+\.[a-z]|\[object|undefined|null|None", page.details), page.details
    page.tab.evaluate("show('network/h2/web')")
    assert "10.99.0.0/24, gateway 10.64.17.1" in page.details
    assert "May open connections to\n" in page.details
    assert "db: tcp 5432 — ✗ failed" in page.details


def test_the_names_of_hosts_are_legible_from_afar(open_page):
    for width in (420, 900, 1500):
        page = open_page(large_shop, width=width)
        found = page.tab.evaluate(
            """cy.nodes(".name").map((node) => [node.style("label"), parseFloat(node.style("font-size")) * cy.zoom(),
            node.renderedBoundingBox()])"""
        )
        assert {label.split("\n")[0] for label, _size, _box in found} == {f"h{number}" for number in range(1, 31)}
        assert min(size for _label, size, _box in found) > 8, width
        for number, (_label, _size, a) in enumerate(found):
            for _label, _size, b in found[number + 1 :]:
                assert not (a["x1"] < b["x2"] and b["x1"] < a["x2"] and a["y1"] < b["y2"] and b["y1"] < a["y2"])
        page.tab.evaluate("() => { cy.zoom(1); }")
        page.wait_until("cy.nodes('.name')[0].style('font-size')", lambda size: size == "28px")


def test_a_link_in_the_details_moves_to_its_item(open_page):
    page = open_page(large)
    page.tab.evaluate("show('network/h11/web')")
    page.tab.get_by_role("button", name="web-3", exact=True).click()
    page.tab.evaluate("() => new Promise((done) => setTimeout(done, 200))")  # the graph library also works later
    zoom, place, size = page.tab.evaluate(
        """[cy.zoom(), cy.getElementById("container/h11/web-3").renderedPosition(), [cy.width(), cy.height()]]"""
    )
    assert zoom >= 1
    assert [place["x"], place["y"]] == pytest.approx([size[0] / 2, size[1] / 2], abs=2)


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
        "Who may open connections to whom",
        "docker_fleet_policy[0]",
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
    fleet, verdicts, _coverage = fleet_of()
    text = dot.render(build(fleet.hosts, fleet.peers, fleet.reports, verdicts, ""))
    path = pictures / f"{fleet_of.__name__}.dot.png"
    command = ["dot", "-Tpng", "-Gdpi=50", "-o", path]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=True)
    assert done.stderr == ""
