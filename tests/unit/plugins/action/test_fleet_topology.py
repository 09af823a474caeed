# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files are written, with and without the graph library: ansible-playbook runs that contact no host."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess

import pytest
import yaml

from .playbook_runs import ENVIRONMENT

INVENTORY = {
    "docker_fleet": {
        "hosts": {"h1": {"ansible_host": "192.0.2.1"}, "h2": {"ansible_host": "192.0.2.2"}},
        "vars": {"docker_fleet_supernet": "10.64.0.0/12", "docker_fleet_networks": ["web"]},
    }
}
PLAN = {
    "fleetnet.docker.fleet_plan": {"lock_file": "{{ inventory_dir }}/lock.yml", "write_lock": False},
    "register": "plan",
    "run_once": True,
}
ALL = {"topology.html", "topology.mmd", "topology.dot", "topology.json"}


class Controller:
    """A folder with an inventory; ``draw`` runs the action on it, ``files`` are what it wrote."""

    def __init__(self, folder, runs):
        self.folder = folder
        self.runs = runs
        self.report = folder / "report"
        (folder / "hosts.yml").write_text(yaml.safe_dump(INVENTORY))

    def draw(self, fails=False, library=True, **options):
        action = {
            "hosts": "{{ plan.hosts }}", "peers": "{{ plan.peers }}", "observed": ["reported"],
            "dest": str(self.report), **options,
        }  # fmt: skip
        play = {
            "hosts": "docker_fleet",
            "gather_facts": False,
            "tasks": [PLAN, {"fleetnet.docker.fleet_topology": action, "run_once": True}],
        }
        (self.folder / "play.yml").write_text(yaml.safe_dump([play]))
        arguments = "-i", self.folder / "hosts.yml", self.folder / "play.yml"
        if library:
            code, output = self.runs.run(*arguments, folder=self.folder)
        else:
            (self.folder / "sitecustomize.py").write_text("import sys\nsys.modules['dash_cytoscape'] = None\n")
            done = subprocess.run(
                ["ansible-playbook", *arguments], env={**os.environ, **ENVIRONMENT, "PYTHONPATH": str(self.folder)},
                check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300,
            )  # fmt: skip
            code, output = done.returncode, done.stdout
        output = " ".join(output.split())  # Ansible wraps warnings
        assert bool(code) == fails, output
        return output

    @property
    def files(self):
        return {path.name for path in self.report.iterdir()} if self.report.exists() else set()


@pytest.fixture
def controller(tmp_path, playbook_runs):
    return Controller(tmp_path, playbook_runs)


def test_all_formats_are_written_and_reported(controller):
    output = controller.draw()
    assert controller.files == ALL
    assert "2 hosts unknown" in output
    assert "not verified: no results of probes found" in output
    assert f"{controller.report}/topology.html" in output
    page = (controller.report / "topology.html").read_text()
    assert "cytoscape" in page
    assert '"name":"h2"' in page


def test_without_the_library_a_warning_and_the_other_formats(controller):
    output = controller.draw(library=False)
    assert controller.files == ALL - {"topology.html"}
    assert "the HTML page was not written; the other formats were: dash-cytoscape is not installed" in output
    assert "python3 -m pip install dash-cytoscape" in output


def test_a_requested_page_without_the_library_is_an_error(controller):
    output = controller.draw(library=False, formats=["json", "html"], fails=True)
    assert "formats: the HTML page cannot be written: dash-cytoscape is not installed" in output
    assert controller.files == set()
    controller.draw(library=False, formats=["json"])
    assert controller.files == {"topology.json"}


def test_results_of_a_verification_are_read(controller):
    ends = {
        end: {"host": host, "container": "web", "network": "web", "address": address}
        for end, host, address in (("source", "h1", "10.64.1.2"), ("target", "h2", "10.64.17.2"))
    }
    verdict = {**ends, "service": "tcp/80", "kind": "blocked", "problem": "does not pass"}
    results = controller.folder / "reachability.json"
    results.write_text(json.dumps([verdict]))
    output = controller.draw(reachability_file=str(results), formats=["json"])
    assert "0 of 1 probe as declared" in output
    document = json.loads((controller.report / "topology.json").read_text())
    assert [edge["state"] for edge in document["edges"] if edge["kind"] == "probe"] == ["blocked"]


