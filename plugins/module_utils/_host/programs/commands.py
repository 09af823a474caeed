# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run programs on the host: the port that adapters use, and its implementation for modules."""

from __future__ import annotations

import json
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.readable import reads

if t.TYPE_CHECKING:  # programs of this collection on hosts run without Ansible
    from ansible.module_utils.basic import AnsibleModule


class CommandFailed(FleetnetError):
    """A program on the host failed; the text contains the command line, the exit code and the output."""

    def __init__(self, argv: t.Sequence[str], code: int, output: str) -> None:
        self.code = code
        self.output = output.strip("\n")  # a script's records may end with a tab
        super().__init__(f"'{' '.join(argv)}' failed with exit code {code}: {self.output.strip() or 'no output'}")


class Commands(t.Protocol):
    """The port: run a program and return its standard output. Raises CommandFailed."""

    def run(self, *argv: str, stdin: str | None = None) -> str: ...

    def find(self, program: str) -> str | None:
        """Path of ``program``, None if the host does not have it."""


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
        # sbin, with nft, ip and iptables, is not on the PATH of every remote user.
        path = self._module.get_bin_path(program, opt_dirs=["/usr/sbin", "/sbin", "/usr/local/sbin"])
        return str(path) if path else None


def run_json(commands: Commands, *argv: str) -> t.Any:
    """Run a program that prints JSON (``ip -json``); empty output means an empty list, as in iproute2."""
    return parse_json(commands.run(*argv), " ".join(argv))


def parse_json(text: str, source: str) -> t.Any:
    """Parse the output of ``source``. Raises Unreadable if it is not JSON."""
    return reads(source)(json.loads)(text) if text.strip() else []
