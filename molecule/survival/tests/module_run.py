# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs modules of the collection on a host without Ansible, which other scenarios prove."""

from __future__ import annotations

import json
import typing as t

RUNNER = "/usr/local/lib/fleetnet-test/one_run.py"  # from converge.yml


def run_module(host: t.Any, name: str, options: dict[str, t.Any], check_mode: bool = False) -> dict[str, t.Any]:
    """The result of a module, also of one that fails, or is killed. ``host`` is testinfra's."""
    command = f"python3 {RUNNER} fleetnet.docker.{name} %s {'check' if check_mode else ''}"
    return dict(json.loads(host.check_output(command, json.dumps(options))))
