# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules run in processes of their own, and each end of such a process has a result."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from module_run import Modules

MODULE = """
from __future__ import annotations
import os, signal, sys
from ansible.module_utils.basic import AnsibleModule

runs = []

if __name__ == "__main__":
    module = AnsibleModule({"ends": {"type": "str"}, "many": {"type": "int"}}, supports_check_mode=True)
    runs.append(1)
    ends = module.params["ends"]
    if ends == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if ends == "late":
        signal.raise_signal(signal.SIGALRM)
    if ends == "silent":
        sys.exit(0)
    if ends == "error":
        raise ValueError("a bug")
    module.warn("careful")
    module.exit_json(changed=False, check=module.check_mode, diff=module._diff, many=module.params["many"],
                     runs=runs, argv=sys.argv[1:], pid=os.getpid())
"""


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Modules:
    (tmp_path / "sample_modules").mkdir()
    (tmp_path / "sample_modules/sample.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delenv("COVERAGE_PROCESS_START", raising=False)
    monkeypatch.delitem(sys.modules, "sample_modules", raising=False)
    return Modules("sample_modules")


def test_each_run_is_a_new_process_with_its_own_arguments(modules: Modules) -> None:
    first = modules.run("sample", {"many": "7"})
    second = modules.run("sample", {}, check_mode=True)
    assert (first["many"], first["check"], first["diff"], first["argv"]) == (7, False, True, [])
    assert (second["many"], second["check"]) == (None, True)
    assert first["warnings"] == ["careful"]
    assert first["runs"] == second["runs"] == [1]
    assert len({first["pid"], second["pid"], os.getpid()}) == 3


def test_rejected_arguments(modules: Modules) -> None:
    result = modules.run("some.collection.sample", {"unknown": 1})
    assert result["failed"]
    assert result["msg"].startswith("Unsupported parameters for (some.collection.sample) module: unknown")


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        ("killed", {"signal": "SIGKILL"}),
        ("late", {"signal": "SIGALRM"}),
        ("silent", {"rc": 0}),
        ("error", {"rc": 1}),
    ],
)
def test_a_run_without_a_result_is_a_failure(modules: Modules, ends: str, expected: dict[str, object]) -> None:
    result = modules.run("sample", {"ends": ends})
    assert result["failed"]
    assert expected.items() <= result.items()
    assert ("ValueError: a bug" in result["stderr"]) == (ends == "error")
