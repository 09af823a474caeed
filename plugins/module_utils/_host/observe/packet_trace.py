# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Trace flows on a host with tables that mark their packets, and nft's monitor as a transient systemd unit.

The unit has a time limit and deletes the tables when it ends, so nothing remains of a run that was killed.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.constants import RUN_FOLDER
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.drift.difference import FILE, Difference
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import Unsupported
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.path_state import PathState
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.persistence.part import FIREWALL_PART, ROUTES_PART
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.trace import TRACE_TABLES, Flow
from ansible_collections.fleetnet.docker.plugins.module_utils._host.files import read_text, remove, write_atomically
from ansible_collections.fleetnet.docker.plugins.module_utils._host.observe.path_state import (
    parse_counters,
    read_counters,
    read_neighbours,
    read_path_state,
    route_get,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.persistence import kernel_differences
from ansible_collections.fleetnet.docker.plugins.module_utils._host.programs.commands import (
    CommandFailed,
    Commands,
)

UNIT = "fleetnet-trace.service"
_FILE = f"{RUN_FOLDER}/trace"
_COUNTERS = f"{RUN_FOLDER}/trace.counters"
# Before all other rules: packets dropped earlier are not traced.
_PRIORITY = -1000
# NETLINK_NETFILTER, and the bit of the group NFNLGRP_NFTRACE.
_PROTOCOL, _GROUP = "12", 1 << 8
_LIMIT = 60.0  # of the monitor to listen or to write, in seconds; it takes milliseconds if the host is not busy
_PAUSE = 0.05


def queued_bytes(sockets: str, pid: str) -> int | None:
    """Return how much the trace monitor has not yet read; None if the process does not listen for traces.

    ``sockets`` is the text of /proc/net/netlink: address, protocol, port (the PID), groups, queued bytes, ...
    """
    for line in sockets.splitlines()[1:]:
        _address, protocol, port, groups, queued = line.split()[:5]
        if (protocol, port) == (_PROTOCOL, pid) and int(groups, 16) & _GROUP:
            return int(queued)
    return None


class Incoming(t.NamedTuple):
    """How the packets of a flow arrive: the incoming interface and the firewall mark, if known."""

    link: str | None = None
    mark: str | None = None


class PacketTrace:
    """The trace of this host; there is at most one."""

    def __init__(self, commands: Commands) -> None:
        for program in ("nft", "systemd-run"):
            if commands.find(program) is None:
                raise Unsupported(f"program {program!r} not found on the host. Install it (Debian: nftables, systemd).")
        self._commands = commands

    def start(self, flows: t.Sequence[Flow], lifetime: int) -> None:
        """Trace packets of ``flows`` in both directions for at most ``lifetime`` seconds."""
        self.stop()
        os.makedirs(RUN_FOLDER, mode=0o700, exist_ok=True)
        # The unit first: when it ends, it deletes the table, even if this process is killed.
        self._commands.run(
            "systemd-run", f"--unit={UNIT}", "--collect", "--quiet", f"--property=RuntimeMaxSec={lifetime}",
            *(f"--property=ExecStopPost=-nft delete table {table}" for table in TRACE_TABLES),
            "/bin/sh", "-c", f"umask 077; exec nft monitor trace > {_FILE}",
        )  # fmt: skip
        try:
            # The unit is started before nft listens, and packets that are sent until then are not traced.
            self._await(lambda queued: queued is not None)
            self._commands.run("nft", "-f", "-", stdin=_table(TRACE_TABLES[0], ("prerouting", "output"), flows))
            with contextlib.suppress(CommandFailed):  # a kernel without tables for bridges
                self._commands.run("nft", "-f", "-", stdin=_table(TRACE_TABLES[1], ("prerouting",), flows))
            write_atomically(_COUNTERS, json.dumps(read_counters(self._commands)), mode=0o600)
        except CommandFailed:
            self.stop()
            raise

    def stop(self) -> tuple[str, str]:
        """Stop the trace. Returns what the monitor printed, and the current rules with their handles."""
        self._await(lambda queued: not queued)  # otherwise the end of the trace is missing
        with contextlib.suppress(CommandFailed):  # it has ended, or none ran
            self._commands.run("systemctl", "stop", UNIT)
        for table in TRACE_TABLES:
            with contextlib.suppress(CommandFailed):
                self._commands.run("nft", "delete", "table", *table.split())
        text = read_text(_FILE) or ""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(_FILE)
        return text, self._commands.run("nft", "-a", "list", "ruleset") if text else ""

    def _await(self, accept: t.Callable[[int | None], bool]) -> None:
        """Wait until ``accept`` accepts the monitor's queue, the monitor has ended, or the limit is over."""
        deadline = time.monotonic() + _LIMIT
        while time.monotonic() < deadline:
            pid = self._commands.run("systemctl", "show", "--property=MainPID", "--value", UNIT).strip()
            if pid == "0" or accept(queued_bytes(read_text("/proc/net/netlink") or "", pid)):
                return
            time.sleep(_PAUSE)

    def state(self) -> PathState:
        """What else decides about packets on this host, with what was dropped during the trace, which has ended."""
        before = parse_counters(read_text(_COUNTERS))
        remove(_COUNTERS)
        return read_path_state(self._commands, before)

    def lookups(self, flows: t.Mapping[Flow, Incoming]) -> list[dict[str, t.Any]]:
        """How the kernel routes each flow on this host: the output of ``ip route get``, or ``error``.

        If the incoming interface is not known, the route back to the source decides.
        """
        found = []
        for flow, arrival in flows.items():
            back = {"dev": arrival.link} if arrival.link else route_get(self._commands, flow.source)
            device = back.get("dev")
            mark = ("mark", arrival.mark) if arrival.mark else ()
            found.append(
                {
                    **route_get(self._commands, flow.destination, "from", flow.source, "iif", device, *mark),
                    "iif": device,
                    "mark": arrival.mark,
                }
                if device
                else {"error": f"no route back to {flow.source}: {back.get('error')}"}
            )
        return found

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
        """The host's neighbour table, as ``ip neigh`` reports it."""
        return read_neighbours(self._commands)


def _table(table: str, hooks: t.Sequence[str], flows: t.Sequence[Flow]) -> str:
    rules = [
        f"{family} saddr {source} {family} daddr {destination} meta nftrace set 1; "
        for flow in flows
        for family in ("ip6" if flow.version == 6 else "ip",)
        for source, destination in (flow, flow[::-1])
    ]
    body = "".join(rules)
    chains = "\n".join(
        f"chain {hook} {{ type filter hook {hook} priority {_PRIORITY}; policy accept; {body}}}" for hook in hooks
    )
    return f"table {table} {{\n{chains}\n}}\n"
