"""The specification of a fleet, as users set it. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from . import source
from .address import MAX_HOSTS
from .errors import FleetError

DEFAULT_NAME = "fleet"
MAX_LINKS = 8
WORLD = "world"


@dataclass(frozen=True)
class Spec:
    """A fleet of `hosts` hosts. Engines and segments (`links` of them) are assigned to hosts in turn."""

    name: str
    hosts: int
    engines: tuple[str, ...]
    links: int = 1

    def __post_init__(self) -> None:
        check_name(self.name)
        if not 1 <= self.hosts <= MAX_HOSTS:
            raise FleetError(f"--hosts {self.hosts}: out of range. Choose 1 to {MAX_HOSTS}")
        if not 1 <= self.links <= MAX_LINKS:
            raise FleetError(f"--links {self.links}: out of range. Choose 1 to {MAX_LINKS}")

    def engine(self, number: int) -> str:
        """Return the engine of the host with this number."""
        return self.engines[(number - 1) % len(self.engines)]

    def segment(self, number: int) -> int:
        """Return the index of the segment of the host with this number."""
        return (number - 1) % self.links

    def host_names(self) -> list[str]:
        return [host_name(number) for number in range(1, self.hosts + 1)]

    def used_engines(self) -> tuple[str, ...]:
        """Return the engines of all hosts, without duplicates."""
        return tuple(dict.fromkeys(self.engine(number) for number in range(1, self.hosts + 1)))

    def as_data(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Spec:
        return cls(data["name"], data["hosts"], tuple(data["engines"]), data["links"])


def check_name(name: str) -> str:
    """Return the name if it can be part of names of containers, networks and folders; else raise FleetError.

    The name is a full name or the part that the user chooses (see `checkout`).
    """
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,29}(-[0-9a-f]{6})?", name):
        raise FleetError(f"--name {name!r}: not a valid name. Use a letter, then up to 29 of a-z, 0-9 and -")
    return name


def host_name(number: int) -> str:
    return f"h{number}"


def decide(
    name: str,
    recorded: Spec | None,
    known: Sequence[str],
    hosts: int | None = None,
    engines: Sequence[str] | None = None,
    links: int | None = None,
    default: Sequence[str] = (),
) -> Spec:
    """Return the spec of a fleet: requested values, else recorded ones, else one host of each engine in one segment.

    The engines of a new fleet are `default`, or if it is empty those with a host image (`known`).
    """
    wanted = engines or (() if recorded else default or known)
    chosen = tuple(source.parse(engine, known).name for engine in wanted) or (recorded.engines if recorded else ())
    return Spec(
        name=name,
        hosts=hosts if hosts is not None else recorded.hosts if recorded else len(chosen),
        engines=chosen,
        links=links if links is not None else recorded.links if recorded else 1,
    )
