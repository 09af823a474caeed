# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which checks script/test --changed selects for a change."""

from __future__ import annotations

import pytest

from ..affected import affected, closure, uses

CHECKS = (
    "lint/ruff",
    "units/pytest",
    "browser/topology",
    "build/artifact",
    "molecule/bridge",
    "molecule/default",
    "molecule/remote",
    "molecule/sabotage",
)
DOMAIN = "plugins/module_utils/_domain"


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (["CONTRIBUTING.md"], ["lint/ruff"]),
        (["molecule/remote/converge.yml"], ["lint/ruff", "molecule/remote"]),
        (["tests/unit/conftest.py"], ["lint/ruff", "units/pytest"]),
        (["roles/docker_topology/files/page.css"], ["lint/ruff", "units/pytest", "browser/topology", "build/artifact",
                                                    "molecule/default"]),
        ([f"{DOMAIN}/remote_api/plan.py"], ["lint/ruff", "units/pytest", "build/artifact", "molecule/remote"]),
        ([f"{DOMAIN}/verify/text.py"], ["lint/ruff", "units/pytest", "browser/topology", "build/artifact",
                                        "molecule/default", "molecule/sabotage"]),
        (["testbed/fleetbed/cli.py"], ["lint/ruff", "units/pytest", *[each for each in CHECKS if "molecule" in each]]),
        (["requirements/test.txt"], list(CHECKS)),
        (["script/test"], list(CHECKS)),
        (["molecule/remote/a_file_that_is_gone.yml"], ["lint/ruff", "molecule/remote"]),
        ([], []),
    ],
)  # fmt: skip
def test_checks_of_a_change(changed: list[str], expected: list[str]) -> None:
    assert affected(CHECKS, changed) == expected


def test_a_role_uses_its_module_and_what_that_imports() -> None:
    found = closure(["roles/docker_default_bridge/tasks/main.yml"])
    assert {"plugins/modules/default_bridge.py", f"{DOMAIN}/daemon/keys.py", f"{DOMAIN}/constants.py"} <= found
    assert f"{DOMAIN}/verify/verdict.py" not in found


def test_the_fixtures_use_the_modules_that_they_run() -> None:
    assert "plugins/modules/network_info.py" in uses("plugins/plugin_utils/testing.py")


def test_scenarios_with_another_engine_are_selected_as_the_scenarios_are() -> None:
    assert affected(["engine/remote", "engine/bridge"], ["molecule/remote/converge.yml"]) == ["engine/remote"]
