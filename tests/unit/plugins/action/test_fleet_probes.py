# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Probes and their report where Ansible's own behaviour matters: ansible-playbook runs that contact no host.

Hosts send no packet. They register a timeout for each probe, as if all flows were denied, and an answer for each name.
"""

from __future__ import annotations

import json

import pytest
import yaml

TIMEOUT = "{{ {'results': chosen.hosts[inventory_hostname] | map('combine', silence) | list} }}"
NETWORKS = [
    {
        "name": name, "id": "1", "driver": "bridge", "scope": "local", "internal": False, "attachable": False,
        "managed": True, "labels": {}, "options": {}, "subnets": [], "bridge": f"fn-{name}", "ipv6": False,
    }
    for name in ("web", "db")
]  # fmt: skip
UNSET = dict.fromkeys(("ipv6", "mac", "gateway", "ipv6_gateway", "aliases"))
TASKS = [
    {
        "fleetnet.docker.fleet_plan": {"lock_file": "{{ inventory_dir }}/lock.yml"},
        "register": "docker_fleet_plan",
        "run_once": True,
    },
    {
        "fleetnet.docker.fleet_probes": {
            "policy": "{{ docker_fleet_plan.policy }}",
            "observed": "gathered",
            "outside": "{{ machines | default([]) }}",
            "plan": "{{ compared | default(omit) }}",
        },
        "register": "chosen",
        "run_once": True,
    },
    {
        # As registered by a task that ran once with a loop.
        "ansible.builtin.set_fact": {
            "from_outside": {
                "results": [
                    {"item": "lb", "results": "{{ chosen.outside.lb | map('combine', silence) | list }}"},
                    {"item": "down", "failed": True},
                ]
            }
        },
        "when": "machines is defined",
        "run_once": True,
    },
    {"ansible.builtin.set_fact": {"sent": TIMEOUT, "arrived": {"arrivals": []}}},
    {
        "fleetnet.docker.fleet_report": {
            "policy": "{{ docker_fleet_plan.policy }}",
            "endpoints": "{{ chosen.endpoints }}",
            "container_subnets": "{{ chosen.container_subnets }}",
            "token_seed": "{{ chosen.token_seed }}",
            "results": "sent",
            "arrivals": "arrived",
            "outside_results": "from_outside",
            "unprobed": "{{ chosen.unprobed }}",
            "wrong_networks": "{{ chosen.wrong_networks }}",
            "host_findings": "{{ chosen.host_findings }}",
            "compared": "{{ plan_of_site | default(omit) }}",
            "report_dir": "{{ report | default(omit) }}",
        },
        "run_once": True,
    },
]


def report_of(block, *, more=()):
    """A host's report: a container on each network."""
    containers = [
        {"name": name, "networks": [{"network": name, "ipv4": f"10.64.{block + place}.2/24", **UNSET}]}
        for place, name in ((1, "web"), (2, "db"))
    ]
    return {"network_info": {"containers": [*containers, *more], "networks": NETWORKS}}


SILENCE = {"reached": False, "outcome": "timeout", "detail": None, "answer": ["10.64.17.2", "10.64.18.2"]}


@pytest.fixture
def more():
    """Containers that each host has besides."""
    return ()


@pytest.fixture
def run(tmp_path, more, playbook_runs):
    hosts = {
        f"h{number}": {
            "ansible_host": f"192.0.2.{number}",
            "gathered": report_of(block, more=more),
            "silence": {
                "reached": False,
                "outcome": "timeout",
                "detail": None,
                "answer": [f"10.64.{block + 1}.2", f"10.64.{block + 2}.2"],
            },
        }
        for number, block in ((1, 0), (2, 16), (3, 32))
    }
    variables = {
        "docker_fleet_supernet": "10.64.0.0/12",
        "docker_fleet_networks": ["web", "db"],
    }
    machines = {"lb": {"ansible_host": "203.0.113.7"}, "down": {}}
    groups = {"docker_fleet": {"hosts": hosts, "vars": variables}, "others": {"hosts": machines}}
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump(groups))

    def run(*arguments, fails=False, **play):
        plays = [{"hosts": "docker_fleet", "gather_facts": False, "tasks": TASKS, **play}]
        (tmp_path / "play.yml").write_text(yaml.safe_dump(plays))
        code, printed = playbook_runs.run(
            "-i", tmp_path / "hosts.yml", tmp_path / "play.yml", *arguments, folder=tmp_path
        )
        output = " ".join(printed.split())
        assert bool(code) == fails, output
        return output

    return run


