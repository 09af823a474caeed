"""The inventory that reaches a fleet's hosts. Pure.

It says where the hosts are and no more: what they shall become is said in inventories of the user's own, given
beside this one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .members import Member

GROUP = "docker_fleet"

#: The path of a socket may have 107 characters, and Ansible and ssh append 27 to the folder's.
LONGEST_SOCKET_FOLDER = 80


def render(hosts: Sequence[Member], versions: Mapping[str, str], folder: Path, sockets: Path) -> str:
    """An inventory in YAML. Values are written as JSON, which YAML contains, so quoting is never a question."""
    common = {
        "ansible_user": "root",
        "ansible_ssh_private_key_file": str(folder / "id_ed25519"),
        # A host made anew at the same address must not be waited for in an old connection.
        "ansible_ssh_common_args": (
            f'-o UserKnownHostsFile="{folder / "known_hosts"}" -o GlobalKnownHostsFile=/dev/null '
            "-o StrictHostKeyChecking=yes -o IdentitiesOnly=yes -o ServerAliveInterval=5"
        ),
        "ansible_python_interpreter": "/usr/bin/python3",
    }
    if len(str(sockets)) <= LONGEST_SOCKET_FOLDER:
        common["ansible_control_path_dir"] = str(sockets)
    lines = [
        "# Made by script/fleet: how to reach the hosts of this fleet. `script/fleet up` writes it anew.",
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
        "docker_fleet_link": host.link.name,
        "testbed_engine": host.engine,
        "testbed_engine_version": version,
    }


def _mapping(variables: Mapping[str, Any], indent: int) -> list[str]:
    return [f"{' ' * indent}{name}: {json.dumps(value)}" for name, value in variables.items()]
