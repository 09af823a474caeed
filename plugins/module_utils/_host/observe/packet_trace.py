# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tracing flows on a host: a table of our own that marks them, and nft's monitor as a passing unit of systemd.

The unit takes the table away when it ends, and ends by itself: what is left of a run that was killed is gone in a
minute.
"""

from __future__ import annotations

import contextlib
import json
import os
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.drift.difference import FILE, Difference
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import Unsupported
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.persistence.part import FIREWALL_PART, ROUTES_PART
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.trace import TRACE_TABLE, Flow
from ansible_collections.fleetnet.docker.plugins.module_utils._host.files import read_text
from ansible_collections.fleetnet.docker.plugins.module_utils._host.persistence import kernel_differences
from ansible_collections.fleetnet.docker.plugins.module_utils._host.programs.commands import CommandFailed, Commands

UNIT = "fleetnet-trace.service"
FOLDER = "/run/fleetnet"
_FILE = f"{FOLDER}/trace"
# Before everything else that may have rules; nothing that is dropped earlier can be traced.
_PRIORITY = -1000


class PacketTrace:
    """The one trace of this host."""

    def __init__(self, commands: Commands) -> None:
        for program in ("nft", "systemd-run"):
            if commands.find(program) is None:
                raise Unsupported(f"the host has no {program!r}, by which packets are traced")
        self._commands = commands

    def start(self, flows: t.Sequence[Flow], lifetime: int) -> None:
        """Trace packets of ``flows`` in both directions for ``lifetime`` seconds at most."""
        self.stop()
        os.makedirs(FOLDER, mode=0o700, exist_ok=True)
        self._commands.run("nft", "-f", "-", stdin=_table(flows))
        self._commands.run(
            "systemd-run", f"--unit={UNIT}", "--collect", "--quiet", f"--property=RuntimeMaxSec={lifetime}",
            f"--property=ExecStopPost=-nft delete table {TRACE_TABLE}",
            "/bin/sh", "-c", f"umask 077; exec nft monitor trace > {_FILE}",
        )  # fmt: skip

    def stop(self) -> tuple[str, str]:
        """End it; what the monitor printed, and the rules as they are now with their handles."""
        with contextlib.suppress(CommandFailed):  # it has ended, or there was none
            self._commands.run("systemctl", "stop", UNIT)
        with contextlib.suppress(CommandFailed):
            self._commands.run("nft", "delete", "table", *TRACE_TABLE.split())
        text = read_text(_FILE) or ""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(_FILE)
        return text, self._commands.run("nft", "-a", "list", "ruleset") if text else ""

    def lookups(self, flows: t.Mapping[Flow, str | None]) -> list[dict[str, t.Any]]:
        """For each flow, how the kernel routes it here: what ``ip route get`` tells, or ``error``.

        The flows' values are the links that they come in by; None where that is not known, and the way back is taken.
        """
        found = []
        for flow, seen in flows.items():
            back = {"dev": seen} if seen else self._route_get(flow.source)
            link = back.get("dev")
            found.append(
                self._route_get(flow.destination, "from", flow.source, "iif", link)
                if link
                else {"error": f"no way back to {flow.source}: {back.get('error')}"}
            )
        return found

    def _route_get(self, *arguments: str) -> dict[str, t.Any]:
        try:
            (route,) = json.loads(self._commands.run("ip", "-json", "route", "get", *arguments))
        except CommandFailed as failure:
            return {"error": failure.output.splitlines()[0].replace("RTNETLINK answers: ", "")}
        return t.cast("dict[str, t.Any]", route)

    def checks(self) -> list[dict[str, t.Any]]:
        """How the kernel differs from this collection's files, as differences. A script that fails counts as one."""
        found: list[Difference] = []
        for part in (FIREWALL_PART, ROUTES_PART):
            if os.path.exists(part.script):
                try:
                    found += kernel_differences(self._commands, part)
                except CommandFailed as failure:
                    found.append(Difference(FILE, part.script, "--check", "exit code 0 or 1", str(failure)))
        return [difference.to_data() for difference in found]

    def neighbours(self) -> list[dict[str, t.Any]]:
        """The host's neighbour table, as ``ip neigh`` tells."""
        return t.cast("list[dict[str, t.Any]]", json.loads(self._commands.run("ip", "-json", "neigh", "show") or "[]"))

    def queues(self) -> list[dict[str, str]]:
        """Queueing disciplines that somebody set: those that may lose packets."""
        found = []
        for line in self._commands.run("tc", "qdisc", "show").splitlines():
            words = line.split()
            if words[1] in ("netem", "tbf", "ingress", "clsact"):
                found.append({"kind": words[1], "link": words[words.index("dev") + 1], "text": line})
        return found


def _table(flows: t.Sequence[Flow]) -> str:
    rules = [
        f"{family} saddr {source} {family} daddr {destination} meta nftrace set 1"
        for flow in flows
        for family in ("ip6" if flow.version == 6 else "ip",)
        for source, destination in (flow, flow[::-1])
    ]
    body = "; ".join(rules)
    chains = "\n".join(
        f"chain {hook} {{ type filter hook {hook} priority {_PRIORITY}; policy accept; {body}; }}"
        for hook in ("prerouting", "output")
    )
    return f"table {TRACE_TABLE} {{\n{chains}\n}}\n"
