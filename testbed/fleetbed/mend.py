"""What has to be done so that the containers there are become those that shall be. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

#: Statuses of containers that need nothing done, "restarting" being a host in the middle of a reboot.
ALIVE = ("running", "restarting")


class Do(Enum):
    """The things that can be done about one member of a fleet."""

    REMOVE = "remove"
    CREATE = "create"
    START = "start"
    UNPAUSE = "unpause"


@dataclass(frozen=True)
class ExistingContainer:
    """One container that is there."""

    id: str
    name: str
    status: str
    fingerprint: str


@dataclass(frozen=True)
class RepairStep:
    """One thing to do; `container` is the id of the one that is there, if it takes one."""

    do: Do
    name: str
    container: str
    reason: str


def plan(desired: Mapping[str, str], observed: Iterable[ExistingContainer]) -> list[RepairStep]:
    """The steps from what is observed to what is desired (fingerprints by name), removals first."""
    removals: list[RepairStep] = []
    others: list[RepairStep] = []
    present: set[str] = set()
    for container in observed:
        reason = _unfit(container, desired.get(container.name), container.name in present)
        if reason:
            removals.append(RepairStep(Do.REMOVE, container.name, container.id, reason))
            continue
        present.add(container.name)
        if container.status == "paused":
            others.append(RepairStep(Do.UNPAUSE, container.name, container.id, "paused"))
        elif container.status not in ALIVE:
            others.append(RepairStep(Do.START, container.name, container.id, "not running"))
    others += [RepairStep(Do.CREATE, name, "", "missing") for name in desired if name not in present]
    return [*removals, *others]


def _unfit(container: ExistingContainer, wanted: str | None, repeated: bool) -> str:
    """Why a container cannot stay, or nothing."""
    if wanted is None:
        return "not wanted any more"
    if repeated:
        return "there twice"
    if container.fingerprint != wanted:
        return "made by another recipe"
    if container.status not in (*ALIVE, "exited", "paused"):
        # "created": a command was killed before it had given the host its keys and started it.
        return f"left unfinished ({container.status})"
    return ""
