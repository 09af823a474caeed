# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan where Ansible's own behaviour matters: real ansible-playbook runs that contact no host."""

from __future__ import annotations

import json
import re

import pytest
import yaml

from .controller import FLEET, words

COMPARE = [
    {
        "hosts": "docker_fleet",
        "gather_facts": False,
        "tasks": [
            {
                "fleetnet.docker.fleet_plan": {
                    "lock_file": "{{ inventory_dir }}/docker_fleet.lock.yml",
                    "observed": "gathered",
                },
                "run_once": True,
            }
        ],
    }
]


def test_check_mode_writes_nothing_and_shows_the_lock_file(controller):
    controller.declare(["h1", "h2"])
    checked = controller.run("--check", "--diff")
    assert not controller.lock.exists()
    output = controller.run("--diff", "-e", f"docker_fleet_plan_json_file={controller.folder}/plan.json")
    for text in (checked, output):
        assert "+      h2: 10.64.16.0/20" in text
        assert re.search(
            r"^  h2    192\.0\.2\.2  10\.64\.16\.0/20  10\.64\.16\.0/24  10\.64\.17\.0/24", text, re.MULTILINE
        )
        assert "changed=1" in text
        assert "the plan was not compared with hosts h1, h2: no report" in text
    assert controller.held()["hosts"] == {"h1": "10.64.0.0/20", "h2": "10.64.16.0/20"}
    plan = json.loads((controller.folder / "plan.json").read_text())
    assert plan["hosts"]["h2"]["networks"][0]["ipam_config"] == [{"subnet": "10.64.17.0/24", "gateway": "10.64.17.1"}]
    assert "changed=0" in controller.run()


def test_limit_and_order_move_nothing(controller):
    controller.declare(["h1", "h2", "h3"])
    controller.run("--limit", "h3")
    before = controller.lock.read_text()
    controller.declare(["h3", "h2", "h1"])
    assert "changed=0" in controller.run("--limit", "h2")
    assert controller.lock.read_text() == before


def test_templates_are_filled_in_for_each_host(controller):
    fleet = {
        "net": 64,
        "docker_fleet_supernet": "10.{{ net }}.0.0/12",
        "docker_fleet_networks": ["{{ first }}"],
        "first": "web",
    }
    controller.declare({"h1": {}, "h2": {"docker_fleet_underlay_address": "198.51.100.{{ 3 + 4 }}"}}, fleet)
    output = controller.run("--check")
    assert "  h2    198.51.100.7  10.64.16.0/20" in output


def test_hosts_that_differ_in_a_variable_of_the_fleet(controller):
    controller.declare({"h1": {}, "h2": {"docker_fleet_supernet": "10.0.0.0/12"}})
    assert (
        "host h2: docker_fleet_supernet: '10.0.0.0/12': must be the same on all hosts, and host h1 has another value. "
        "Set it in the group's variables"
    ) in controller.run(fails=True)
    assert not controller.lock.exists()


def test_a_mistyped_variable(controller):
    controller.declare({"h1": {"docker_fleet_lnik": "a"}, "h2": {"docker_fleet_lnik": "b"}})
    warning = "docker_fleet_lnik: unknown variable, which has no effect. Did you mean 'docker_fleet_link'?"
    output = " ".join(controller.run("--check").split())
    assert f"[WARNING]: hosts h1, h2: {warning}" in output
    assert output.count("unknown variable") == 1
    controller.declare({"h1": {"docker_fleet_lnik": "a"}}, {**FLEET, "docker_fleet_supernet": "10.0.0.0"})
    assert warning in " ".join(controller.run(fails=True).split())


def test_all_errors_of_a_declaration_are_reported_at_once(controller):
    fleet = {
        "docker_fleet_supernet": "10.64.0.0/12",
        "docker_fleet_networks": ["any", "host", {"name": "world", "mtu": "x", "colour": "red"}, "web", True],
        "docker_fleet_policy": [{"from": ["wbe", "dbb"], "to": "web", "ports": "80,443"}, {"from": "web", "to": "any"}],
        "docker_fleet_default_bridge": {"mtu": 1},
        "docker_fleet_backend": "host-gw",
    }
    controller.declare({"h1": {"docker_fleet_underlay_address": "x"}, "h2": {"docker_fleet_link": ""}}, fleet)
    output = controller.run(fails=True)
    assert "13 errors in the declaration. No host was changed:" in output
    for number in range(3):
        assert f"docker_fleet_networks[{number}].name: " in output
    for path in (
        "docker_fleet_networks[2].mtu: 'x'",
        "docker_fleet_networks[2].colour: 'red'",
        "docker_fleet_networks[4]: True",
        "docker_fleet_policy[0].from: ['wbe', 'dbb']: 'wbe' is not",
        "docker_fleet_policy[0].from: ['wbe', 'dbb']: 'dbb' is not",
        "docker_fleet_policy[0].ports: ",
        "docker_fleet_default_bridge.mtu: 1",
        "docker_fleet_backend: ",
        "host h1: docker_fleet_underlay_address: 'x'",
        "host h2: docker_fleet_link: ''",
    ):
        assert f"  - {path}" in output


