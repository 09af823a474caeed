"""The observed and the desired state of the fleets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from . import checkout, hosts, state
from .docker import Docker
from .parallel import run_parallel
from .paths import Paths
from .repair import ExistingContainer
from .spec import WORLD, Spec

PARALLEL_QUERIES = 8

HEADER = ("FLEET", "HOST", "ADDRESS", "WANTED", "ENGINE", "STATE", "CHECKOUT")


def fleets(docker: Docker | None, paths: Paths) -> list[str]:
    """Return the names of all fleets that are recorded or have containers, networks or volumes."""
    return sorted({*state.names(paths), *(hosts.fleets(docker) if docker else ())})


def orphaned(paths: Paths, fleet: str) -> bool:
    """Return whether the checkout of a fleet no longer exists."""
    own = state.FleetState(paths, fleet).checkout()
    return own is not None and not checkout.exists(own)


def rows(docker: Docker | None, paths: Paths, fleet: str) -> list[tuple[str, ...]]:
    """Return one row per member of a fleet."""
    files = state.FleetState(paths, fleet)
    spec = files.spec()
    observed = {container.name: container for container in hosts.observe(docker, fleet)} if docker else {}
    wanted = [WORLD, *spec.host_names()] if spec else []
    names = list(dict.fromkeys([*wanted, *observed]))
    own = files.checkout()
    origin = f"{own or '-'}{' (removed)' if orphaned(paths, fleet) else ''}"

    def row(name: str) -> tuple[str, ...]:
        return (fleet, *_row(docker, spec, name, observed.get(name), name in wanted), origin)

    return run_parallel(row, names, PARALLEL_QUERIES)


def _row(
    docker: Docker | None, spec: Spec | None, name: str, existing: ExistingContainer | None, wanted: bool
) -> tuple[str, ...]:
    generation = spec.engine(int(name[1:])) if spec and wanted and name != WORLD else "-"
    if docker is None:
        return name, "-", generation, "-", "unknown: the outer engine does not respond"
    if existing is None:
        return name, "-", generation, "-", "missing"
    address = hosts.address_of(docker, existing.id)
    if existing.status != "running":
        return name, address, generation, "-", existing.status
    if name == WORLD:
        return name, address, generation, "-", "running" if wanted else "unexpected"
    reported = hosts.facts(docker, existing.id)
    lacking = hosts.missing(reported, hosts.answers_ssh(address))
    condition = f"missing: {', '.join(lacking)}" if lacking else "ready" if wanted else "unexpected"
    return name, address, generation, reported.get("engine") or "-", condition


def table(members: Iterable[Sequence[str]]) -> str:
    """Format rows as columns with a header. Pure."""
    lines = [HEADER, *members]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADER))]
    return "\n".join(
        "  ".join(cell.ljust(widths[column]) for column, cell in enumerate(line)).rstrip() for line in lines
    )
