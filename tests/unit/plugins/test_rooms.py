# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which folders of module_utils import which."""

from __future__ import annotations

import ast
import collections
import graphlib
from pathlib import Path

import pytest

PLUGINS = Path(__file__).parents[3] / "plugins"
PREFIX = "ansible_collections.fleetnet.docker.plugins."
# What a room must not import, directly or indirectly.
FORBIDDEN = {
    "_domain.drift": ("_domain.topology", "_domain.verify", "_domain.plan"),
    "_domain.networks": ("_domain.declaration", "_domain.plan"),
    "_domain.daemon": ("_domain.declaration", "_domain.plan"),
    "_domain.persistence": ("_domain.firewall", "_domain.routes"),
    "_domain.routes": ("_domain.firewall", "_domain.leases", "_domain.plan"),
    "_domain.observed": ("_domain.networks", "_domain.daemon", "_domain.declaration"),
}


def imported(path: Path) -> set[str]:
    """The modules of this collection that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(PREFIX):
            module = str(node.module)[len(PREFIX) :]
            folder = PLUGINS.joinpath(*module.split(".")).is_dir()
            found.update(f"{module}.{alias.name}" if folder else module for alias in node.names)
    return found


def room(module: str) -> str:
    """``_domain.routes`` for ``module_utils._domain.routes.script``, ``_domain.errors`` for a file without a room."""
    return ".".join(module.split(".")[1:3])


def rooms() -> dict[str, set[str]]:
    """The rooms of module_utils with the rooms that each imports."""
    found: dict[str, set[str]] = collections.defaultdict(set)
    for path in (PLUGINS / "module_utils").rglob("*.py"):
        here = room(".".join(path.relative_to(PLUGINS).with_suffix("").parts))
        found[here] |= {room(module) for module in imported(path)} - {here}
    return found


def closure(start: str, arrows: dict[str, set[str]]) -> set[str]:
    found: set[str] = set()
    new = {start}
    while new:
        found |= new
        new = set().union(*(arrows[each] for each in new)) - found
    return found


@pytest.mark.parametrize(
    ("folder", "layers"),
    [
        ("module_utils/_domain", ("module_utils._domain.",)),
        ("module_utils/_host", ("module_utils._domain.", "module_utils._host.")),
        ("plugin_utils", ("module_utils.", "plugin_utils.")),
        ("modules", ("module_utils.",)),
    ],
)
def test_a_layer_imports_nothing_of_the_layers_above(folder: str, layers: tuple[str, ...]) -> None:
    files = list((PLUGINS / folder).rglob("*.py"))
    assert len(files) > 10
    upward = {(path.name, module) for path in files for module in imported(path) if not module.startswith(layers)}
    assert upward == set()


def test_no_two_rooms_import_each_other() -> None:
    graphlib.TopologicalSorter(rooms()).prepare()


@pytest.mark.parametrize("name", FORBIDDEN)
def test_a_room_does_not_import(name: str) -> None:
    arrows = rooms()
    assert name in arrows
    assert set(FORBIDDEN[name]) <= set(arrows)
    assert closure(name, arrows) & set(FORBIDDEN[name]) == set()
