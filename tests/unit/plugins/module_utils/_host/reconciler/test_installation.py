# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The interpreter of the reconciler."""

from __future__ import annotations

import pathlib
import re
import sys

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import Unsupported
from ansible_collections.fleetnet.docker.plugins.module_utils._host.reconciler.installation import python_program


@pytest.fixture
def make(tmp_path: pathlib.Path):
    """An interpreter of a version, with the version in the name of its program or not."""

    def make(name: str, version: str, *, named: bool = True) -> str:
        program = tmp_path / (f"platform-python{version}" if named else f"interpreter-{name}")
        program.write_text(f"#!/bin/sh\necho {version.replace('.', ' ')}\n")
        program.chmod(0o755)
        (tmp_path / name).symlink_to(program)
        return str(tmp_path / name)

    return make


@pytest.mark.parametrize("named", [True, False], ids=["by its name", "by itself"])
def test_an_interpreter_that_is_too_old_is_not_used(make, named: bool) -> None:
    old, new = make("python3", "3.6", named=named), make("other", "3.12", named=named)
    assert python_program(old, new) == new
    assert python_program(new, old) == new
    assert python_program("/nowhere/python3", old, sys.executable) == sys.executable
    with pytest.raises(Unsupported, match=rf"^{re.escape(old)}: Python 3\.6: .* requires Python 3\.8 or newer"):
        python_program("/nowhere/python3", old)
    with pytest.raises(Unsupported, match=r"^no Python found: "):
        python_program("/nowhere/python3")


def test_a_link_to_a_program_that_does_not_exist(tmp_path: pathlib.Path) -> None:
    (tmp_path / "python3").symlink_to("python3.12")
    with pytest.raises(Unsupported):
        python_program(str(tmp_path / "python3"))
