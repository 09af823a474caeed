# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files on the controller Ansible would read as inventories."""

from __future__ import annotations

import pathlib

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import InvalidValue
from ansible_collections.fleetnet.docker.plugins.plugin_utils.files import check_not_inventory

SKIPPED = (".ini", ".md")


@pytest.mark.parametrize(
    "path", ["inventory", "inventory/report", "inventory/plan.json", "inventory/a/b", "other/../inventory/x"]
)
def test_a_path_in_an_inventory_folder_is_refused(tmp_path: pathlib.Path, path: str) -> None:
    (tmp_path / "inventory").mkdir()
    sources = ["h1,h2,", str(tmp_path / "hosts.yml"), str(tmp_path / "inventory")]
    with pytest.raises(
        InvalidValue, match=r"^dest: .*: is in the inventory folder .*/inventory, of which Ansible reads"
    ):
        check_not_inventory("dest", str(tmp_path / path), sources, SKIPPED)


@pytest.mark.parametrize(
    "path",
    ["report", "inventory2/x", "inventory/plan.md", "inventory/.report", "inventory/group_vars/x", "inventory/.git/x"],
)
def test_other_paths_are_accepted(tmp_path: pathlib.Path, path: str) -> None:
    (tmp_path / "inventory").mkdir()
    (tmp_path / "hosts.yml").touch()
    sources = ["h1,h2,", str(tmp_path / "hosts.yml"), str(tmp_path / "inventory")]
    check_not_inventory("dest", str(tmp_path / path), sources, SKIPPED)
