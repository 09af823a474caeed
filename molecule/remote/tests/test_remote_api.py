# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""State of each host after all cases: one address, files that only root can read, a container that kept running."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from testinfra.host import Host

FOLDER = "/etc/fleetnet/remote_api"


def test_the_engine_listens_on_the_underlay_address_and_its_socket(host: Host) -> None:
    address = host.ansible.get_variables()["docker_fleet_underlay_address"]
    sockets = host.check_output("ss -Hltnp | grep dockerd | awk '{ print $4 }'").split()
    assert sockets == [f"{address}:2376"]
    assert host.run("docker --host unix:///var/run/docker.sock version").rc == 0


def test_only_root_can_read_the_files_on_the_host(host: Host) -> None:
    assert host.file(FOLDER).mode == 0o700
    for name in ("ca.pem", "cert.pem", "key.pem"):
        assert host.file(f"{FOLDER}/{name}").mode == 0o600


def test_only_its_owner_can_read_the_authority() -> None:
    folder = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "authority")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert {path.name for path in files} >= {"ca-key.pem", "ca.pem", "key.pem", "cert.pem"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


def test_the_container_was_never_interrupted(host: Host) -> None:
    before = host.check_output("cat /root/started")
    assert host.check_output("docker inspect -f '{{.State.StartedAt}} {{.State.Pid}}' web") == before
    assert host.check_output("docker exec web ps | grep -c '[h]ttpd'") == "1"


def test_the_owners_file_is_unchanged(host: Host, firewall_backend: str) -> None:
    file = host.file("/etc/docker/daemon.json")
    backend = ', "firewall-backend": "nftables"' if firewall_backend == "nftables" else ""
    assert file.content_string == f'{{\n   "labels": ["rack=7"]{backend}\n}}\n'
    assert file.mode == 0o640
    assert host.check_output("docker info -f '{{.LiveRestoreEnabled}} {{.Labels}}'") == "false [rack=7]"


def test_the_network_was_created_from_another_host(host: Host) -> None:
    names = host.check_output("docker network ls --filter name=from- --format '{{.Name}}'").split()
    client = {"h1": "h3", "h2": "h1", "h3": "h2"}[host.ansible.get_variables()["inventory_hostname"]]
    assert names == [f"from-{client}"]


def test_nothing_is_left_over(host: Host) -> None:
    assert host.run("ls -A /run/fleetnet/remote_api").stdout == ""
    assert host.run("ls -A /etc/docker | grep -v '^daemon.json$' | grep -v '^key.json$'").stdout == ""
