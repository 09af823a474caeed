# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts whose Python answers with lies: a real ansible-playbook run with interpreters that print a prepared answer."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import typing as t

import pytest
import yaml

SUPERNET = "10.64.0.0/12"
LIES: list[dict[str, t.Any]] = yaml.safe_load(pathlib.Path(__file__).with_name("lies.yml").read_text("utf-8"))
HOSTS = {f"h{number}": lie for number, lie in enumerate(LIES, 1)}
KEYS = ("gathered", "ansible_facts", "docker_fleet_supernet")
PLAY = [
    {
        "hosts": "docker_fleet",
        "gather_facts": False,
        "tasks": [
            {
                "fleetnet.docker.network_info": {"gather": ["engine", "links"]},
                "register": "gathered",
                "ignore_errors": True,
                "ignore_unreachable": True,
            },
            {
                "ansible.builtin.copy": {
                    "dest": "{{ inventory_dir }}/seen.json",
                    "content": "{{ dict(keys | zip(values)) | to_json }}",
                },
                "vars": {
                    "ansible_python_interpreter": "{{ ansible_playbook_python }}",
                    "keys": list(KEYS),
                    "hosts": "{{ groups['docker_fleet'] }}",
                    "values": [
                        f"{{{{ dict(hosts | zip(hosts | map('extract', hostvars, '{key}'))) }}}}" for key in KEYS
                    ],
                },
                "delegate_to": "localhost",
                "run_once": True,
            },
        ],
    }
]


def interpreter(lie: dict[str, t.Any]) -> str:
    """A shell script that prints the answer."""
    if lie.get("endless"):
        return "#!/bin/sh\nyes '{\"msg\": 1}'\n"
    if "values" in lie:
        text = json.dumps({"diff": [0] * lie["values"]})
    elif "characters" in lie:
        text = json.dumps({"diff": "a" * lie["characters"]})
    elif "levels" in lie:
        text = '{"diff": ' + "[" * lie["levels"] + "]" * lie["levels"] + "}"
    else:
        text = lie.get("text", json.dumps(lie.get("answer")))
    return f"#!/bin/sh\ncat <<'END'\n{text}\nEND\n"


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> tuple[str, dict[str, dict[str, t.Any]], pathlib.Path]:
    """The output of a run on all hosts, what the controller knows of each, by key, and the inventory's folder."""
    folder = tmp_path_factory.mktemp("lies")
    hosts = {}
    for name, lie in HOSTS.items():
        path = folder / f"{name}.sh"
        path.write_text(interpreter(lie), encoding="utf-8")
        path.chmod(0o755)
        hosts[name] = {"ansible_connection": "local", "ansible_python_interpreter": str(path)}
    fleet = {"hosts": hosts, "vars": {"docker_fleet_supernet": SUPERNET}}
    (folder / "hosts.yml").write_text(yaml.safe_dump({"docker_fleet": fleet}))
    (folder / "play.yml").write_text(yaml.safe_dump(PLAY))
    done = subprocess.run(
        ["ansible-playbook", "-i", str(folder / "hosts.yml"), str(folder / "play.yml"), "--forks", "4"],
        env={**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_LOCALHOST_WARNING": "0"},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert (folder / "seen.json").exists(), done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout + done.stderr, json.loads((folder / "seen.json").read_text()), folder


@pytest.mark.parametrize("host", HOSTS, ids=[lie["case"] for lie in LIES])
def test_an_answer_changes_nothing_but_the_result_of_its_host(run, host) -> None:
    _output, seen, _folder = run
    lie, result = HOSTS[host], seen["gathered"][host]
    assert seen["ansible_facts"][host] == {}
    assert seen["docker_fleet_supernet"][host] == SUPERNET
    if lie["says"] is None:  # ansible-core's versions differ in whether they accept it
        return
    assert bool(result.get("failed")) == lie.get("fails", False), result
    said = " ".join([result.get("msg", ""), *map(str, result.get("warnings", ()))])
    assert lie["says"] in said
    assert bool(said) or not lie["says"]


def test_no_text_of_a_host_is_a_template(run) -> None:
    _output, _seen, folder = run
    assert not (folder / "leak").exists()
