# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each class in plugins/ has a name of its own."""

from __future__ import annotations

import ast
import collections
from pathlib import Path

PLUGINS = Path(__file__).parents[3] / "plugins"
# The names that Ansible requires.
REQUIRED = {"ActionModule", "LookupModule", "ModuleDocFragment"}


def test_no_two_classes_share_a_name():
    paths = collections.defaultdict(list)
    for path in sorted(PLUGINS.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef) and node.name not in REQUIRED:
                paths[node.name].append(str(path.relative_to(PLUGINS)))
    assert {name: found for name, found in paths.items() if len(found) > 1} == {}
