# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verification proves each line of the policy whose ends it can observe, and that nothing that is denied passes."""

from __future__ import annotations

import json
import subprocess
import sys
import typing as t

import pytest
import yaml

from .conftest import HOSTS

# This machine connects to the hosts from outside, as the fixture world_connects does. Ansible would find its Python by
# PATH, where a version manager may have programs for versions that are not selected.
MACHINE = {
    "ansible_connection": "local", "ansible_host": "127.0.0.1", "ansible_python_interpreter": sys.executable,
}  # fmt: skip
OUTSIDE = {"others": {"hosts": {"outside": MACHINE}}}
NOT_OBSERVABLE = {
    "docker_fleet_policy[3]",  # from an address outside
    "docker_fleet_policy[4]",  # to one
    "docker_fleet_policy[8]",  # to the metadata of clouds
    "docker_fleet_policy[9]",  # to the world
}


class Report(t.NamedTuple):
    code: int
    output: str
    probes: list[dict[str, t.Any]]
    coverage: dict[str, t.Any]


@pytest.fixture(scope="module")
def report(inventory, tmp_path_factory) -> Report:
    """The report of a verification, also from this machine."""
    folder = tmp_path_factory.mktemp("report")
    (folder / "outside.yml").write_text(yaml.safe_dump(OUTSIDE), encoding="utf-8")
    variables = {"docker_fleet_report_dir": str(folder), "docker_fleet_verify_from": ["outside"]}
    inventories = [f"--inventory={path}" for path in (inventory, folder / "outside.yml")]
    command = ["ansible-playbook", *inventories, "fleetnet.docker.verify", "-e", json.dumps(variables)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    read = [json.loads((folder / name).read_text("utf-8")) for name in ("reachability.json", "coverage.json")]
    return Report(done.returncode, done.stdout, *read)


def test_nothing_that_is_denied_passes(report):
    """Also not by docker-proxy, and not to undeclared networks with IPv6, which engines before 27 leave open."""
    assert [probe for probe in report.probes if probe["passed"] and not probe["intended"]] == []
    assert report.code == 0, report.output[-3000:]


def test_each_line_is_probed_whose_ends_can_be_observed(report):
    lines = {line["path"]: line for line in report.coverage["lines"]}
    assert {path for path, line in lines.items() if line["state"] == "not_proven"} == NOT_OBSERVABLE
    assert {part["reason"] for path in NOT_OBSERVABLE for part in lines[path]["parts"]} == {"not_observable"}


def test_each_container_is_probed(report):
    """Except those on networks of one host alone."""
    containers = report.coverage["containers"]
    assert {each["reason"] for each in containers["not_probed"]} == {"host_network"}
    assert containers["probed"] == containers["running"] - 2 * len(HOSTS)


@pytest.mark.parametrize(
    ("kind", "source", "target"),
    [
        ("direct", "world", "web"),
        ("direct", "host", "db"),
        ("direct", "db", "host"),
        ("direct", "db", "world"),
        ("direct", "docker0", "db"),
        ("direct", "lab", "lab"),
        ("published", "world", "db"),
        ("published", "cache", "web"),
        ("undeclared", None, "web"),
        ("undeclared", "web", None),
        ("remote_api", "web", "host"),
    ],
)
def test_denied_traffic_is_proven(report, kind, source, target):
    (found,) = (
        each
        for each in report.coverage["denied"]
        if (each["kind"], each["source"], each["target"], each["version"]) == (kind, source, target, 4)
    )
    assert found["state"] == "proven"


def test_the_world_outside_connects_as_declared(report):
    """Port 90 of web is open to addresses, which this machine may have, so it is not probed."""
    seen = {
        (probe["target"]["network"], probe["port"]): probe["intended"]
        for probe in report.probes
        if probe["source"]["kind"] == "outside"
    }
    assert seen == {("web", 80): True, ("cache", 6379): True, ("db", 5432): False}
