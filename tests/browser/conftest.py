# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The topology's page in Debian's chromium, offline."""

from __future__ import annotations

import os
import pathlib
import shutil
import sys

import pytest
from playwright.sync_api import sync_playwright

sys.path.insert(0, os.environ["ANSIBLE_COLLECTIONS_PATH"])  # the folder that script/env creates


@pytest.fixture(scope="session", name="browser")
def _browser():
    chromium = shutil.which("chromium")
    assert chromium, "chromium is missing; script/test browser/topology installs it"
    with sync_playwright() as playwright:
        # Chromium has no sandbox as root; it shows only pages of these tests.
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session", name="pictures")
def _pictures(tmp_path_factory):
    """The folder for screenshots, for people."""
    folder = pathlib.Path(os.environ.get("FLEETNET_SCREENSHOTS") or tmp_path_factory.mktemp("pictures"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session", name="pages")
def _pages(tmp_path_factory):
    """Return the paths of pages by fleet and options, each written once."""
    from .pages import page_text

    made = {}

    def page(fleet_of, **options):
        key = (fleet_of, *options.items())
        if key not in made:
            made[key] = tmp_path_factory.mktemp("page") / "topology.html"
            made[key].write_text(page_text(fleet_of, **options), encoding="utf-8")
        return made[key]

    return page


@pytest.fixture(name="open_page")
def _open_page(browser, pages):
    from .pages import Page

    opened = []

    def open_page(fleet_of, view="drawing", width=1500, **options):
        opened.append(Page(browser, pages(fleet_of, **options), view, width))
        return opened[-1]

    yield open_page
    for page in opened:
        assert page.noise == []
        page.tab.close()
