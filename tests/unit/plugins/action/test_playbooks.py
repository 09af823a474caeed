# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Playbooks with tags, limits and group names that select too little."""

from __future__ import annotations

import json
import pathlib

import pytest

from .controller import words

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
    assert "name your group with -e docker_fleet_group=GROUP" in words(controller.run(fails=True))
    assert "10.64.0.0/20" in controller.run("-e", "docker_fleet_group=engines")


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
