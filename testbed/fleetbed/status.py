"""What there is of the fleets, and what there should be."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from . import hosts, state
from .docker import Docker
from .mend import ExistingContainer
from .paths import Paths
from .spec import WORLD, Spec
from .together import together

ASKED_AT_ONCE = 8

HEADER = ("FLEET", "HOST", "ADDRESS", "WANTED", "ENGINE", "STATE")


def fleets(docker: Docker | None, paths: Paths) -> list[str]:
    """All fleets that something is remembered or left of."""
    return sorted({*state.names(paths), *(hosts.fleets(docker) if docker else ())})


def rows(docker: Docker | None, paths: Paths, fleet: str) -> list[tuple[str, ...]]:
    """One row a member of a fleet."""
    files = state.FleetState(paths, fleet)
    spec = files.spec()
    observed = {container.name: container for container in hosts.observe(docker, fleet)} if docker else {}
    wanted = [WORLD, *spec.host_names()] if spec else []
    names = list(dict.fromkeys([*wanted, *observed]))

    def row(name: str) -> tuple[str, ...]:
        return (fleet, *_row(docker, spec, name, observed.get(name), name in wanted))

    return together(row, names, ASKED_AT_ONCE)


def _row(
    docker: Docker | None, spec: Spec | None, name: str, there: ExistingContainer | None, wanted: bool
) -> tuple[str, ...]:
    generation = spec.engine(int(name[1:])) if spec and wanted and name != WORLD else "-"
    if docker is None:
        return name, "-", generation, "-", "unknown: the outer engine does not answer"
    if there is None:
        return name, "-", generation, "-", "missing"
    address = hosts.address_of(docker, there.id)
    if there.status != "running":
        return name, address, generation, "-", there.status
    if name == WORLD:
        return name, address, generation, "-", "running" if wanted else "not wanted"
    told = hosts.facts(docker, there.id)
    lacking = hosts.missing(told, hosts.answers_ssh(address))
    condition = f"lacks {', '.join(lacking)}" if lacking else "ready" if wanted else "not wanted"
    return name, address, generation, told.get("engine") or "-", condition


def table(members: Iterable[Sequence[str]]) -> str:
    """Columns under their headings. Pure."""
    lines = [HEADER, *members]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADER))]
    return "\n".join(
        "  ".join(cell.ljust(widths[column]) for column, cell in enumerate(line)).rstrip() for line in lines
    )
