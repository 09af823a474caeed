# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bridges that an engine leaves when it fails to create a network, for example if firewalld rejects the bridge.

A left-over bridge of this collection is recognized by a record under /run, which the collection writes before it
requests a network whose bridge does not exist, and deletes as soon as the engine has answered and the bridge belongs to
a network or is removed. Like bridges, the record does not outlive a reboot. A left-over has no ports. All other bridges
belong to others, and are never removed.
"""

from __future__ import annotations

import json
import os
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.constants import RUN_FOLDER
from ansible_collections.fleetnet.docker.plugins.module_utils._host.files import read_text, remove, write_atomically
from ansible_collections.fleetnet.docker.plugins.module_utils._host.programs.commands import Commands

_RECORD = f"{RUN_FOLDER}/networks/requested-bridges.json"


class RecordedBridges:
    """The bridges that this collection has requested on this host."""

    def __init__(self, commands: Commands, record: str = _RECORD, folder: str = "/sys/class/net") -> None:
        self._commands = commands
        self._record = record
        self._folder = folder

    def requested(self) -> frozenset[str]:
        text = read_text(self._record)
        try:
            return frozenset(json.loads(text)) if text else frozenset()
        except ValueError:
            return frozenset()

    def left_over(self) -> frozenset[str]:
        return frozenset(filter(self._is_bridge_without_ports, self.requested()))

    def request(self, name: str) -> None:
        if not os.path.exists(os.path.join(self._folder, name)):
            self._save(self.requested() | {name})

    def settle(self, name: str) -> None:
        requested = self.requested()
        if name in requested:
            self._save(requested - {name})

    def remove(self, name: str) -> None:
        if name in self.left_over():
            self._commands.run("ip", "link", "delete", "dev", name, "type", "bridge")
        self.settle(name)

    def _is_bridge_without_ports(self, name: str) -> bool:
        try:
            return not os.listdir(os.path.join(self._folder, name, "brif"))
        except OSError:  # it does not exist, or is not a bridge
            return False

    def _save(self, names: t.Collection[str]) -> None:
        if names:
            write_atomically(self._record, json.dumps(sorted(names)))
        else:
            remove(self._record)