def test_errors_of_values_and_of_the_plan_are_reported_at_once(controller):
    fleet = {
        "docker_fleet_supernet": "10.64.0.0/12",
        "docker_fleet_networks": [{"name": "web", "hosts": "h9"}, {"name": "db", "mtu": "x"}, True],
        "docker_fleet_policy": [{"from": "web", "to": "db", "ports": "80,443"}],
        "docker_fleet_backend": "host-gw",
        "docker_fleet_reservations": {"h8": "10.64.0.0/20"},
    }
    controller.declare(["h1"], fleet)
    output = controller.run(fails=True)
    assert "6 errors in the declaration. No host was changed:" in output
    for path in (
        "docker_fleet_networks[1].mtu: 'x'",
        "docker_fleet_networks[2]: True",
        "docker_fleet_policy[0].ports: '80,443'",
        "docker_fleet_backend: 'host-gw'",
        "docker_fleet_networks[0].hosts: 'h9': is not a host",
        "docker_fleet_reservations.h8: 'h8': is not a host",
    ):
        assert f"  - {path}" in output


def test_a_broken_lock_file_is_never_overwritten(controller):
    controller.declare(["h1"])
    controller.run()
    broken = controller.lock.read_text().replace("...\n", "")
    controller.lock.write_text(broken)
    controller.declare(["h1", "h2"])
    assert "line 17 ('h1: 10.64.0.0/20'): the end of the file (...) is missing" in controller.run(fails=True)
    assert controller.lock.read_text() == broken


def test_reclaim(controller):
    controller.declare(["h1", "h2"])
    controller.run()
    controller.declare(["h2", "h3"])
    controller.run()
    assert controller.held()["departed"]["hosts"] == {"h1": "10.64.0.0/20"}
    assert controller.held()["hosts"] == {"h2": "10.64.16.0/20", "h3": "10.64.32.0/20"}
    refused = controller.run("-e", "docker_fleet_reclaim=h1,h2", fails=True)
    assert "docker_fleet_reclaim: 'h1': may still use 10.64.0.0/20" in refused
    assert controller.held()["departed"]["hosts"] == {"h1": "10.64.0.0/20"}
    output = controller.run("-e", "docker_fleet_reclaim=h1,h2", "-e", "docker_fleet_remove_unreachable=true")
    assert "reclaim: 'h2' was declared in the last run. Only departed names can be reclaimed" in output
    assert "departed" not in controller.held()
    controller.declare(["h2", "h3", "h4"])
    output = controller.run("-e", "docker_fleet_reclaim=h1,h2")
    assert "reclaim: no departed host or network 'h1' found" in output
    assert controller.held()["hosts"]["h4"] == "10.64.0.0/20"


def test_a_host_that_leaves_keeps_its_lease_and_is_named_explicitly(controller):
    """A reservation or a network's hosts may still name it. Leaving twice changes nothing."""
    networks = ["web", {"name": "own", "hosts": ["h2"]}]
    reservations = {"h2": "10.64.48.0/20"}
    controller.declare(
        ["h1", "h2"], {**FLEET, "docker_fleet_networks": networks, "docker_fleet_reservations": reservations}
    )
    controller.run()
    leaves = json.dumps({"docker_fleet_plan_without": ["h2"]})
    controller.run("-e", leaves)
    text = controller.lock.read_text()
    assert controller.held()["hosts"] == {"h1": "10.64.0.0/20"}
    assert controller.held()["departed"]["hosts"] == {"h2": "10.64.48.0/20"}
    controller.run("-e", leaves)
    assert controller.lock.read_text() == text
    output = controller.run(
        "-e", json.dumps({"docker_fleet_plan_without": ["h2"], "docker_fleet_plan_removed": ["h2"]})
    )
    assert controller.held()["departed"] == {"networks": {}, "hosts": {}, "removed_hosts": {"h2": "10.64.48.0/20"}}
    assert "  host h2 10.64.48.0/20, removed\n" in output
    controller.declare(["h1"])
    controller.run("-e", leaves)  # it is no longer in the inventory, and has departed
    output = controller.run("-e", json.dumps({"docker_fleet_plan_without": ["h3"]}), fails=True)
    assert "docker_fleet_remove: 'h3': is neither a host of the fleet nor departed" in output


