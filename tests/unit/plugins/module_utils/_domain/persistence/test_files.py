# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is written on a host, and the scripts that apply it."""

from __future__ import annotations

import subprocess

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.persistence.files import (
    File,
    ObservedFiles,
    part_files,
    plan_files,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.persistence.part import FIREWALL_PART, ROUTES_PART

NEW, OLD = File("new\n"), "old\n"


@pytest.mark.parametrize(
    ("desired", "observed", "write", "delete", "changed"),
    [
        ({"/a": NEW}, ObservedFiles({"/a": None}), ["/a"], (), True),
        ({"/a": NEW}, ObservedFiles({"/a": OLD}), ["/a"], (), True),
        ({"/a": NEW}, ObservedFiles({"/a": "new\n"}), [], (), False),
        ({"/a": NEW, "/b": None}, ObservedFiles({"/a": "new\n", "/b": OLD}), [], ("/b",), True),
        ({"/a": NEW, "/b": None}, ObservedFiles({"/a": "new\n", "/b": None}), [], (), False),
        ({"/a": NEW}, ObservedFiles({"/a": "new\n"}, drift=("a route is missing",)), [], (), True),
        ({"/a": NEW}, ObservedFiles({"/a": "new\n"}, idle_units=("x.timer",)), [], (), True),
        ({"/a": None}, ObservedFiles({"/a": None}), [], (), False),
        ({"/a": None}, ObservedFiles({"/a": None}, drift=("a table is there",)), [], (), True),
    ],
)
def test_plan(desired, observed, write, delete, changed):
    plan = plan_files(desired, observed)
    assert (list(plan.write), plan.delete, plan.changed) == (write, delete, changed)
    assert bool(plan.diff()) == changed
    assert plan.removal == (not any(desired.values()))


def test_the_diff_has_every_file_and_what_differs_in_the_kernel():
    plan = plan_files({"/a": NEW, "/b": None}, ObservedFiles({"/a": OLD, "/b": "gone\n"}, drift=("routes: missing x",)))
    assert [(entry["before_header"], entry["before"], entry["after"]) for entry in plan.diff()] == [
        ("/a", "old\n", "new\n"),
        ("/b", "gone\n", ""),
        ("kernel", "routes: missing x\n", ""),
    ]


@pytest.mark.parametrize("part", [FIREWALL_PART, ROUTES_PART], ids=lambda part: part.name)
def test_scripts_are_complete(part):
    files = part_files(part)
    assert files[part.script].mode == 0o755
    for path, file in files.items():
        assert "@" not in file.text.replace('"$@"', ""), f"{path} has a placeholder left"
    script = files[part.script].text
    subprocess.run(["sh", "-n"], input=script, text=True, check=True)
    checked = subprocess.run(["shellcheck", "-"], input=script, text=True, capture_output=True, check=False)
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize("part", [FIREWALL_PART, ROUTES_PART], ids=lambda part: part.name)
def test_timers_do_not_look_at_the_clock(part):
    """A clock that is set back holds up calendar timers; those that count monotonic time go on."""
    timer = part_files(part)[f"/etc/systemd/system/{part.timer}"].text
    triggers = [line.partition("=")[0] for line in timer.splitlines() if line.startswith("On")]
    assert triggers == ["OnActiveSec", "OnUnitActiveSec"]


@pytest.mark.parametrize(
    ("states", "idle"),
    [
        ([("active", "enabled"), ("active", "enabled"), ("inactive", "enabled")], []),
        ([("inactive", "enabled"), ("active", "disabled"), ("inactive", "disabled")], [0, 1, 2]),
    ],
)
def test_units_that_do_not_run(states, idle):
    """The unit that is started for a moment only need not be active."""
    units = FIREWALL_PART.units
    found = FIREWALL_PART.idle((unit, *state) for unit, state in zip(units, states, strict=True))
    assert found == tuple(units[number] for number in idle)
