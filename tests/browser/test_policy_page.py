# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page's view of the policy, and its layout on narrow and wide screens."""

from __future__ import annotations

import pytest

from .pages import large_shop, not_verified, shop_of_three, sound

DENIED = "\N{EN DASH}"
WIDTHS = (420, 900, 1500)
# Texts of the cells of a table that overlap, or that their cell or the screen cuts off.
OVERLAPS = """() => {
    const found = [];
    const box = (cell) => { const range = document.createRange(); range.selectNodeContents(cell);
        return range.getBoundingClientRect(); };
    for (const table of document.querySelectorAll("#policy table")) {
        const cells = [...table.querySelectorAll("th, td")].filter((cell) => cell.textContent.trim());
        const boxes = cells.map(box);
        cells.forEach((cell, first) => {
            const a = boxes[first];
            const frame = cell.getBoundingClientRect();
            const inside = a.left >= frame.left - 2 && a.right <= frame.right + 2 && a.top >= frame.top - 2
                && a.bottom <= frame.bottom + 2;
            if (!inside) found.push(`${cell.textContent} leaves its cell`);
            boxes.slice(first + 1).forEach((b, next) => {
                if (a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1) {
                    found.push([cell.textContent, cells[first + 1 + next].textContent]);
                }
            });
        });
    }
    return found; }"""


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("fleet_of", [shop_of_three, large_shop])
def test_both_views_fit_the_screen(open_page, pictures, fleet_of, width):
    page = open_page(fleet_of, view="policy", width=width)
    beyond = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.tab.evaluate(beyond) == 0
    assert page.tab.evaluate(OVERLAPS) == []
    page.tab.screenshot(path=pictures / f"{width}-{fleet_of.__name__}-policy.png", full_page=True)
    page.tab.click("#view-drawing")
    assert page.tab.evaluate(beyond) == 0
    assert page.tab.evaluate("control('graph').clientWidth") > 0.6 * width
    page.tab.evaluate("show('container/h2/web-1')")
    assert page.tab.evaluate(beyond) == 0
    page.tab.screenshot(path=pictures / f"{width}-{fleet_of.__name__}-drawing.png", full_page=True)


def test_thirty_hosts_are_ready_at_once(open_page):
    page = open_page(large_shop, view="policy")
    loaded = page.tab.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd")
    assert 0 < loaded < 10_000  # a second on an idle machine


def cell(page, source, target):
    """The sign and the text of a cell of the matrix."""
    return page.tab.evaluate(
        """([source, target]) => { const at = (name) => policyView.ends.indexOf(name);
        const cell = control("policy-matrix").tBodies[0].rows[at(source)].cells[at(target) + 1];
        return [cell.textContent, cell.title]; }""",
        [source, target],
    )


def test_the_matrix_shows_who_may_open_connections_to_whom(open_page):
    page = open_page(shop_of_three, view="policy")
    assert not page.tab.is_visible("#graph")
    assert cell(page, "web", "api") == ["✓", "web to api: allowed and proven (tcp 8080, 9000-9010)"]
    assert cell(page, "api", "web")[0] == DENIED
    assert cell(page, "docker0", "queue") == ["?", "docker0 to queue: allowed, not proven (tcp 5672)"]
    assert cell(page, "web", "world") == ["○", "web to world: allowed by Docker's default (all traffic)"]
    assert cell(page, "192.0.2.0/24", "web")[0] == "?"
    assert cell(page, "host", "world") == ["", ""]
    assert cell(page, "docker0", "") == ["", ""]  # Docker isolates docker0 from undeclared networks
    assert cell(page, "web", "") == [DENIED, "web to undeclared networks: denied by default"]
    assert cell(page, "web", "203.0.113.7/32")[0] == "○"  # as to the world
    assert cell(page, "backup", "192.0.2.0/24")[0] == DENIED
    page = open_page(large_shop, view="policy")
    signs = set(page.tab.locator("#policy-matrix tbody td").all_inner_texts())
    assert {"✓", "✗", "!", "?", "○", DENIED} <= signs
    meanings = page.tab.inner_text("#policy-signs")
    for text in ("allowed, but a probe failed", "denied, but passes", "denied by default"):
        assert text in meanings


