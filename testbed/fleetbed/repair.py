"""Plan the steps from the existing containers of a fleet to the desired ones. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

#: Statuses of containers that require no step. "restarting" is a host during a reboot.
ALIVE = ("running", "restarting")


class Action(Enum):
    """The actions on one member of a fleet."""

    REMOVE = "remove"
    CREATE = "create"
    START = "start"
    UNPAUSE = "unpause"


@dataclass(frozen=True)
class ExistingContainer:
    """One existing container."""

    id: str
    name: str
    status: str
    fingerprint: str


@dataclass(frozen=True)
class RepairStep:
    """One action on one member; `container` is the id of the existing container, if the action needs one."""

    action: Action
    name: str
    container: str
    reason: str


def plan(desired: Mapping[str, str], observed: Iterable[ExistingContainer]) -> list[RepairStep]:
    """Return the steps from the observed containers to the desired ones (fingerprints by name), removals first."""
    removals: list[RepairStep] = []
    others: list[RepairStep] = []
    present: set[str] = set()
    for container in observed:
        reason = _unfit(container, desired.get(container.name), container.name in present)
        if reason:
            removals.append(RepairStep(Action.REMOVE, container.name, container.id, reason))
            continue
        present.add(container.name)
        if container.status == "paused":
            others.append(RepairStep(Action.UNPAUSE, container.name, container.id, "paused"))
        elif container.status not in ALIVE:
            others.append(RepairStep(Action.START, container.name, container.id, "not running"))
    others += [RepairStep(Action.CREATE, name, "", "missing") for name in desired if name not in present]
    return [*removals, *others]


def _unfit(container: ExistingContainer, wanted: str | None, repeated: bool) -> str:
    """Return why a container must be removed, or an empty string."""
    if wanted is None:
        return "no longer required"
    if repeated:
        return "duplicate"
    if container.fingerprint != wanted:
        return "created from another recipe or with other keys"
    if container.status not in (*ALIVE, "exited", "paused"):
        # "created": a command was killed before it copied the keys to the host and started it.
        return f"incomplete ({container.status})"
    return ""