def test_all_hosts_probe_each_other_also_with_one_fork(run):
    for arguments in ((), ("-f", "1")):
        output = run(*arguments, fails=True)
        assert "probes between 6 containers on 3 hosts" in output
        assert "web on h1 (web, 10.64.1.2) -> web on h2 (web, 10.64.17.2) icmp: does not pass (timeout)" in output
        assert "NOT PROBED" not in output


def test_hosts_of_one_batch_probe_each_other_and_the_others_are_named(run):
    """The results of a host of an earlier batch belong to other probes."""
    output = run(serial=1)
    assert output.count("probes between 2 containers on 1 hosts") == 3
    for others in ("h2, h3", "h1, h3", "h1, h2"):
        reason = "(failed earlier, or in another batch of serial)"
        assert f"NOT PROBED, so not proven: {others} {reason}" in output


def test_hosts_outside_of_the_limit_are_named(run):
    output = run("--limit", "h2")
    assert "probes between 2 containers on 1 hosts" in output
    assert "NOT PROBED, so not proven: h1, h3 (not in this run: excluded by --limit)" in output


SHOP = {
    "name": "shop",
    "mode": "user-defined",
    "networks": [{"network": "web", **UNSET, "ipv4": "10.64.33.3/24"}],
    "ports": [
        {"port": 80, "protocol": "tcp", "host_address": "0.0.0.0", "host_port": 8080, "nat_rules": ["x"],
         "proxy_pid": None},
    ],
}  # fmt: skip


@pytest.mark.parametrize("more", [[SHOP]])
def test_published_ports_are_probed_at_the_addresses_of_their_host(run, tmp_path):
    """By the containers of other networks, and by the hosts, since a line is about the world."""
    lines = [{"from": "world", "to": "web", "ports": 81}]
    run("-e", json.dumps({"docker_fleet_policy": lines, "report": str(tmp_path / "report")}), fails=True)
    probes = json.loads((tmp_path / "report" / "reachability.json").read_text())
    ports = [each for each in probes if each["published"]]
    assert {each["kind"] for each in ports} == {"as_declared"}
    found = {(each["source"]["host"], each["source"]["network"], each["published"]["address"]) for each in ports}
    hosts = ("1", "2", "3")
    assert found == {
        (f"h{source}", network, f"192.0.2.{target}")
        for source in hosts
        for target in hosts
        for network in ("db", "host")
        if source != target
    }
    coverage = json.loads((tmp_path / "report" / "coverage.json").read_text())
    assert [each["state"] for each in coverage["lines"]] == ["not_proven"]
    states = {(each["kind"], each["source"], each["target"]): each["state"] for each in coverage["denied"]}
    assert states["published", "db", "web"] == states["published", "world", "web"] == "proven"


@pytest.mark.parametrize("more", [[SHOP]])
def test_machines_outside_of_the_fleet_probe_published_ports(run, tmp_path):
    """One that fails has no results: its probes are not tried."""
    lines = [{"from": "world", "to": "web", "ports": 80}]
    variables = {"docker_fleet_policy": lines, "report": str(tmp_path / "report"), "machines": ["lb", "down"]}
    run("-e", json.dumps(variables), fails=True)
    probes = json.loads((tmp_path / "report" / "reachability.json").read_text())
    kinds = {each["source"]["host"]: each["kind"] for each in probes if each["source"]["kind"] == "outside"}
    assert kinds == {"lb": "blocked", "down": "not_tried"}