def test_the_policy_is_in_the_page_and_in_the_document(controller):
    output = controller.draw(policy="{{ plan.policy }}", formats=["html", "json"])
    assert controller.files == {"topology.html", "topology.json"}
    document = json.loads((controller.report / "topology.json").read_text())
    allowed = {(each["source"], each["target"], each["allowed"]) for each in document["policy"]["permissions"]}
    assert ("web", "web", "all traffic") in allowed
    page = (controller.report / "topology.html").read_text()
    assert '"because":"one network on all hosts"' in page
    assert '"show_undeclared":false' in page
    assert "not verified" in output
    controller.draw(formats=["html", "json"], show_undeclared=True)
    assert json.loads((controller.report / "topology.json").read_text())["policy"] is None
    assert '"show_undeclared":true' in (controller.report / "topology.html").read_text()


def test_an_invalid_policy_is_rejected(controller):
    output = controller.draw(policy={"lines": []}, formats=["json"], fails=True)
    assert "must be the policy that fleet_plan returns" in output


@pytest.mark.parametrize(
    "text", ["not JSON", '{"a": 1}', '[{"source": "h1", "service": "tcp/80", "kind": "blocked", "problem": "x"}]']
)
def test_an_invalid_report_is_rejected(controller, text):
    results = controller.folder / "reachability.json"
    results.write_text(text)
    output = controller.draw(reachability_file=str(results), fails=True)
    assert f"reachability_file: '{results}': is not a report of fleet_report" in output
    assert controller.files == set()


def test_the_coverage_of_a_verification_is_read(controller):
    results, coverage = controller.folder / "reachability.json", controller.folder / "coverage.json"
    results.write_text("[]")
    coverage.write_text(json.dumps({"text": ["Coverage: 1 of 2 lines of the policy"]}))
    files = {"reachability_file": str(results), "coverage_file": str(coverage)}
    output = controller.draw(**files, formats=["json"])
    assert "Coverage: 1 of 2 lines of the policy" in output
    for text in ("[]", '{"text": [], "denied": [{}]}'):
        coverage.write_text(text)
        output = controller.draw(**files, formats=["json"], fails=True)
        assert f"coverage_file: '{coverage}': is not a report of fleet_report" in output
    coverage.unlink()
    assert "Coverage" not in controller.draw(**files, formats=["json"])


def test_an_unreachable_fleet_is_drawn_as_planned(controller):
    unreachable = {"ansible_host": "127.0.0.1", "ansible_port": 1, "ansible_ssh_common_args": "-o ControlMaster=no"}
    hosts = {f"h{number}": {**unreachable, "docker_fleet_underlay_address": f"192.0.2.{number}"} for number in (1, 2)}
    fleet = {"docker_fleet": {**INVENTORY["docker_fleet"], "hosts": hosts}}
    (controller.folder / "hosts.yml").write_text(yaml.safe_dump(fleet))
    options = "-i", controller.folder / "hosts.yml", "-e", f"docker_fleet_report_dir={controller.report}"
    code, output = controller.runs.run("fleetnet.docker.topology", *options, folder=controller.folder)
    assert code == 0, output
    assert controller.files == ALL
    nodes = json.loads((controller.report / "topology.json").read_text())["nodes"]
    drawn = {node["name"]: node for node in nodes if node["kind"] == "host"}
    assert {node["state"] for node in drawn.values()} == {"unknown"}
    assert "Connection refused" in drawn["h2"]["differences"][0]


@pytest.mark.parametrize("role", ["docker_topology", "docker_remote_api"])
@pytest.mark.parametrize("exists", [False, True])
def test_files_are_written_next_to_an_inventory_folder(tmp_path, playbook_runs, role, exists):
    """Ansible reads all files of an inventory folder. An authority that exists in it stays."""
    inventory = tmp_path / "inventory"
    (inventory / "docker_remote_api" if exists else inventory).mkdir(parents=True)
    (inventory / "hosts.yml").write_text(yaml.safe_dump(INVENTORY))
    variable = {"docker_topology": "docker_topology_dest", "docker_remote_api": "docker_remote_api_folder"}[role]
    defaults = pathlib.Path(__file__).parents[4] / "roles" / role / "defaults" / "main.yml"
    task = {"ansible.builtin.debug": {"msg": f"folder={{{{ {variable} }}}}=", "verbosity": 0}, "run_once": True}
    play = {"hosts": "docker_fleet", "gather_facts": False, "vars_files": [str(defaults)], "tasks": [task]}
    (tmp_path / "play.yml").write_text(yaml.safe_dump([play]))
    kept = role == "docker_remote_api" and exists
    name = {"docker_topology": "docker_fleet_report", "docker_remote_api": "docker_remote_api"}[role]
    for source, folder in ((inventory, inventory if kept else tmp_path), (inventory / "hosts.yml", inventory)):
        code, output = playbook_runs.run("-i", source, tmp_path / "play.yml", folder=tmp_path)
        assert code == 0, output
        assert f"folder={folder}/{name}=" in output
