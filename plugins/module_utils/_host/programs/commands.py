# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Running programs on the host: the port that adapters take, and its one real implementation."""

from __future__ import annotations

import json
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError


class CommandFailed(FleetnetError):
    """A program on the host exited with an error; the text holds the command line, the code and its last words."""

    def __init__(self, argv: t.Sequence[str], code: int, output: str) -> None:
        self.argv = list(argv)
        self.code = code
        self.output = output.strip("\n")  # a script's records may end with a tab
        super().__init__(f"'{' '.join(argv)}' failed with exit code {code}: {self.output.strip() or 'no output'}")


class Commands(t.Protocol):
    """The port: run a program and get its standard output, or CommandFailed."""

    def run(self, *argv: str, stdin: str | None = None) -> str: ...

    def find(self, program: str) -> str | None:
        """Path of ``program``, or None where the host does not have it."""


class ModuleCommands:
    """Commands through AnsibleModule.run_command: no shell, C locale, logged by Ansible."""

    def __init__(self, module: AnsibleModule) -> None:
        self._module = module

    def run(self, *argv: str, stdin: str | None = None) -> str:
        code, out, err = self._module.run_command(list(argv), data=stdin, handle_exceptions=False)
        if code:
            raise CommandFailed(argv, code, err or out)
        return str(out)

    def find(self, program: str) -> str | None:
        # sbin is not on the PATH of every remote user; nft, ip and iptables live there.
        path = self._module.get_bin_path(program, opt_dirs=["/usr/sbin", "/sbin", "/usr/local/sbin"])
        return str(path) if path else None


def run_json(commands: Commands, *argv: str) -> t.Any:
    """Run a program that prints JSON (``ip -json``); empty output is an empty list, as iproute2 means it."""
    text = commands.run(*argv)
    return json.loads(text) if text.strip() else []