@pytest.mark.parametrize(
    ("name", "message"), [("h1", "is a host of the fleet"), ("x", "is not a host of the inventory")]
)
def test_machines_outside_of_the_fleet_are_in_the_inventory(run, name, message):
    output = run("-e", json.dumps({"machines": [name]}), fails=True)
    assert f"outside: '{name}': {message}" in output


BOTH = {
    "name": "both",
    "mode": "user-defined",
    "networks": [
        {"network": name, **UNSET, "ipv4": f"10.64.{third}.9/24"} for name, third in (("web", 17), ("db", 18))
    ],
}


@pytest.mark.parametrize("more", [[BOTH]])
@pytest.mark.parametrize("outcome", ["other_source", "timeout"])
def test_probes_about_another_address_of_their_source_do_not_count(run, tmp_path, outcome):
    """Only those of containers on several networks: others have no other address."""
    report = tmp_path / "report"
    run(
        "--limit",
        "h2",
        "-e",
        json.dumps({"silence": SILENCE | {"outcome": outcome}, "report": str(report)}),
        fails=True,
    )
    probes = json.loads((report / "reachability.json").read_text())
    sources = {(each["source"]["several"], each["kind"]) for each in probes if each["service"] == "tcp/9"}
    assert ((True, "as_declared") in sources) == (outcome == "timeout")
    assert ((False, "not_tried") in sources) == (outcome == "other_source")


MOVED = {
    "name": "moved",
    "mode": "user-defined",
    "networks": [{"network": "web", "ipv4": "192.168.9.2/24", **UNSET}],
}


@pytest.mark.parametrize("more", [({"name": "agent", "mode": "host", "networks": []}, MOVED)])
def test_every_container_is_accounted_for_and_one_that_is_not_in_the_plan_fails(run, tmp_path):
    output = run("--limit", "h2", "-e", f"report={tmp_path / 'report'}", fails=True)
    assert "Coverage: 2 of 4 containers, " in output
    assert "h2: host: agent: the container uses the network of the host" in output
    assert "1 container has an address that is not in the plan. See the report above." in output
    coverage = json.loads((tmp_path / "report" / "coverage.json").read_text())
    assert coverage["containers"]["running"] == 4
    direct = {
        (each["source"], each["target"]): each["state"] for each in coverage["denied"] if each["kind"] == "direct"
    }
    assert direct["web", "db"] == "proven"
    assert "<skipped" in (tmp_path / "report" / "reachability.xml").read_text()


def test_a_network_that_is_not_as_declared_fails(run):
    """The reports are without subnets."""
    output = run("--limit", "h2", "-e", "compared=docker_fleet_plan", fails=True)
    assert "h2: web: the network has no subnet instead of 10.64.17.0/24." in output
    assert "2 declared networks are missing or have other subnets. See the report above." in output


ROUTE = {"kind": "route", "name": "10.64.0.0/20 via 192.0.2.1", "key": "state", "declared": "present", "observed": None}


def test_hosts_that_site_would_change_fail_whatever_the_probes_say(run, tmp_path):
    compared = {
        "plan_of_site": "check",
        "check": {
            "changed": True,
            "differences": [ROUTE],
            "parts": {"host_routes": {"changed": True, "differences": [ROUTE]}},
        },
        "report": str(tmp_path / "report"),
    }
    (tmp_path / "compared.json").write_text(json.dumps(compared))
    output = run("--limit", "h2", "-e", f"@{tmp_path / 'compared.json'}", fails=True)
    assert "NOT AS DECLARED: 3 hosts are not as declared" in output
    assert "h2: differs from the plan. fleetnet.docker.site would: create route 10.64.0.0/20 via 192.0.2.1" in output
    hosts = json.loads((tmp_path / "report" / "hosts.json").read_text())
    assert [(each["host"], each["differences"]) for each in hosts] == [(host, [ROUTE]) for host in ("h1", "h2", "h3")]
    assert '<testsuite name="hosts" tests="3" failures="3"' in (tmp_path / "report" / "reachability.xml").read_text()
