# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a module loads before it does anything: a host compiles and pays for that on each run."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._host.engine import connection

COLLECTION = "ansible_collections.fleetnet.docker.plugins"
LOOK = f"import {COLLECTION}.modules.%s, sys; print(*sys.modules)"


@pytest.mark.parametrize(
    ("module", "spared"),
    [
        ("host_slice", ()),
        ("network_info", ("_host.parts", "_domain.firewall.policy")),
        ("probe_observer", ("_host.parts", "_domain.firewall.policy", "_host.observe.survey", "_host.probes.sender")),
        ("reachability_info", ("_host.parts", "_domain.firewall.policy", "_host.observe.survey")),
    ],
)
def test_what_is_not_needed_is_not_loaded(module, spared):
    # The folder that the collection is in, since only Ansible's loader looks for collections elsewhere.
    environment = {**os.environ, "PYTHONPATH": str(pathlib.Path(str(connection.__file__)).parents[7])}
    command = [sys.executable, "-c", LOOK % module]
    loaded = subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout.split()
    assert f"{COLLECTION}.module_utils._host.engine.connection" in loaded
    # The engine's adapter brings the Docker SDK.
    unwanted = tuple(f"{COLLECTION}.module_utils.{each}" for each in ("_host.engine.sdk", *spared))
    assert not [name for name in loaded if name.startswith(unwanted)]