def test_two_controllers_at_once_never_lease_the_same_block(controller):
    names = [f"a{number}" for number in range(20)], [f"b{number}" for number in range(20)]
    for number, hosts in enumerate(names):
        controller.declare(hosts, name=f"{number}.yml")
    processes = [controller.start(inventory=f"{number}.yml") for number in range(2)]
    outputs = [process.communicate(timeout=300)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    held = controller.held()
    blocks = {**held["hosts"], **held["departed"]["hosts"]}
    assert set(blocks) == {*names[0], *names[1]}
    assert len(set(blocks.values())) == 40


def test_conflicts_end_the_run_before_any_lease(controller):
    report = {"networks": [], "links": [], "routes": [], "control_path": None}
    gathered = {"network_info": {**report, "resolver": ["10.64.0.53", "10.64.16.53"]}}
    reservations = {"docker_fleet_reservations": {"h1": "10.64.0.0/20", "h2": "10.64.16.0/20"}}
    controller.declare({"h1": {"gathered": gathered}, "h2": {}}, {**FLEET, **reservations})
    playbook = controller.folder / "conflicts.yml"
    playbook.write_text(json.dumps(COMPARE))
    output = controller.run(playbook=str(playbook), fails=True)
    for line in (
        "2 address conflict(s) between the plan and the hosts. No host was changed:",
        "- host h1: name server 10.64.0.53 (10.64.0.53/32) overlaps the block of host h1 (10.64.0.0/20). Set "
        "docker_fleet_reservations.h1 to 10.64.32.0/20, which is free on all hosts.",
        "- host h1: name server 10.64.16.53 (10.64.16.53/32) overlaps the block of host h2 (10.64.16.0/20). "
        "Set docker_fleet_reservations.h2 to 10.64.48.0/20, which is free on all hosts.",
    ):
        assert line in output
    assert not controller.lock.exists()
    controller.declare({"h1": {"gathered": gathered}, "h2": {}})
    controller.run(playbook=str(playbook))
    assert controller.held()["hosts"] == {"h1": "10.64.32.0/20", "h2": "10.64.48.0/20"}


def test_serial_and_one_fork_plan_all_hosts_at_once(controller):
    """A batch of hosts is compared with the reports of its own hosts and of those before."""
    report = {"networks": [], "links": [], "routes": [], "control_path": None}
    gathered = {"network_info": {**report, "resolver": []}}
    used = {"network_info": {**report, "resolver": ["10.64.16.53"]}}
    controller.declare({host: {"report": gathered} for host in ("h1", "h2", "h3")})
    playbook = controller.folder / "serial.yml"
    gather = {"ansible.builtin.set_fact": {"gathered": "{{ report }}"}}
    playbook.write_text(json.dumps([{**COMPARE[0], "serial": 1, "tasks": [gather, *COMPARE[0]["tasks"]]}]))
    output = words(controller.run("-f", "1", playbook=str(playbook)))
    assert list(controller.held()["hosts"]) == ["h1", "h2", "h3"]
    assert "the plan was not compared with hosts h2, h3: no report" in output
    assert "the plan was not compared with host h3: no report" in output
    assert "h2 : ok=2 changed=0" in output
    controller.declare({"h1": {"report": gathered}, "h2": {"report": used}, "h3": {"report": gathered}})
    output = words(controller.run(playbook=str(playbook), fails=True))
    assert "host h2: name server 10.64.16.53 (10.64.16.53/32) overlaps the block of host h2" in output
    assert "h1 : ok=2 changed=0 unreachable=0 failed=0" in output
    assert "h3 :" not in output


@pytest.mark.parametrize(
    ("folder", "message"),
    [
        ("/proc/self", "cannot be written: "),
        ("/nowhere", "folder /nowhere cannot be read: No such file or directory. Create it, or set"),
    ],
)
def test_a_folder_that_cannot_be_written(controller, folder, message):
    controller.declare(["h1"])
    output = words(controller.run("-e", f"docker_fleet_lock_file={folder}/lock.yml", fails=True))
    assert f"lock.yml: {message}" in output
    assert "docker_fleet_lock_file" in output
    assert "Errno" not in output


def test_an_inventory_in_which_every_file_must_be_valid(controller):
    """The lock file may be in an inventory folder."""
    controller.declare(["h1"])
    strict = {"ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "1", "ANSIBLE_INVENTORY_UNPARSED_FAILED": "1"}
    controller.run(inventory="", settings=strict)
    assert controller.held()["hosts"] == {"h1": "10.64.0.0/20"}
    assert "changed=0" in controller.run(inventory="", settings=strict)
    file = f"docker_fleet_plan_json_file={controller.folder}/plan.json"
    assert "/plan.json': is in the inventory folder" in words(controller.run("-e", file, inventory="", fails=True))
    assert "changed=0" in controller.run(inventory="", settings=strict)


def test_facts_of_a_host_do_not_set_variables_of_the_collection(controller):
    controller.declare(["h1", "h2"])
    facts = {"ansible.builtin.set_fact": {"docker_fleet_underlay_address": "192.0.2.9", "cacheable": True}}
    facts["when"] = "inventory_hostname == 'h2'"
    play = [{"hosts": "docker_fleet", "gather_facts": False, "tasks": [facts, *COMPARE[0]["tasks"]]}]
    (controller.folder / "facts.yml").write_text(yaml.safe_dump(play))
    output = controller.run(playbook=str(controller.folder / "facts.yml"), fails=True)
    assert (
        "host h2: its facts set 'docker_fleet_underlay_address', which only the inventory may set. Clear its cached"
    ) in output
    assert not controller.lock.exists()
