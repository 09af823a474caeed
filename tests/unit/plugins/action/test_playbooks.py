# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Playbooks with tags, limits and group names that select too little."""

from __future__ import annotations

import json
import pathlib

import pytest

from .controller import FLEET, words

PLAYBOOKS = ("plan", "site", "verify", "topology", "reset", "rollback", "import")


def path_of(playbook):
    """The path of a playbook: with it, the plan contacts hosts."""
    return str(pathlib.Path(__file__).parents[4] / "playbooks" / f"{playbook}.yml")


@pytest.mark.parametrize("name", PLAYBOOKS)
def test_tags_that_no_task_has_do_nothing_and_say_so(controller, name):
    controller.declare(["h1"])
    output = controller.run("--tags", "anything", playbook=f"fleetnet.docker.{name}")
    selected = "--tags or --start-at-task selected no task or only some tasks of this playbook."
    assert f"{selected} Nothing was " in words(output)
    assert not controller.lock.exists()


def test_a_tag_without_the_plan_compares_no_host(controller):
    """The documented tag docker_fleet_contact is for --skip-tags."""
    controller.declare(["h1"])
    start = ("--start-at-task", "Apply the plan to docker0, rules, networks and routes")
    output = controller.run("--tags", "docker_fleet_contact", *start, playbook=path_of("plan"))
    assert "skipping: [h1]" in output
    assert "Changes" not in output


def test_tags_remove_no_host(controller):
    controller.declare(["h1", "h2"])
    removed = ("-e", "docker_fleet_remove=h2")
    output = controller.run("--tags", "anything", *removed, playbook="fleetnet.docker.remove_host")
    assert "No host was removed." in words(output)
    assert not controller.lock.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("-e", "docker_fleet_group=fleet"), "docker_fleet_group: 'fleet': is not a group of the inventory. Create it"),
        (("-e", "docker_fleet_group=empty"), "docker_fleet_group: 'empty': the group is empty. Add the fleet's"),
        (("--limit", "other"), "--limit: 'other': excludes all hosts of group 'docker_fleet'. Name one of them"),
    ],
)
def test_a_play_without_hosts_is_an_error(controller, arguments, message):
    controller.declare(["h1"])
    (controller.folder / "others.yml").write_text(json.dumps({"other": {"hosts": {"x1": {}}}, "empty": {}}))
    for name in ("plan", "site"):
        output = controller.run(
            "-i", str(controller.folder / "others.yml"), *arguments, playbook=f"fleetnet.docker.{name}", fails=True
        )
        assert message in words(output)
    controller.run("--syntax-check", "-e", "docker_fleet_group=missing", playbook="fleetnet.docker.site")


def test_another_group_name(controller):
    controller.declare(["h1"])
    inventory = controller.folder / "hosts.yml"
    inventory.write_text(inventory.read_text().replace("docker_fleet:", "engines:", 1))
    advice = "name your group in the inventory, in the group's variables, or with -e docker_fleet_group=GROUP"
    assert advice in words(controller.run(fails=True))
    assert "10.64.0.0/20" in controller.run("-e", "docker_fleet_group=engines")
    assert not controller.lock.exists()
    assert (controller.folder / "engines.lock.yml").exists()


def two_fleets(controller):
    """An inventory with the fleets docker_fleet (h1, h2) and edge (e1, e2), each with its declaration."""
    controller.declare(["h1", "h2"])
    controller.declare(["e1", "e2"], {**FLEET, "docker_fleet_group": "edge"}, name="edge.yml")
    edge = controller.folder / "edge.yml"
    edge.write_text(edge.read_text().replace("docker_fleet:", "edge:", 1))
    return "-i", str(edge)


def test_a_group_of_the_inventory(controller):
    """In a file of group_vars, and with a template, as Ansible's users set variables."""
    controller.declare(["h1", "h2"], {**FLEET, "name_of_the_fleet": "engines"})
    inventory = controller.folder / "hosts.yml"
    inventory.write_text(inventory.read_text().replace("docker_fleet:", "engines:", 1))
    (controller.folder / "group_vars").mkdir()
    (controller.folder / "group_vars" / "all.yml").write_text("docker_fleet_group: '{{ name_of_the_fleet }}'\n")
    assert "10.64.16.0/20" in controller.run()
    held = (controller.folder / "engines.lock.yml").read_text()
    assert "h2: 10.64.16.0/20" in held
    assert not controller.lock.exists()
    assert "10.64.16.0/20" in controller.run("--limit", "h2")
    assert (controller.folder / "engines.lock.yml").read_text() == held


