# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Record what a host's engine and iproute2 report, as the goldens of this folder hold it under ``answers``.

Runs on a host, after ``example.sh``: ``script/fleet exec h1 -- python3 -c "$(cat record.py)"``. It leaves out unused
parts.
"""

from __future__ import annotations

import json
import subprocess

import docker


def part(answer, *names):
    return {name: answer[name] for name in names if name in answer}


def listed(container):
    return part(container, "Id", "Names", "State", "HostConfig", "NetworkSettings")


def inspected(container):
    networks = {"Networks": container["NetworkSettings"]["Networks"]}
    return {"Id": container["Id"], "State": part(container["State"], "Status", "Pid"), "NetworkSettings": networks}


def ip(*arguments):
    return json.loads(subprocess.run(["ip", *arguments], check=True, stdout=subprocess.PIPE).stdout or "[]")


def short(link):
    bulky = ("info_data", "info_slave_data")
    kind = {name: value for name, value in link.get("linkinfo", {}).items() if name not in bulky}
    names = ("ifindex", "link", "ifname", "flags", "mtu", "operstate", "master", "link_type", "address", "addr_info")
    return dict(part(link, *names), linkinfo=kind)


client = docker.APIClient(version="auto")
containers = client.containers()
answers = {
    "version": part(client.version(), "Version", "ApiVersion"),
    "info": part(client.info(), "LiveRestoreEnabled", "FirewallBackend", "ContainersRunning"),
    "networks": client.networks(),
    "containers": [listed(container) for container in containers],
    "details": {container["Id"]: inspected(client.inspect_container(container["Id"])) for container in containers},
    "links": [short(link) for link in ip("-json", "-details", "address", "show")],
    "routes4": ip("-N", "-json", "-details", "-4", "route", "show", "table", "all"),
    "routes6": ip("-N", "-json", "-details", "-6", "route", "show", "table", "all"),
}
print(json.dumps({"answers": answers}, indent=1, sort_keys=True))
