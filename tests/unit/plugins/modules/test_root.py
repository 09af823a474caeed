# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Modules that change the host or enter network namespaces require root, and say so before anything else."""

from __future__ import annotations

import contextlib
import importlib
import pathlib
import types
import typing as t

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._host import module as module_runner
from ansible_collections.fleetnet.docker.plugins.module_utils._host import privilege

# These connect to the engine only, which its own socket protects; network_info checks the requested parts.
WITHOUT_ROOT = {"network_endpoint", "network_info", "networks"}
FOLDER = pathlib.Path(str(module_runner.__file__)).parents[2] / "modules"
PACKAGE = "ansible_collections.fleetnet.docker.plugins.modules"
LOADED = {path.stem: importlib.import_module(f"{PACKAGE}.{path.stem}") for path in FOLDER.glob("*.py")}
# The others document action plugins.
MODULES = {name: module for name, module in LOADED.items() if hasattr(module, "main")}


@pytest.mark.parametrize("name", sorted(MODULES))
def test_modules_that_require_root(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, t.Any] = {}
    monkeypatch.setattr(MODULES[name], "run_module", lambda _handler, **options: given.update(options))
    MODULES[name].main()
    assert given.get("needs_root", False) == (name not in WITHOUT_ROOT)


class Failed(Exception):
    """The module failed with this message."""


@pytest.mark.parametrize(("needs_root", "user", "ran"), [(True, 0, True), (True, 1000, False), (False, 1000, True)])
def test_another_user_is_refused_before_the_module_runs(
    needs_root: bool, user: int, ran: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(msg: str) -> t.NoReturn:
        raise Failed(msg)

    fake = types.SimpleNamespace(fail_json=fail, exit_json=lambda **_result: None)
    monkeypatch.setattr(module_runner, "AnsibleModule", lambda **_options: fake)
    monkeypatch.setattr(privilege.os, "geteuid", lambda: user)
    runs: list[t.Any] = []
    refused = contextlib.nullcontext() if ran else pytest.raises(Failed, match=r"Set ansible_become: true\.$")
    with refused:
        module_runner.run_module(lambda module: runs.append(module) or {}, needs_root=needs_root)
    assert bool(runs) == ran
