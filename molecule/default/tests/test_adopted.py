# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A network that the hosts had before is part of the fleet, and it and its containers are as they were.

One host left the fleet since, and returned.
"""

from __future__ import annotations

import concurrent.futures
import json
import os
import re
import subprocess
import typing as t

import pytest
import testinfra

from .expected import ADOPTED, FLEET

WORLD = "198.51.100.1"
COMPOSE = {"com.docker.compose.project": "shop", "com.docker.compose.network": "default"}


def test_nothing_changed(host, me, docker_network):
    check_unchanged(host)
    network = docker_network(ADOPTED)
    assert (network.subnet, network.labels, network.managed) == (me.kept, COMPOSE, True)
    assert network.bridge == f"br-{network.entry['id'][:12]}"


@pytest.mark.parametrize("target", FLEET)
def test_its_containers_reach_each_other(probes, container, target):
    assert probes.ping("shop", container("shop", target).address)


@pytest.mark.parametrize("target", FLEET)
def test_declared_traffic_passes_with_its_source_address(probes, container, target):
    answer = probes.ask("web", container("shop", target).address, 80)
    assert answer is not None
    assert f"{container('web').address}:" in answer


@pytest.mark.parametrize("target", FLEET)
def test_undeclared_traffic_does_not_pass(probes, once, container, target):
    """The tests before show that the targets answer."""
    shop, web, db = (container(name, target).address for name in ("shop", "web", "db"))
    assert not once.ping("web", shop)
    assert once.ask("db", shop, 80) is None
    assert once.ask("shop", db, 5432) is None
    assert once.ask("shop", web, 80) is None
    assert probes.ask("shop", shop, 80) is not None


def test_egress_is_masqueraded(probes, me, underlay):
    page = probes.fetch("shop", f"http://{WORLD}/")
    assert page is not None
    assert page.strip() == underlay[me.name]


def test_it_is_given_back_and_adopted_again_as_check_mode_says(inventory):
    """Until it is declared again, it is an undeclared network."""
    hosts = {name: testinfra.get_host(f"ansible://{name}", ansible_inventory=inventory) for name in FLEET}
    without = {"docker_fleet_networks": ["web", "db"], "docker_fleet_policy": []}
    try:
        assert changes(inventory, without) == {name: [f"release network {ADOPTED} (prune)"] for name in FLEET}
        with concurrent.futures.ThreadPoolExecutor(len(hosts)) as pool:
            list(pool.map(check_unchanged, hosts.values()))
    finally:
        adopted = changes(inventory, {})
    assert adopted == {name: [f"adopt network {ADOPTED}"] for name in FLEET}


def changes(inventory: str, declared: dict[str, t.Any]) -> dict[str, list[str]]:
    """Apply a declaration; return what changes networks on each host, which check mode must predict with all else."""
    predicted, done = (applied(inventory, declared, *arguments) for arguments in (["--check"], []))
    for name in FLEET:
        for key in ("changed", "operations", "differences", "interrupted"):
            assert predicted[name][key] == done[name][key], f"{name}: {key}"
    return {name: done[name]["parts"]["networks"]["operations"] for name in FLEET}


def applied(inventory: str, declared: dict[str, t.Any], *arguments: str) -> dict[str, t.Any]:
    """The result of the task that applies a plan, by host."""
    variables = json.dumps({**declared, "docker_fleet_verify": False})
    command = ["ansible-playbook", "--inventory", inventory, "fleetnet.docker.site", "-v", "-e", variables, *arguments]
    # one line per result
    environment = {**os.environ, "ANSIBLE_CALLBACK_RESULT_FORMAT": "json", "ANSIBLE_FORCE_COLOR": "0"}
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    results = re.findall(r"^(?:ok|changed): \[(\w+)\] => (\{.*\})$", done.stdout, re.MULTILINE)
    return {name: result for name, text in results for result in [json.loads(text)] if "parts" in result}


def check_unchanged(host: t.Any) -> None:
    """Compare with what converge.yml recorded before the hosts were managed."""
    host.check_output(f"docker network inspect {ADOPTED} | diff /root/shop_network.json -")
    before = json.loads(host.check_output("cat /root/shop_container.json"))
    assert json.loads(host.check_output("docker container inspect shop")) == before
