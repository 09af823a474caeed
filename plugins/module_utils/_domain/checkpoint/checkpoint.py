# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A checkpoint: the state of a host before a change, which the host restores unless the controller confirms. Pure.

Times are in seconds since the boot of the host that ``boot`` identifies. After another boot they are invalid.
"""

from __future__ import annotations

import dataclasses
import json
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.checkpoint.risk import Risk
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import InvalidValue
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.journal import (
    Journal,
    journal_text,
    parse_journal,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.model import (
    NetworkState,
    ObservedNetwork,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.steps import NetworkStep
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.readable import UNEXPECTED_FORM

Json = t.Dict[str, t.Any]

# Bounds of the timeout, in seconds: a new connection takes a second, and a person waits no longer than ten minutes.
TIMEOUT_MIN, TIMEOUT_DEFAULT, TIMEOUT_MAX = 10, 60, 600
# How long the undo waits for a module that still applies, in seconds.
LONGEST_RUN = 900.0
# The kind of a step that has all networks of this collection before a change.
ALL_NETWORKS = "checkpoint"
_FORMAT = 1


class SavedFile(t.NamedTuple):
    """The text and mode of a file, or the target of a symbolic link. Bytes that are not UTF-8 are surrogates."""

    text: str
    mode: int
    link: bool = False


class SavedDaemon(t.NamedTuple):
    """What default_bridge changes: ``before`` and ``interim`` are texts of daemon.json, ``unit_before`` that of a unit.

    ``invocation`` identifies the process that ran before. ``containers`` are the ids and names of those that must run,
    ``backups`` the copies of the file that exist.
    """

    unit: str
    path: str
    before: str | None
    interim: str | None
    unit_before: str | None
    unit_changes: bool
    signal: str | None
    invocation: str
    containers: tuple[tuple[str, str], ...] = ()
    backups: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """The state of a host.

    ``files`` are all files of this collection by path. ``active`` are the units of this collection that were active.
    ``addresses`` are those of bridges, with prefix length, by interface.
    ``sysctls`` and ``policies`` (of the chain FORWARD, by program) are values that a change may set.
    ``manual``: a user's play took it, and confirms or undoes it.
    """

    id: str
    timeout: float
    armed: float
    boot: str
    risks: tuple[Risk, ...]
    docker_host: str
    files: t.Mapping[str, SavedFile]
    active: tuple[str, ...] = ()
    addresses: t.Mapping[str, t.Sequence[str]] = dataclasses.field(default_factory=dict)
    sysctls: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    policies: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    manual: bool = False


class Progress(t.NamedTuple):
    """What followed a checkpoint. ``applied`` is when the change ended, None before; ``undo`` was asked for."""

    applied: float | None = None
    undo: bool = False


def checkpoint_text(checkpoint: Checkpoint) -> str:
    """The checkpoint as text, for :func:`parse_checkpoint`."""
    return json.dumps({"format": _FORMAT, **dataclasses.asdict(checkpoint)}) + "\n"


def parse_checkpoint(text: str) -> Checkpoint:
    """Raises ValueError if the text is not a checkpoint of this release."""
    try:
        data: Json = json.loads(text)
        if data.pop("format") != _FORMAT:
            raise ValueError("its format is another one")
        return Checkpoint(
            **{
                **data,
                "risks": tuple(Risk(kind, tuple(names)) for kind, names in data["risks"]),
                "files": {path: SavedFile(*saved) for path, saved in data["files"].items()},
                "active": tuple(data["active"]),
            }
        )
    except UNEXPECTED_FORM as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error


def daemon_text(daemon: SavedDaemon) -> str:
    return json.dumps(daemon._asdict()) + "\n"


def parse_daemon(text: str) -> SavedDaemon:
    data: Json = json.loads(text)
    containers = tuple((each[0], each[1]) for each in data["containers"])
    return SavedDaemon(**{**data, "containers": containers, "backups": tuple(data["backups"])})


def progress_text(progress: Progress) -> str:
    return json.dumps(progress._asdict()) + "\n"


def parse_progress(text: str | None) -> Progress:
    """Nothing followed if the text is None."""
    return Progress(**json.loads(text)) if text else Progress()


def networks_text(docker_host: str, steps: t.Iterable[NetworkStep]) -> str:
    """The steps that change networks as one journal that is being undone, for :func:`parse_networks`."""
    steps = list(steps)
    step = NetworkStep(
        "recreate",
        tuple(state for each in steps for state in each.before),
        tuple(state for each in steps for state in each.after),
    )
    return journal_text(Journal(docker_host, step, allow_disconnect=True, undoing=True))


def parse_networks(text: str) -> Journal:
    """Raises ValueError if the text is not a journal of this release."""
    return parse_journal(text)


def check_timeout(variable: str, seconds: int) -> None:
    """Raise InvalidValue if the timeout (seconds) is out of bounds."""
    if not TIMEOUT_MIN <= seconds <= TIMEOUT_MAX:
        raise InvalidValue(variable, seconds, f"must be a number of seconds from {TIMEOUT_MIN} to {TIMEOUT_MAX}")


def saved_networks_text(docker_host: str, networks: t.Iterable[NetworkState]) -> str:
    """All networks of this collection, of a checkpoint whose change is not known yet, for :func:`parse_networks`."""
    step = NetworkStep(ALL_NETWORKS, tuple(networks), ())
    return journal_text(Journal(docker_host, step, allow_disconnect=True, undoing=True))


def with_added(journal: Journal, now: t.Iterable[ObservedNetwork]) -> Journal:
    """The journal with what the change created, as the engine shows it.

    A network that equals a former one was restored by an undo that was killed, and is not of the change. If the change
    was not known, all networks with the label of this collection that did not exist are.
    """
    step = journal.step
    former = {state.id for state in step.before}
    planned = {state.name for state in step.after if not state.id}
    added = [
        each
        for each in now
        if each.definition.labeled
        and each.id not in former
        and (each.name in planned or step.kind == ALL_NETWORKS)
        and not any(each.definition == state.definition for state in step.before)
    ]
    if step.kind == ALL_NETWORKS:
        step = dataclasses.replace(step, after=tuple(NetworkState(each.definition, ()) for each in added))
    return dataclasses.replace(journal, step=step, made=tuple(each.id for each in added))


def seconds_left(checkpoint: Checkpoint, progress: Progress, boot: str, now: float) -> float:
    """Seconds until the host undoes the change. Without the end of the change, they count from its begin."""
    if progress.undo or boot != checkpoint.boot:
        return 0.0
    began = checkpoint.armed if progress.applied is None else progress.applied
    return max(0.0, began + checkpoint.timeout - now)
