# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A checkpoint: the state of a host before a change, which the host restores unless the controller confirms. Pure."""

from __future__ import annotations

import dataclasses
import json
import re
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.checkpoint.deadline import Deadline, Kernel
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.checkpoint.risk import Risk
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import InvalidValue
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.readable import UNEXPECTED_FORM

Json = t.Dict[str, t.Any]

# Bounds of the timeout, in seconds: a new connection takes a second, and a person waits no longer than ten minutes.
TIMEOUT_MIN, TIMEOUT_DEFAULT, TIMEOUT_MAX = 10, 60, 600
_FORMAT = 1


class SavedFile(t.NamedTuple):
    """The text and mode of a file, or the target of a symbolic link. Bytes that are not UTF-8 are surrogates."""

    text: str
    mode: int
    link: bool = False


class SavedDaemon(t.NamedTuple):
    """What default_bridge changes: ``before`` and ``interim`` are texts of daemon.json, ``unit_before`` that of a unit.

    ``invocation`` identifies the process that ran before. ``containers`` are the ids and names of those that must run.
    ``process`` is the number of the process that makes the change, None if a later one does. ``copies`` are the copies
    of the file that exist.
    """

    unit: str
    path: str
    before: str | None
    interim: str | None
    unit_before: str | None
    signal: str | None
    invocation: str
    containers: tuple[tuple[str, str], ...] = ()
    process: int | None = None
    copies: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """The state of a host.

    ``files`` are all files of this collection by path. ``active`` are the units of this collection that were active.
    ``addresses`` are those of bridges, with prefix length, by interface. ``kernel`` are the values before the change.
    """

    deadline: Deadline
    kernel: Kernel
    risks: tuple[Risk, ...]
    docker_host: str
    files: t.Mapping[str, SavedFile]
    active: tuple[str, ...] = ()
    addresses: t.Mapping[str, t.Sequence[str]] = dataclasses.field(default_factory=dict)


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
                "deadline": Deadline(*data["deadline"]),
                "kernel": Kernel(*data["kernel"]),
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
    return SavedDaemon(**{**data, "containers": containers, "copies": tuple(data["copies"])})


def left_copies(saved: SavedDaemon, found: t.Iterable[str]) -> list[str]:
    """Those of the paths that the change left: its backups, and files that it was killed before it could move.

    Their names are those of :mod:`_host.files`. Other programs name theirs in other ways, or had them before.
    """
    if saved.process is None:
        return []
    folder, _slash, name = saved.path.rpartition("/")
    backup = rf"{re.escape(name)}\.{saved.process}\..*~"
    temporary = rf"\.{re.escape(name)}\.[a-z0-9_]{{8}}"
    own = re.compile(rf"{re.escape(folder)}/(?:{backup}|{temporary})")
    return [path for path in found if own.fullmatch(path) and path not in saved.copies]


def check_timeout(variable: str, seconds: int) -> None:
    """Raise InvalidValue if the timeout (seconds) is out of bounds."""
    if not TIMEOUT_MIN <= seconds <= TIMEOUT_MAX:
        raise InvalidValue(variable, seconds, f"must be a number of seconds from {TIMEOUT_MIN} to {TIMEOUT_MAX}")
