"""The inventory of a fleet's hosts. Pure.

It contains only how to connect to the hosts. Users declare everything else in inventories of their own, in addition to
this one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from . import source
from .members import Member

GROUP = "docker_fleet"

#: The path of a socket has at most 107 characters. Ansible and ssh append 27 to the path of the folder.
MAX_SOCKET_FOLDER = 80


def render(hosts: Sequence[Member], versions: Mapping[str, str], folder: Path, sockets: Path) -> str:
    """Return an inventory in YAML. Values are JSON, a subset of YAML, so that they are quoted correctly."""
    common = {
        "ansible_user": "root",
        "ansible_ssh_private_key_file": str(folder / "id_ed25519"),
        # Detect dead connections: a recreated host can have the address of an old connection. Busy hosts have two
        # minutes to answer.
        "ansible_ssh_common_args": (
            f'-o UserKnownHostsFile="{folder / "known_hosts"}" -o GlobalKnownHostsFile=/dev/null '
            "-o StrictHostKeyChecking=yes -o IdentitiesOnly=yes -o ServerAliveInterval=5 -o ServerAliveCountMax=24"
        ),
        "ansible_python_interpreter": "/usr/bin/python3",
    }
    if len(str(sockets)) <= MAX_SOCKET_FOLDER:
        common["ansible_control_path_dir"] = str(sockets)
    lines = [
        "# Written by script/fleet: how to connect to the hosts of this fleet. `script/fleet up` overwrites it.",
        "---",
        f"{GROUP}:",
        "  vars:",
        *_mapping(common, 4),
        "  hosts:" if hosts else "  hosts: {}",
    ]
    for host in hosts:
        lines += [f"    {host.name}:", *_mapping(_variables(host, versions.get(host.name, "")), 6)]
    return "\n".join(lines) + "\n"


def _variables(host: Member, version: str) -> dict[str, Any]:
    return {
        "ansible_host": host.address,
        "docker_fleet_underlay_address": host.address,
        "docker_fleet_link": host.segment.name,
        "testbed_engine": host.engine,
        "testbed_engine_version": version,
        "testbed_firewall_backend": source.split(host.engine)[1] or source.IPTABLES,
    }


def _mapping(variables: Mapping[str, Any], indent: int) -> list[str]:
    return [f"{' ' * indent}{name}: {json.dumps(value)}" for name, value in variables.items()]
