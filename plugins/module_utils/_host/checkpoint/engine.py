# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Put back the engine's configuration and its networks, with the code that the modules use for a failed change."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.checkpoint.checkpoint import (
    SavedDaemon,
    left_copies,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.checkpoint.networks_undo import (
    saved_networks_text,
    with_added,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon import own_bridge
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.keys import RELOAD, RESTART
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.observed import RunningContainer
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.plan import DaemonPlan
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.journal import Journal
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.model import Attachment, NetworkState
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.recovery import remaining
from ansible_collections.fleetnet.docker.plugins.module_utils._host.daemon.default_bridge import (
    DefaultBridgeExecutor,
    resume_containers,
    running_containers,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.daemon.run_records import RunRecords
from ansible_collections.fleetnet.docker.plugins.module_utils._host.daemon.unit import (
    RESTORE_SECONDS,
    Daemon,
    DaemonUnit,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.engine.port import Engine
from ansible_collections.fleetnet.docker.plugins.module_utils._host.engine.unix_socket import SocketEngine
from ansible_collections.fleetnet.docker.plugins.module_utils._host.files import read_text, remove
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.bridges import UnknownBridges
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.engine_reader import (
    read_attachments,
    read_containers,
    read_networks,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.journal_folder import JournalPaths
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.journals import (
    JournalFolder,
    Journals,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.operations import NetworkOperations
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.recovery import (
    Recoverer,
    Recovery,
    read_engine_state,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.ownership import AdoptionFile, Adoptions
from ansible_collections.fleetnet.docker.plugins.module_utils._host.programs.commands import Commands

_UNIX = "unix://"


def connect(docker_host: str) -> Engine:
    """Raises EngineError if the engine does not answer."""
    return SocketEngine(docker_host.partition(_UNIX)[2])


def saved_daemon(plan: DaemonPlan, invocation: str) -> SavedDaemon:
    """What an undo of the plan needs."""
    return SavedDaemon(
        plan.unit,
        plan.path,
        plan.before,
        plan.interim_before,
        plan.own_unit_before,
        plan.signal,
        invocation,
        tuple((each.id, each.name) for each in plan.resume),
        os.getpid(),
        tuple(_beside(plan.path)),
    )


def current_daemon(commands: Commands, unit: str, engine: Engine) -> SavedDaemon:
    """The daemon as it is, for a change that is not known yet."""
    shown = Daemon(commands, unit).unit()
    return SavedDaemon(
        unit=unit,
        path=shown.config_file,
        before=read_text(shown.config_file),
        interim=None,
        unit_before=read_text(own_bridge.UNIT_FILE),
        signal=RELOAD,  # a change may have been reloaded
        invocation=shown.invocation,
        containers=tuple((each.id, each.name) for each in running_containers(engine)),
    )


def current_networks(docker_host: str, engine: Engine) -> str:
    """All networks of this collection with their endpoints, as text, for a change that is not known yet."""
    containers = read_containers(engine)
    states = []
    for network in read_networks(engine):
        if network.owned:
            on_it = [each.id for each in containers if each.is_on(network)]
            states.append(NetworkState(network.definition, read_attachments(engine, network, on_it), network.id))
    return saved_networks_text(docker_host, states)


def _beside(path: str) -> list[str]:
    """The files in the folder of a file, with it."""
    folder = os.path.dirname(path)
    try:
        return [os.path.join(folder, name) for name in sorted(os.listdir(folder))]
    except FileNotFoundError:
        return []


def _has_read(unit: DaemonUnit, path: str) -> bool:
    """Whether the daemon was started after the last change of its file. ctime, not mtime: a moved file keeps mtime."""
    try:
        return os.stat(path).st_ctime <= unit.started
    except FileNotFoundError:
        return False


class HostEngine:
    """The engine of this host, at a Unix socket (``docker_host``)."""

    def __init__(self, commands: Commands) -> None:
        self._commands = commands

    def restore_daemon(self, docker_host: str, saved: SavedDaemon) -> tuple[list[str], str]:
        """Restore daemon.json; restart the engine if it may run with another one.

        Returns operations as text, and what identifies the process that then runs.
        """
        daemon, records = Daemon(self._commands, saved.unit), RunRecords(saved.unit)
        executor = DefaultBridgeExecutor(self._commands, daemon, records, lambda: connect(docker_host), RESTORE_SECONDS)
        now = daemon.unit()
        after = read_text(saved.path)
        own_unit = read_text(own_bridge.UNIT_FILE)
        differs = after != saved.before or own_unit != saved.unit_before
        # Another process may run with another file, unless it has read this one, as after a reboot.
        other = now.invocation != saved.invocation and (differs or not _has_read(now, saved.path))
        restarted = other or not now.runs
        signal = RESTART if restarted else RELOAD if saved.signal == RELOAD else None
        plan = DaemonPlan(
            path=saved.path,
            unit=saved.unit,
            before=saved.before,
            after=after,
            changes=(),
            signal=signal,
            stop=(),
            interrupted=(),
            resume=(),  # later, because some need their networks
            own_unit_before=saved.unit_before,
            own_unit=own_unit,
            interim_before=saved.interim if restarted else None,
        )
        if differs or signal is not None:
            executor.restore(plan)
        records.end_run()
        for path in left_copies(saved, _beside(saved.path)):
            remove(path)
        lines = [f"restore {saved.path}"] if after != saved.before else []
        return [*lines, *([f"{signal} {saved.unit}"] if signal else [])], daemon.unit().invocation

    def resume(self, docker_host: str, container: tuple[str, str]) -> None:
        """Start a container (id, name) if it does not run. Raises FleetnetError if it does not start."""
        resume_containers(connect(docker_host), [RunningContainer(*container)])

    def restore_networks(self, docker_host: str, journal: Journal) -> list[str]:
        """Restore the networks that the journal has as the former ones. Raises FleetnetError."""
        paths = JournalPaths.of(docker_host)
        journals = JournalFolder(paths)
        with journals.locked():
            return undo_networks(connect(docker_host), journals, journal, AdoptionFile(paths.adopted))


def undo_networks(
    engine: Engine, journals: Journals, journal: Journal, adoptions: Adoptions | None = None
) -> list[str]:
    """Finish a step that was interrupted, then restore the former networks and endpoints; return the operations.

    Raises FleetnetError if something cannot be restored.
    """
    bridges = UnknownBridges()
    if journals.unfinished():
        Recoverer(engine, bridges, journals, adoptions).recover()
    journal = with_added(journal, read_networks(engine))
    operations = NetworkOperations(engine, bridges)
    now = read_engine_state(engine, journal)
    lines = []
    former = {state.id: {each.container_id for each in state.attachments} for state in journal.step.before}
    for state in journal.step.after:  # those that the change connected to a network that stays
        for each in state.attachments:
            joined = state.id in former and each.container_id not in former[state.id]
            if joined and (state.id, each.container_id) in now.attachments:
                operations.disconnect(state.id, state.name, each.container_id)
                lines.append(f"disconnect {each} from {state.name}")
    left = remaining(journal, read_engine_state(engine, journal))
    recovery = Recovery(engine, bridges, operations, _disconnect, adoptions=adoptions)
    recovery.restore(left)
    if recovery.problems:
        raise FleetnetError("; ".join(recovery.problems))
    return [*lines, *(line for step in left.steps for line in step.lines)]


def _disconnect(_network: str, _attachments: t.Sequence[Attachment]) -> None:
    """Containers that joined a network which did not exist before are disconnected from it."""
