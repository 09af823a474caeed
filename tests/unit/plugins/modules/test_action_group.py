# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The action group holds the modules that take the engine's connection options, and each accepts group defaults."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.fleetnet.docker.plugins.module_utils._host import module as module_runner
from ansible_collections.fleetnet.docker.plugins.module_utils._host.engine.connection import engine_argument_spec

COLLECTION = Path(__file__).parents[4]
GROUP = yaml.safe_load((COLLECTION / "meta" / "runtime.yml").read_text())["action_groups"]["docker"]
MODULES = sorted(path.stem for path in (COLLECTION / "plugins" / "modules").glob("*.py"))
ACTIONS = sorted(path.stem for path in (COLLECTION / "plugins" / "action").glob("*.py"))
NAMES = sorted({*MODULES, *ACTIONS})

DOCKER_HOST = "unix:///nonexistent.sock"
FLOWS = [{"source": "10.64.1.2", "destination": "10.64.17.2"}]
POLICY: dict[str, t.Any] = {"families": [], "lines": [], "local": [], "limited": {}}

# The options with which each module queries the engine.
TASKS: dict[str, dict[str, t.Any]] = {
    "bridge_routing": {"policy": POLICY, "subnets": [], "bridges": {}},
    "default_bridge": {"bip": "10.64.0.1/24"},
    "host_slice": {"networks": {"networks": []}},
    "network_endpoint": {"container": "web", "networks": [{"name": "web"}]},
    "network_info": {"gather": ["engine"]},
    "networks": {"networks": []},
    "packet_trace": {"state": "stopped", "flows": FLOWS},
    "probe_observer": {"state": "started"},
    "reachability_info": {"probes": [{"source": "web", "destination": "10.64.1.2", "token": 0}]},
    "remote_api": {"state": "absent"},
}
PRIVILEGED = (
    "bridge_routing", "default_bridge", "host_slice", "packet_trace", "probe_observer", "reachability_info",
    "remote_api",
)  # fmt: skip
# Programs that the modules need on a host, without effect.
PROGRAMS = {
    "ip": """echo '[{"dev": "lo"}]'""",
    "nft": "",
    "systemctl": "echo LoadState=loaded; echo ActiveState=active; echo SubState=running",
    "systemd-run": "",
    "tc": "",
}


class Captured(Exception):
    """Carries the argument spec that a module was created with."""


def argument_spec(name: str, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The options that the module and the action plugin of this name accept."""

    def capture(*_arguments: t.Any, argument_spec: dict[str, t.Any], **_options: t.Any) -> None:
        raise Captured(argument_spec)

    monkeypatch.setattr(module_runner, "AnsibleModule", capture)
    options: set[str] = set()
    module = importlib.import_module(f"ansible_collections.fleetnet.docker.plugins.modules.{name}")
    if hasattr(module, "main"):  # a module without is the documentation of an action plugin
        with pytest.raises(Captured) as captured:
            module.main()
        options |= set(captured.value.args[0])
    if name in ACTIONS:
        action = importlib.import_module(f"ansible_collections.fleetnet.docker.plugins.action.{name}").ActionModule
        options |= set(getattr(action, "ARGUMENT_SPEC", ()))
    return options


@pytest.mark.parametrize("name", NAMES)
def test_the_group_contains_exactly_the_modules_with_all_connection_options(name, monkeypatch):
    accepted = set(engine_argument_spec()) & argument_spec(name, monkeypatch)
    assert accepted in (set(), set(engine_argument_spec()))
    assert (name in GROUP) == bool(accepted)


def test_each_module_of_the_group_is_tried():
    assert sorted(TASKS) == sorted(GROUP)


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> dict[str, t.Any]:
    """What each module of the group returns in a play with group defaults, by name."""
    folder = tmp_path_factory.mktemp("group")
    for program, body in PROGRAMS.items():
        (folder / program).write_text(f"#!/bin/sh\n{body}\n")
        (folder / program).chmod(0o755)
    tasks: list[dict[str, t.Any]] = [
        {
            f"fleetnet.docker.{name}": options,
            "register": name,
            "ignore_errors": True,
            "check_mode": name != "packet_trace",  # which does not query the engine in check mode
        }
        for name, options in TASKS.items()
    ]
    output = folder / "results.json"
    content = "{{ dict(" + ", ".join(f"{name}={name}" for name in TASKS) + ") | to_json }}"
    tasks.append({"ansible.builtin.copy": {"content": content, "dest": str(output), "mode": "0600"}})
    play = {
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "vars": {"ansible_python_interpreter": sys.executable},
        "environment": {"PATH": f"{folder}:{os.environ['PATH']}"},
        "module_defaults": {"group/fleetnet.docker.docker": {"docker_host": DOCKER_HOST}},
        "tasks": tasks,
    }
    (folder / "play.yml").write_text(yaml.safe_dump([play]))
    done = subprocess.run(
        ["ansible-playbook", "-i", "localhost,", folder / "play.yml"],
        check=False, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(output.read_text())


@pytest.mark.parametrize("name", GROUP)
def test_each_module_connects_to_the_engine_of_the_group_defaults(name, results):
    if name in PRIVILEGED and os.geteuid() != 0:
        pytest.skip("the module requires root")
    assert results[name]["failed"]
    assert "Unsupported parameters" not in results[name]["msg"]
    assert f"Docker engine at {DOCKER_HOST}: /nonexistent.sock does not exist" in results[name]["msg"]
