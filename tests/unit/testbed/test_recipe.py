# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fleetbed import recipe
from fleetbed.errors import FleetError
from fleetbed.paths import RECIPES


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "rootfs" / "etc").mkdir(parents=True)
    (tmp_path / "rootfs" / "etc" / "motd").write_text("hello")
    (tmp_path / "customize").write_text("#!/bin/sh")
    (tmp_path / "packages").write_text("systemd  # boots\n\n# comment\npython3\n")
    pin = {"suite": "forky", "packages": ["docker.io"]}
    generations = {
        "1.0": {"suite": "bookworm", "packages": []},
        "2.0": {"suite": "trixie", "packages": ["x"], "pin": pin},
    }
    (tmp_path / "generations.json").write_text(json.dumps(generations))
    return tmp_path


def test_key_changes_with_the_content(folder: Path) -> None:
    seen = {recipe.load(folder, "1.0").key}

    (folder / "packages").write_text("systemd\npython3\n")
    assert {recipe.load(folder, "1.0").key} == seen, "comments change nothing"

    def change(path: str, text: str = "", mode: int | None = None) -> None:
        if text:
            (folder / path).write_text(text)
        if mode:
            (folder / path).chmod(mode)
        key = recipe.load(folder, "1.0").key
        assert key not in seen, path
        seen.add(key)

    change("packages", "systemd\n")
    change("rootfs/etc/motd", "bye")
    change("rootfs/etc/issue", "new")
    change("rootfs/etc/motd", mode=0o755)
    change("customize", "#!/bin/bash")
    seen.add(recipe.load(folder, "2.0").key)
    assert len(seen) == 7


def test_packages_are_common_packages_and_those_of_the_generation(folder: Path) -> None:
    assert recipe.load(folder, "2.0").packages == ("systemd", "python3", "x")


def test_later_suite_is_only_for_pinned_packages(folder: Path) -> None:
    plain = recipe.bootstrap(recipe.load(folder, "1.0"), customize="c", target="t", sources=())
    assert not any("hook=sed" in word for word in plain)
    customize, suite, target, source = recipe.bootstrap(
        recipe.load(folder, "2.0"), customize="a b/c", target="t", sources=("deb http://m/debian trixie main",)
    )[-4:]
    assert customize == """--customize-hook='a b/c' "$1\""""
    assert (suite, target, source) == ("trixie", "t", "deb http://m/debian trixie main")


def test_unknown_generation(folder: Path) -> None:
    with pytest.raises(FleetError, match=r"engine 0\.9: unknown\. Choose from 1\.0, 2\.0"):
        recipe.load(folder, "0.9")


def test_existing_recipes() -> None:
    assert recipe.known(RECIPES) == ("20.10", "26.1", "28.5")
    assert len({recipe.load(RECIPES, generation).key for generation in recipe.known(RECIPES)}) == 3