def rows(page):
    """The rows of the lists of permissions, each as the texts of its cells."""
    return page.tab.evaluate(
        """[...document.querySelectorAll(".permissions tbody tr:not(.group)")].map((row) =>
        [...row.cells].map((cell) => cell.innerText.trim()))"""
    )


def test_the_list_states_each_permission_and_the_default(open_page):
    page = open_page(shop_of_three, view="policy")
    found = rows(page)
    assert ["web", "api", "tcp 8080, 9000-9010", "docker_fleet_policy[0]", "✓ proven"] in found
    assert ["api", "db, queue", "tcp 5432", "docker_fleet_policy[1]", "✓ proven"] in found
    assert ["world", "web", "tcp 80, 443, published", "docker_fleet_policy[5]",
            "? not proven: no published port on network web"] in found  # fmt: skip
    last = found[-1]
    assert last[:4] == ["every other pair", "everything else", "denied by default", "no line allows it"]
    assert last[4].startswith("proven for ")
    assert "denied by default" in page.tab.inner_text("#policy-verified")
    page.tab.click("#policy-denied summary")
    assert "undeclared networks -> web" in page.tab.inner_text("#policy-denied")


def test_the_list_of_one_network_has_both_directions(open_page):
    page = open_page(shop_of_three, view="policy")
    page.tab.select_option("#policy-end", label="db")
    text = page.tab.inner_text("#policy-list")
    assert "db may open connections to" in text
    assert "May open connections to db" in text
    assert ["api", "tcp 5432", "docker_fleet_policy[1]", "✓ proven"] in rows(page)
    page.tab.click("#policy-matrix tbody th >> text=logs")
    assert page.tab.locator("#policy-end option:checked").inner_text() == "logs"
    assert ["db", "tcp 5432", "docker_fleet_policy[1]", "✓ proven"] not in rows(page)
    page.tab.click("#policy-matrix tbody th >> text=logs")
    assert ["web", "api", "tcp 8080, 9000-9010", "docker_fleet_policy[0]", "✓ proven"] in rows(page)


def test_the_list_of_an_outside_address_has_what_the_world_may(open_page):
    page = open_page(shop_of_three, view="policy")
    assert not [row for row in rows(page) if "203.0.113.7/32" in row[1] and row[3] == "Docker's default"]
    page.tab.select_option("#policy-end", label="203.0.113.7/32")
    assert [row for row in rows(page) if row[2] == "Docker's default" and "web" in row[0].split(", ")]
    assert [row[2] for row in rows(page) if row[0] == "backup"] == ["docker_fleet_policy[7]"]


def test_failures_are_listed(open_page):
    page = open_page(large_shop, view="policy")
    found = rows(page)
    assert [row for row in found if row[4] == "✗ failed"]
    assert [row for row in found if row[2:] == ["all traffic: denied", "no line allows it", "! passes"]]


def test_without_a_verification_nothing_is_proven(open_page):
    page = open_page(not_verified, view="policy")
    assert "Not verified: run playbooks/verify.yml." in page.tab.inner_text("#policy-verified")
    assert {row[4] for row in rows(page)} == {"not verified"}
    assert cell(page, "web", "api")[0] == "●"
    assert "✓" not in page.tab.inner_text("#policy")


def test_without_a_policy_only_the_drawing_is_shown(open_page):
    page = open_page(sound, view="none", with_policy=False)
    assert page.tab.is_visible("#graph")
    assert not page.tab.is_visible("#views")
    assert not page.tab.is_visible("#policy")


def test_a_screen_that_becomes_narrow_is_filled_again(open_page):
    page = open_page(shop_of_three)
    rows = "new Set(cy.nodes('.host').map((node) => node.position().y)).size"
    assert page.tab.evaluate(rows) == 1
    page.tab.set_viewport_size({"width": 420, "height": 900})
    page.wait_until(rows, lambda found: found == 3)
    assert page.tab.evaluate("document.documentElement.scrollWidth") == 420
