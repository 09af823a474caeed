"""What a fleet shall be: the part of it that a person says. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from .address import MOST_HOSTS
from .errors import FleetError

DEFAULT_NAME = "fleet"
MOST_LINKS = 8
WORLD = "world"


@dataclass(frozen=True)
class Spec:
    """A fleet of `hosts` hosts; engines and links are dealt out to them in turn."""

    name: str
    hosts: int
    engines: tuple[str, ...]
    links: int = 1

    def __post_init__(self) -> None:
        check_name(self.name)
        if not 1 <= self.hosts <= MOST_HOSTS:
            raise FleetError(f"--hosts {self.hosts} will not do: choose 1 to {MOST_HOSTS}")
        if not 1 <= self.links <= MOST_LINKS:
            raise FleetError(f"--links {self.links} will not do: choose 1 to {MOST_LINKS}")

    def engine(self, number: int) -> str:
        """The engine generation of the host with this number."""
        return self.engines[(number - 1) % len(self.engines)]

    def link(self, number: int) -> int:
        """The index of the link that the host with this number is on."""
        return (number - 1) % self.links

    def host_names(self) -> list[str]:
        return [host_name(number) for number in range(1, self.hosts + 1)]

    def used_engines(self) -> tuple[str, ...]:
        """The engine generations that some host has."""
        return tuple(dict.fromkeys(self.engine(number) for number in range(1, self.hosts + 1)))

    def as_data(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Spec:
        return cls(data["name"], data["hosts"], tuple(data["engines"]), data["links"])


def check_name(name: str) -> str:
    """A name that can be part of those of containers, networks and folders."""
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,29}", name):
        raise FleetError(f"the name {name!r} will not do: use a letter, then up to 29 of a-z, 0-9 and -")
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
) -> Spec:
    """What is asked for, else what the fleet was before, else one host of each engine on one link."""
    for engine in engines or ():
        if engine not in known:
            raise FleetError(f"engine {engine} is unknown, choose from {', '.join(known)}")
    chosen = tuple(engines or (recorded.engines if recorded else known))
    return Spec(
        name=name,
        hosts=hosts if hosts is not None else recorded.hosts if recorded else len(chosen),
        engines=chosen,
        links=links if links is not None else recorded.links if recorded else 1,
    )