def test_two_fleets_in_one_inventory(controller):
    more = two_fleets(controller)
    several = "docker_fleet_group: 'docker_fleet, edge': the inventory has several fleets"
    for name in PLAYBOOKS:
        output = words(controller.run(*more, playbook=f"fleetnet.docker.{name}", fails=True))
        assert f"{several}. Name one with -e docker_fleet_group=docker_fleet" in output
    assert f"{several}, and --limit 'h1,e1'" in words(controller.run(*more, "--limit", "h1,e1", fails=True))
    for selected, own in (
        (("--limit", "e2"), ("e1", "e2")),
        (("-e", "docker_fleet_group=docker_fleet"), ("h1", "h2")),
    ):
        plan = controller.folder / "plan.json"
        controller.run(*more, *selected, "-e", f"docker_fleet_plan_json_file={plan}")
        found = json.loads(plan.read_text())
        assert tuple(found["hosts"]) == tuple(peer["host"] for peer in found["peers"]) == own
    assert "e1: 10.64.0.0/20" in (controller.folder / "edge.lock.yml").read_text()
    assert "h1: 10.64.0.0/20" in controller.lock.read_text()


def test_a_host_in_two_fleets_is_an_error(controller):
    """By the variables, and by the lock files, if each run names its group."""
    more = two_fleets(controller)
    for group in ("docker_fleet", "edge"):
        controller.run(*more, "-e", f"docker_fleet_group={group}")
    edge = controller.folder / "edge.yml"
    edge.write_text(edge.read_text().replace("e2:", "h2:"))
    assert "host h2: in group 'docker_fleet' as well, which is another fleet" in words(
        controller.run(*more, "--limit", "e1", fails=True)
    )
    for playbook in ("plan", "site"):
        output = controller.run(
            *more, "-e", "docker_fleet_group=edge", playbook=f"fleetnet.docker.{playbook}", fails=True
        )
        assert "docker_fleet.lock.yml: has leases of host h2 of group 'edge', whose lock file is" in words(output)


def test_the_removal_of_a_host_names_the_group(controller):
    more = two_fleets(controller)
    output = controller.run(*more, "-e", "docker_fleet_remove=e2", playbook="fleetnet.docker.remove_host", fails=True)
    assert "Name one with -e docker_fleet_group=docker_fleet" in words(output)
    known = ("-e", "docker_fleet_group=edge", "-e", "docker_fleet_remove=h1")
    output = controller.run(*more, *known, playbook="fleetnet.docker.remove_host", fails=True)
    assert "'h1'" in words(output)


def test_a_run_for_some_hosts_names_the_others(controller):
    controller.declare(["h1", "h2", "h3"])
    assert "not in this run" not in controller.run()
    for playbook, check in (("plan", ()), ("plan", ("--check",))):
        output = words(controller.run("--limit", "h1", *check, playbook=f"fleetnet.docker.{playbook}"))
        assert "hosts h2, h3: not in this run." in output
        assert "web -> web." in output


def test_a_large_inventory_is_read_by_the_groups_of_its_hosts(controller):
    hosts = [f"h{number}" for number in range(1200)]
    inventory = {"engines": {"hosts": dict.fromkeys(hosts), "vars": {"docker_fleet_group": "engines"}}}
    (controller.folder / "hosts.yml").write_text(json.dumps({**inventory, "others": {"hosts": {"m1": {}}}}))
    output = controller.run("--limit", "m1", fails=True)
    assert "--limit: 'm1': excludes all hosts of group 'engines'" in words(output)


def test_a_host_with_another_group_is_an_error_of_the_plan(controller):
    """A play without the inventory's variables does not know that the hosts are of two fleets."""
    controller.declare({"h1": {}, "h2": {"docker_fleet_group": "engines"}})
    tasks = [{"fleetnet.docker.fleet_plan": {"lock_file": "{{ inventory_dir }}/leases.yml"}, "run_once": True}]
    play = {"hosts": "{{ lookup('fleetnet.docker.fleet_hosts') }}", "gather_facts": False, "tasks": tasks}
    (controller.folder / "own.yml").write_text(json.dumps([play]))
    output = controller.run(playbook=str(controller.folder / "own.yml"), fails=True)
    assert "host h2: docker_fleet_group: 'engines': must be the same on all hosts" in words(output)


@pytest.mark.parametrize(
    ("playbook", "task", "message"),
    [
        ("site", "Apply the plan to docker0, rules, networks and routes", "the fleet is not planned. Run the role"),
        ("plan", "Apply the plan to docker0, rules, networks and routes", "the fleet is not planned. Run the playbook"),
        ("plan", "Show what would change", "the fleet is not planned. Run the playbook from its start"),
        ("site", "Choose the probes", "the fleet is not planned. Run the role fleetnet.docker.docker_fleet_plan first"),
        ("verify", "Observe arrivals", "no probes are chosen. Run the playbook from its start"),
        ("verify", "Compare the results with the declaration", "no probes are chosen. Run the playbook from its start"),
        ("topology", "Gather facts about hosts whose differences from the plan are unknown", "Run the playbook from"),
    ],
)
def test_a_start_in_the_middle_names_what_is_missing(controller, playbook, task, message):
    controller.declare(["h1"])
    local = ("-e", "ansible_connection=local", "-e", "ansible_python_interpreter={{ ansible_playbook_python }}")
    output = controller.run("--start-at-task", task, *local, playbook=path_of(playbook), fails=True)
    assert message in words(output)
    assert "is undefined" not in words(output)
