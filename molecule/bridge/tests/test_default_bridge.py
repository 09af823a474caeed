# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""State of each host after all cases: the declared docker0, and the owner's keys in daemon.json unchanged."""

from __future__ import annotations

import json

from testinfra.host import Host


def test_docker0_has_the_declared_address_and_mtu(host: Host) -> None:
    assert host.interface("docker0").addresses[0] == "10.64.0.1"
    (bridge,) = json.loads(host.check_output("docker network inspect bridge"))
    assert bridge["IPAM"]["Config"][0]["Subnet"] == "10.64.0.0/24"
    assert host.check_output("docker exec web cat /sys/class/net/eth0/mtu") == "1400"


def test_foreign_keys_their_formatting_and_the_mode_are_kept(host: Host) -> None:
    file = host.file("/etc/docker/daemon.json")
    assert file.mode == 0o640
    assert '   "log-opts": {"max-size":"10m",   "max-file": "3"},\n   "labels": ["rack=7"]' in file.content_string
    assert host.check_output("docker info -f '{{json .Labels}}'") == '["rack=7"]'


def test_the_container_without_a_restart_policy_runs(host: Host) -> None:
    assert host.check_output("docker inspect -f '{{.State.Running}}' web") == "true"


def test_nothing_is_left_over(host: Host) -> None:
    assert not host.file("/run/fleetnet/default_bridge/docker.service.pending.json").exists
    assert not host.file("/etc/systemd/system/fleetnet-default-bridge.service").exists
    assert host.run("ls -A /etc/docker | grep -v '^daemon.json' | grep -v '^key.json'").stdout == ""
