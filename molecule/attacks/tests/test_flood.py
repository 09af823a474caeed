# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers that send what looks like probes while the fleet is verified make no pair of others pass or fail."""

from __future__ import annotations

import contextlib
import json
import subprocess
import typing as t

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from .book import ALLOWED

HOST = "h1"
PROBE = b"fleetnet\0\0"
# A busy machine may send too few packets during one verification to exceed what is recorded.
MOST_ATTEMPTS = 8


@pytest.fixture
def flood(observed_fleet, hosts, on_host) -> t.Iterator[None]:
    """web floods its neighbor, and db sends itself what its listener answers, on one host."""
    pids = {entry["name"]: entry["pid"] for entry in observed_fleet.host(HOST).info["containers"]}
    stations = {host.name: host.stations for host in hosts}[HOST]
    web, neighbor, db = (stations[name] for name in ("web", "neighbor", "db"))
    to_neighbor = IP(src=web.addresses[4], dst=neighbor.addresses[4]) / UDP(sport=1, dport=1, chksum=0) / Raw(PROBE)
    to_itself = IP(src=db.addresses[4], dst=db.addresses[4]) / UDP(sport=ALLOWED, dport=ALLOWED) / Raw(PROBE)
    given = {
        "flood": {"pid": pids["web"], "frame": bytes(Ether(src=web.mac, dst=neighbor.mac) / to_neighbor).hex()},
        "echo": {"pid": pids["db"], "packet": bytes(to_itself).hex(), "address": db.addresses[4]},
    }
    command = on_host(HOST, "flooder.py")
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(given) + "\n")
        process.stdin.flush()
        assert process.stdout.readline() == "ready\n"
        yield
        assert process.poll() is None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        assert process.wait(60) == 0


def verify(inventory: str, folder: t.Any) -> tuple[int, str, list[dict[str, t.Any]]]:
    """The exit code and the output of a verification, and its probes."""
    command = ["ansible-playbook", f"--inventory={inventory}", "fleetnet.docker.verify"]
    option = ["--extra-vars", json.dumps({"docker_fleet_report_dir": str(folder)})]
    done = subprocess.run([*command, *option], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, json.loads((folder / "reachability.json").read_text("utf-8"))


def is_attacked(probe: dict[str, t.Any]) -> bool:
    return (probe["target"]["host"], probe["target"]["container"]) in ((HOST, "neighbor"), (HOST, "db"))


@pytest.mark.usefixtures("flood")
def test_a_flood_of_probes_is_named_and_concerns_no_other_pair(inventory, tmp_path):
    for _attempt in range(MOST_ATTEMPTS):
        code, output, probes = verify(inventory, tmp_path)
        wrong = [probe for probe in probes if probe["kind"] != "as_declared"]
        assert [probe for probe in wrong if not is_attacked(probe)] == []
        if code != 0:
            break
    assert {probe["target"]["container"] for probe in wrong if probe["kind"] == "not_observed"} == {"neighbor"}
    named = f"host {HOST} did not record all probes that arrived at container neighbor"
    assert named in " ".join(output.split())
