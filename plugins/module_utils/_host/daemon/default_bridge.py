# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading the host for ``default_bridge``, executing its plan, and putting the former state back where that fails."""

from __future__ import annotations

import json
import time
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon import check, config, own_bridge
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.journal import errors_in, telling_lines
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.keys import RELOAD, RESTART
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.observe import (
    ObservedDaemon,
    RunningContainer,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.overlap import Surroundings
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.plan import (
    DaemonPlan,
    DesiredDaemon,
    still_missing,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.host import LinkReport
from ansible_collections.fleetnet.docker.plugins.module_utils._host.daemon.state import State
from ansible_collections.fleetnet.docker.plugins.module_utils._host.daemon.unit import POLL_SECONDS, Daemon
from ansible_collections.fleetnet.docker.plugins.module_utils._host.engine.port import Engine, EngineError
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

RELOAD_SECONDS = 10.0  # dockerd takes a SIGHUP at once; this is for a machine under load
RESUME_SECONDS = 30.0  # for a container to run after it was started again


class DefaultBridgeExecutor:
    """One host: its daemon, its engine's API (connected anew after each restart), its kernel."""

    def __init__(
        self, commands: Commands, daemon: Daemon, state: State, connect: t.Callable[[], Engine], seconds: float
    ) -> None:
        self._commands = commands
        self._daemon = daemon
        self._state = state
        self._connect = connect
        self._seconds = seconds

    def observe(self) -> ObservedDaemon:
        """Raises FleetnetError, in one line, where the daemon is down; BrokenFile where its file is the reason."""
        unit = self._daemon.unit()
        path = unit.config_file
        text = read_text(path)
        parsed = config.parse(text or "", path)
        if unit.active not in ("active", "activating", "reloading"):
            check.check_flags(parsed, unit.argv, path, unit.name)
            # Not even a connection is tried: through docker.socket it would start the daemon behind its owner's back.
            # A unit that somebody has stopped has nothing to explain.
            log = telling_lines(self._daemon.log_since(time.time() - 86400)) if unit.active == "failed" else []
            last = f"; its last words: {log[-1]}" if log else ""
            raise FleetnetError(
                f"{unit.name} is {unit.active}, and default_bridge compares with the running daemon: start it first "
                f"(systemctl start {unit.name}){last}"
            )
        engine = self._connect()
        version = tuple(engine.version)
        bridge = _get(engine, "/networks/bridge")
        links = read_links(self._commands)
        pending = self._state.pending()
        running = running_containers(engine)
        awaited = pending.containers if pending else ()
        observed = ObservedDaemon(
            version=version,
            path=path,
            unit=unit.name,
            text=text,
            startup=self._state.startup(unit, path, text),
            argv=unit.argv,
            info=engine.get("/info"),
            bridge=bridge,
            addresses=frozenset(),
            containers=running,
            to_resume=tuple(container for container in awaited if _stopped(engine, container)),
            help_text=self._daemon.help_text(unit.argv) if version < (23, 0) else "",
            around=_surroundings(self._commands, engine, links),
            own_unit=read_text(own_bridge.UNIT_FILE),
            ip_program=ip_program(self._commands),
        )
        mine = [link["addresses"] for link in links if link["name"] == observed.bridge_name]
        return observed._replace(addresses=frozenset(mine[0] if mine else ()))

    def recover(self) -> str | None:
        """Where an earlier run was killed and the daemon is down: put the former file back and start it.

        Returns what was done, None where there was nothing to do.
        """
        pending = self._state.pending()
        unit = self._daemon.unit()
        if pending is None or unit.active in ("active", "activating", "reloading"):
            return None
        _put(unit.config_file, pending.before)
        self._daemon.restart(self._seconds)
        return f"an earlier run was interrupted and left {unit.name} {unit.active}: {unit.config_file} was put back"

    def validate(self, plan: DaemonPlan, observed: ObservedDaemon) -> None:
        """Let the host's own dockerd judge the plan's file, where it can."""
        if observed.version >= (23, 0) and (plan.writes or plan.signal):
            self._daemon.validate(plan.after or "{}", observed.argv)

    def execute(self, plan: DaemonPlan, desired: DesiredDaemon, observed: ObservedDaemon) -> str | None:
        """Carry the plan out; returns the backup's path. On failure everything is put back and FleetnetError raised."""
        began = time.time()
        backup = None
        if not plan.changed:
            self._state.end()  # of an interrupted run that left nothing to be done
            return None
        self._state.begin(plan.before, plan.resume)
        if plan.writes:
            if plan.signal != RESTART:
                self._state.remember_startup(self._daemon.unit(), observed.startup)
            backup = self._swap(plan)
        try:
            self._apply(plan, desired)
        except FleetnetError as error:
            raise self._put_back(plan, error, began) from error
        self._state.end()
        return backup

    def _swap(self, plan: DaemonPlan) -> str | None:
        try:
            backup = back_up(plan.path)
            _put(plan.path, plan.after)
        except OSError as error:
            self._state.end()
            raise FleetnetError(f"{plan.path} cannot be replaced: {error}; nothing was changed") from error
        return backup

    def _apply(self, plan: DaemonPlan, desired: DesiredDaemon) -> None:
        if plan.stop:
            engine = self._connect()
            for container in plan.stop:
                engine.post(f"/containers/{container.id}/stop")
        if plan.leave:
            self._daemon.delete_link(plan.leave)
        self._take_up(plan, plan.after, plan.own_unit)
        if plan.resume:
            resume_containers(self._connect(), plan.resume)
        if plan.signal:
            self._verify(plan, desired)

    def _take_up(self, plan: DaemonPlan, text: str | None, own_unit: str | None) -> None:
        """Let the daemon take up the file, whose text is ``text``, and the bridge that ``own_unit`` makes."""
        if plan.interim is not None:
            _put(plan.path, plan.interim)
            self._daemon.restart(self._seconds)
            _put(plan.path, text)
        if plan.writes_unit:
            self._daemon.install_own_bridge(own_unit)
        if plan.signal == RESTART:
            self._daemon.restart(self._seconds)
        elif plan.signal == RELOAD:
            self._daemon.reload()

    def _verify(self, plan: DaemonPlan, desired: DesiredDaemon) -> None:
        deadline = time.monotonic() + RELOAD_SECONDS
        missing = still_missing(desired, self.observe())
        while missing and plan.signal == RELOAD and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
            missing = still_missing(desired, self.observe())
        if missing:
            effects = "; ".join(f"{item.option} is {item.before!r} instead of {item.after!r}" for item in missing)
            raise FleetnetError(f"after the {plan.signal} of {plan.unit} {effects}")

    def _put_back(self, plan: DaemonPlan, error: FleetnetError, began: float) -> FleetnetError:
        """Restore file, daemon and containers; returns the error to raise, with the journal's telling lines."""
        lines = self._daemon.log_since(began)
        # Of a daemon that has come up only complaints are of interest.
        log = errors_in(lines) if self._daemon.unit().active == "active" else telling_lines(lines)
        said = f" {plan.unit} said: {' | '.join(log)}" if log else ""
        try:
            if plan.writes:
                _put(plan.path, plan.before)
            self._take_up(plan, plan.before, plan.own_unit_before)
            if plan.resume:
                resume_containers(self._connect(), plan.resume)
        except (FleetnetError, OSError) as second:
            # What is pending stays so: the next run tries again.
            return FleetnetError(f"{error}.{said} Putting the former {plan.path} back failed as well: {second}")
        self._state.end()
        return FleetnetError(f"{error}. The former {plan.path} is back and {plan.unit} runs with it.{said}")


def _put(path: str, text: str | None) -> None:
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
    """The containers that run, oldest first, so that one which shares another's network comes after it.

    Swarm's tasks are left out: the swarm replaces them by itself, under other names.
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


def _stopped(engine: Engine, container: RunningContainer) -> bool:
    detail = _get(engine, f"/containers/{container.id}/json")
    return detail is not None and not detail["State"]["Running"]


def resume_containers(engine: Engine, containers: t.Sequence[RunningContainer]) -> None:
    """Start again what does not run, and see that all of them do; a container that is gone is not awaited."""
    for container in containers:
        if _stopped(engine, container):
            try:
                engine.post(f"/containers/{container.id}/start")
            except EngineError as error:
                raise FleetnetError(f"the container {container.name} does not start again: {error}") from error
    deadline = time.monotonic() + RESUME_SECONDS
    waiting = [container for container in containers if _stopped(engine, container)]
    while waiting and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
        waiting = [container for container in waiting if _stopped(engine, container)]
    if waiting:
        names = ", ".join(container.name for container in waiting)
        raise FleetnetError(f"these containers ran before and do not run any more: {names}")


def _surroundings(commands: Commands, engine: Engine, links: t.Sequence[LinkReport]) -> Surroundings:
    networks = [
        (network["Name"], entry["Subnet"])
        for network in engine.get("/networks")
        for entry in (network.get("IPAM") or {}).get("Config") or []
        if network["Name"] != "bridge" and entry.get("Subnet")
    ]
    path = read_control_path()
    return Surroundings(
        links=links,
        routes=read_routes(commands),
        networks=tuple(networks),
        name_servers=tuple(read_resolver()),
        client=path["client"] if path else None,
    )
