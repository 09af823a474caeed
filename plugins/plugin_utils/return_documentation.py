# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules of this collection document about their results."""

from __future__ import annotations

import ast
from pathlib import Path

import yaml

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.answer import COMMON, Documentation

# The keys of any module that those of host_slice's parts contain.
_COMMON = ("changed", "diff")
_MODULES = Path(__file__).parents[1] / "modules"


def documentation_of(module: str) -> dict[str, Documentation]:
    """RETURN of a module of this collection. The module is not imported, since it may run on hosts only."""
    tree = ast.parse((_MODULES / f"{module}.py").read_text(encoding="utf-8"))
    (text,) = (
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["RETURN"]
    )
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    documentation: dict[str, Documentation] = yaml.load(text, Loader=loader)
    # host_slice returns the results of the modules that its keys name. A failure has a part of each only.
    for part, result in documentation.get("parts", {}).get("contains", {}).items():
        result["contains"] = {key: {**each, "returned": "if the part has it"} for key, each in _result_of(part).items()}
    # Modules that return facts about the host refer to the module that documents them.
    referring = documentation.get("network_info")
    if referring is not None and "contains" not in referring:
        facts = documentation_of("network_info")["network_info"]
        documentation["network_info"] = {**facts, "returned": referring["returned"]}
    return documentation


def _result_of(module: str) -> dict[str, Documentation]:
    documented = documentation_of(module).items()
    # The text of rules has several lines, as in the result of the module itself.
    own = {key: {**each, "lines": True} if each["type"] == "str" else each for key, each in documented}
    return {**{key: COMMON[key] for key in _COMMON}, **own}
