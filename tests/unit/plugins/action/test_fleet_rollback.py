# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which generation each host returns to, and the lock file: real ansible-playbook runs that contact no host."""

from __future__ import annotations

import pytest
import yaml

from .controller import FLEET, words

A, B = "aaaa1111", "bbbb2222"


def generation(number, run, host, *names):
    """A generation of host ``host`` (1 or 2), whose networks follow docker0 in the order of ``names``."""
    block = 16 * (host - 1)
    places = {name: [f"10.64.{block + place}.0/24"] for place, name in enumerate(("docker0", *names))}
    return {
        "number": number,
        "run": run,
        "started": {A: 1769855760.0, B: 1769859360.0}[run],
        "by": "root@c1",
        "complete": True,
        "changes": [],
        "blocks": [f"10.64.{block}.0/20"],
        "subnets": places,
    }


@pytest.fixture
def rollback(controller):
    """Run the action for two hosts, both with generations of two runs. Returns its output."""
    hosts = {
        f"h{host}": {"listed": {"generations": [generation(3, A, host, "web", "db"), generation(4, B, host, "web")]}}
        for host in (1, 2)
    }
    chosen = {
        "generations": "listed",
        "lock_file": str(controller.lock),
        "to": "{{ docker_fleet_rollback_to | default(omit) }}",
    }
    tasks = [
        {"fleetnet.docker.fleet_rollback": chosen, "run_once": True, "register": "rollback"},
        {"ansible.builtin.debug": {"msg": "returns to {{ rollback.hosts }}"}, "run_once": True},
    ]
    playbook = controller.folder / "rollback.yml"
    playbook.write_text(yaml.safe_dump([{"hosts": "docker_fleet", "gather_facts": False, "tasks": tasks}]))
    controller.declare(hosts, {**FLEET, "docker_fleet_networks": ["web", "db"]})
    controller.run()

    def run(*arguments, to=None, **more):
        given = ("-e", f"docker_fleet_rollback_to={to}") if to else ()
        return words(controller.run(*given, *arguments, playbook=str(playbook), **more))

    run.hosts = hosts
    return run


def test_without_a_run_the_table_is_shown_and_nothing_changes(controller, rollback):
    before = controller.lock.read_text()
    output = rollback()
    assert "bbbb2222 2026-01-31 11:36:00 root@c1 all 2 current" in output
    assert "returns to {'h1': None, 'h2': None}" in output
    assert "changed=0" in output
    assert controller.lock.read_text() == before


def test_leases_that_the_lock_file_no_longer_has_are_restored(controller, rollback):
    whole = controller.lock.read_text()
    assert "changed=0" in rollback(to="previous")
    controller.declare(rollback.hosts, {**FLEET, "docker_fleet_networks": ["web"]})
    controller.run()
    controller.run("-e", "docker_fleet_reclaim=db")
    reclaimed = controller.lock.read_text()
    assert "db" not in reclaimed
    output = rollback("--check", "--diff", to=A)
    assert "+ db: 0.0.2.0/24" in output
    assert controller.lock.read_text() == reclaimed
    output = rollback(to=A)
    assert "returns to {'h1': 3, 'h2': 3}" in output
    assert "changed=1" in output
    assert controller.held()["departed"]["networks"] == {"db": "0.0.2.0/24"}
    assert "changed=0" in rollback(to=A)
    controller.declare(rollback.hosts, {**FLEET, "docker_fleet_networks": ["web", "db"]})
    controller.run()
    assert controller.lock.read_text() == whole


def test_a_lock_file_that_is_missing_is_an_error(controller, rollback):
    controller.lock.unlink()
    output = rollback(to="previous", fails=True)
    assert "docker_fleet.lock.yml: not found. Restore it from version control, or set docker_fleet_lock_file" in output
    assert not controller.lock.exists()


def test_a_host_that_reports_something_else_is_named(controller, rollback):
    rollback.hosts["h2"]["listed"]["generations"][0]["blocks"] = ["10.64.16.1/20"]
    controller.declare(rollback.hosts)
    output = rollback(to="previous", fails=True)
    assert "host h2: its answer cannot be used: ValueError: " in output
    assert "has host bits set. Use 10.64.16.0/20" in output
