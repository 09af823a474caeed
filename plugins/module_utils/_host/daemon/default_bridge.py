# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Observe a host for ``default_bridge``, execute its plan, and restore the former state if that fails."""

from __future__ import annotations

import contextlib
import json
import time
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon import config, flags, own_bridge
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.keys import RELOAD, RESTART
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.log import failure_lines
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.observed import (
    VALIDATES,
    ObservedDaemon,
    RunningContainer,
    names_of,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.overlap import AddressesInUse
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.plan import (
    NOTHING_CHANGED,
    DaemonPlan,
    DesiredDaemon,
    joined,
    option_changes,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.links_and_routes import LinkReport
from ansible_collections.fleetnet.docker.plugins.module_utils._host.daemon.run_records import RunRecords
from ansible_collections.fleetnet.docker.plugins.module_utils._host.daemon.unit import (
    POLL_SECONDS,
    RELOAD_SECONDS,
    Before,
    Daemon,
    before_change,
    logged_failure,
    restore_limit,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.engine.networks import list_networks
from ansible_collections.fleetnet.docker.plugins.module_utils._host.engine.port import Engine, EngineError, read_info
from ansible_collections.fleetnet.docker.plugins.module_utils._host.files import (
    back_up,
    read_text,
    remove,
    write_atomically,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.observe.host_state import (
    read_control_path,
    read_resolver,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.programs.commands import Commands
from ansible_collections.fleetnet.docker.plugins.module_utils._host.programs.iproute import (
    ip_program,
    read_links,
    read_routes,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.programs.systemctl import refuse_masked

RESUME_SECONDS = 30.0  # until a container runs after its start


class DefaultBridgeExecutor:
    """One host: its daemon, its engine's API (reconnected after each restart), its kernel."""

    def __init__(
        self, commands: Commands, daemon: Daemon, records: RunRecords, connect: t.Callable[[], Engine], seconds: float
    ) -> None:
        self._commands = commands
        self._daemon = daemon
        self._records = records
        self._connect = connect
        self._seconds = seconds

    def invocation(self) -> str:
        """Identifies the daemon's process."""
        return self._daemon.unit().invocation

    def observe(self) -> ObservedDaemon:
        """Return the observed state.

        Raises FleetnetError if the daemon is down, BrokenFile if its file is the reason.
        """
        unit = self._daemon.unit()
        path = unit.config_file
        text = read_text(path)
        parsed = config.parse(text or "", path)
        if not unit.runs:
            flags.check_flags(parsed, unit.argv, path, unit.name)
            # No connection: through docker.socket it would start the daemon. A stopped unit has no failure to report.
            log = failure_lines(self._daemon.log_since(time.time() - 86400)) if unit.active == "failed" else []
            last = f" Its last log line: {log[-1]}" if log else ""
            raise FleetnetError(
                f"{unit.name} is {unit.active}, and default_bridge compares with the running daemon. Start it first "
                f"(systemctl start {unit.name}).{last}"
            )
        engine = self._connect()
        version = tuple(engine.version)
        bridge = _get(engine, "/networks/bridge")
        links = read_links(self._commands)
        refuse_masked([own_bridge.UNIT_FILE])
        unfinished = self._records.unfinished_run()
        running = running_containers(engine)
        awaited = unfinished.containers if unfinished else ()
        observed = ObservedDaemon(
            version=version,
            path=path,
            unit=unit.name,
            text=text,
            startup=self._records.startup_config(unit, path, text),
            argv=unit.argv,
            info=read_info(engine),
            bridge=bridge,
            addresses=frozenset(),
            containers=running,
            to_resume=tuple(container for container in awaited if is_stopped(engine, container)),
            help_text=self._daemon.help_text(unit.argv) if version < VALIDATES else "",
            in_use=_addresses_in_use(self._commands, engine, links),
            own_unit=read_text(own_bridge.UNIT_FILE),
            ip_program=ip_program(self._commands),
        )
        own = [link["addresses"] for link in links if link["name"] == observed.bridge_name]
        return observed._replace(addresses=frozenset(own[0] if own else ()))

    def recover(self) -> str | None:
        """Restore the former file and start the daemon if an earlier run was killed and the daemon is down.

        Returns what was done, None if nothing was.
        """
        unfinished = self._records.unfinished_run()
        unit = self._daemon.unit()
        if unfinished is None or unit.runs:
            return None
        _write(unit.config_file, unfinished.before)
        self._daemon.restart(restore_limit(self._seconds))
        return f"restore {unit.config_file} and start {unit.name}: an interrupted run left it {unit.active}"

    def validate(self, plan: DaemonPlan, observed: ObservedDaemon) -> None:
        """Validate the plan's file by the host's own dockerd, if it supports that."""
        if observed.version >= VALIDATES and (plan.writes or plan.signal):
            self._daemon.validate(plan.after or "{}", observed.argv)

    def execute(self, plan: DaemonPlan, desired: DesiredDaemon, observed: ObservedDaemon) -> str | None:
        """Execute the plan; returns the backup's path. On failure restores everything and raises FleetnetError."""
        before = before_change(self._daemon)
        backup = None
        if not plan.changed:
            self._records.end_run()  # of an interrupted run that left nothing to do
            return None
        self._records.begin_run(plan.before, plan.resume)
        if plan.writes:
            if plan.signal != RESTART:
                self._records.record_startup_config(self._daemon.unit(), observed.startup)
            backup = self._swap(plan)
        try:
            self._apply(plan, desired)
        except (FleetnetError, OSError) as error:
            raise self._restore(plan, error, before) from error
        self._records.end_run()
        return backup

    def _swap(self, plan: DaemonPlan) -> str | None:
        try:
            backup = back_up(plan.path)
            _write(plan.path, plan.after)
        except OSError as error:
            self._records.end_run()
            raise FleetnetError(f"cannot replace {plan.path}: {error}. {NOTHING_CHANGED}") from error
        return backup

    def _apply(self, plan: DaemonPlan, desired: DesiredDaemon) -> None:
        if plan.stop:
            engine = self._connect()
            for container in plan.stop:
                engine.post(f"/containers/{container.id}/stop")
        if plan.delete_bridge:
            self._daemon.delete_bridge(plan.delete_bridge)
        if plan.interim is not None:
            self._start_once_with(plan.interim, plan, self._seconds)
            _write(plan.path, plan.after)
        self._activate(plan, plan.own_unit, self._seconds)
        if plan.resume:
            resume_containers(self._connect(), plan.resume)
        if plan.signal:
            self._verify(plan, desired)

    def _start_once_with(self, interim: str, plan: DaemonPlan, seconds: float) -> None:
        """Let the daemon forget the address of its bridge, by a start without one; daemon.json keeps ``interim``."""
        _write(plan.path, interim)
        self._daemon.restart(seconds)

    def _activate(self, plan: DaemonPlan, own_unit: str | None, seconds: float) -> None:
        """Let the daemon read its file, and use the bridge that ``own_unit`` creates. A restart has ``seconds``."""
        if plan.writes_unit:
            self._daemon.install_own_bridge(own_unit)
        if plan.signal == RESTART:
            self._daemon.restart(seconds)
        elif plan.signal == RELOAD:
            self._daemon.reload()

    def _verify(self, plan: DaemonPlan, desired: DesiredDaemon) -> None:
        deadline = time.monotonic() + RELOAD_SECONDS
        missing = option_changes(desired, self.observe())
        while missing and plan.signal == RELOAD and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
            missing = option_changes(desired, self.observe())
        if missing:
            raise FleetnetError(f"not in effect after the {plan.signal} of {plan.unit}: {joined(missing)}.")

    def restore(self, plan: DaemonPlan) -> None:
        """Restore the file, the daemon and the containers that were there before the plan. Raises FleetnetError."""
        seconds = restore_limit(self._seconds)
        if plan.interim_before is not None:
            with contextlib.suppress(FleetnetError, OSError):  # the start with the former file counts
                self._start_once_with(plan.interim_before, plan, seconds)
        if plan.writes or plan.interim_before is not None:
            _write(plan.path, plan.before)
        self._activate(plan, plan.own_unit_before, seconds)
        if plan.resume:
            resume_containers(self._connect(), plan.resume)

    def _restore(self, plan: DaemonPlan, error: Exception, before: Before) -> FleetnetError:
        """Restore file, daemon and containers; returns the error to raise, with the reason from the daemon's log."""
        log = logged_failure(self._daemon, before)
        reason = str(error).rstrip(".")
        try:
            self.restore(plan)
        except (FleetnetError, OSError) as second:
            # The run stays unfinished: the next one tries again.
            return FleetnetError(f"{reason}.{log} Restoring the former {plan.path} failed as well: {second}")
        self._records.end_run()
        return FleetnetError(f"{reason}. The former {plan.path} is restored and {plan.unit} runs with it.{log}")


def _write(path: str, text: str | None) -> None:
    if text is None:
        remove(path)
    else:
        write_atomically(path, text)


def _get(engine: Engine, path: str) -> t.Any:
    try:
        return engine.get(path)
    except EngineError as error:
        if error.status != 404:
            raise
        return None


def running_containers(engine: Engine) -> tuple[RunningContainer, ...]:
    """Return the running containers, oldest first, so that one that shares another's network comes after it.

    Tasks of a swarm are left out: the swarm replaces them itself, under other names.
    """
    listed = engine.get("/containers/json", filters=json.dumps({"status": ["running", "paused"]}))
    found = []
    for item in listed:
        if "com.docker.swarm.task.id" in (item.get("Labels") or {}):
            continue
        detail = _get(engine, f"/containers/{item['Id']}/json")
        if detail is not None:
            removes = bool(detail["HostConfig"].get("AutoRemove"))
            container = RunningContainer(item["Id"], detail["Name"].lstrip("/"), removes)
            found.append((detail["State"]["StartedAt"], container))
    return tuple(container for started, container in sorted(found))


def is_stopped(engine: Engine, container: RunningContainer) -> bool:
    """Whether the container exists and does not run."""
    detail = _get(engine, f"/containers/{container.id}/json")
    return detail is not None and not detail["State"]["Running"]


def resume_containers(engine: Engine, containers: t.Sequence[RunningContainer]) -> None:
    """Start the containers that do not run and wait until they run; deleted containers are ignored.

    Raises FleetnetError for a container that does not.
    """
    for container in containers:
        if is_stopped(engine, container):
            try:
                engine.post(f"/containers/{container.id}/start")
            except EngineError as error:
                raise FleetnetError(f"container {container.name} does not start: {error}") from error
    deadline = time.monotonic() + RESUME_SECONDS
    waiting = [container for container in containers if is_stopped(engine, container)]
    while waiting and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
        waiting = [container for container in waiting if is_stopped(engine, container)]
    if waiting:
        raise FleetnetError(f"these containers no longer run: {names_of(waiting)}.")


def _addresses_in_use(commands: Commands, engine: Engine, links: t.Sequence[LinkReport]) -> AddressesInUse:
    networks = [
        (network["Name"], entry["Subnet"])
        for network in list_networks(engine)
        for entry in (network.get("IPAM") or {}).get("Config") or []
        if network["Name"] != "bridge" and entry.get("Subnet")
    ]
    path = read_control_path()
    return AddressesInUse(
        links=links,
        routes=read_routes(commands),
        networks=tuple(networks),
        name_servers=tuple(read_resolver()),
        client=path["client"] if path else None,
    )
