# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The graph library of the topology's page: scripts that Python packages on the controller contain."""

from __future__ import annotations

import glob
import importlib.util
import os

# dash-cytoscape contains Cytoscape.js as a React component, and dash contains React. Only these files are read; the
# packages are not imported. Each package with a file pattern, in the order in which a page loads them.
_FILES = (
    ("dash", "deps/react@18*.min.js"),
    ("dash", "deps/react-dom@18*.min.js"),
    ("dash", "deps/prop-types@*.min.js"),
    ("dash_cytoscape", "dash_cytoscape.min.js"),
)
HOW_TO_GET = "Install dash-cytoscape for the Python that runs Ansible: python3 -m pip install dash-cytoscape"


class LibraryMissing(Exception):
    """A script of the graph library is missing; the text names it and how to install it."""


def scripts() -> list[str]:
    """The library's scripts in the order in which a page loads them. Raises LibraryMissing."""
    return [_read(package, pattern) for package, pattern in _FILES]


def _read(package: str, pattern: str) -> str:
    found = importlib.util.find_spec(package)
    folders = found.submodule_search_locations if found else None
    if not folders:
        raise LibraryMissing(f"{package.replace('_', '-')} is not installed. {HOW_TO_GET}")
    # The latest if there are several: their names differ only in the version.
    paths = sorted(glob.glob(os.path.join(folders[0], pattern)))
    if not paths:
        raise LibraryMissing(f"the package {package} in {folders[0]} has no {pattern}. {HOW_TO_GET}")
    with open(paths[-1], encoding="utf-8") as file:
        return file.read()
