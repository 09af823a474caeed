# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The policy as people ask about it: who may open connections to whom, and what the last verification proved. Pure."""

from __future__ import annotations

import enum
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.addressing import (
    Prefix,
    parse_address,
    single,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.policy_line import (
    CLOUD_METADATA,
    HOST,
    WORLD,
    PolicyLine,
    is_block,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.policy import (
    EGRESS,
    FROM_HOST,
    INGRESS,
    TO_HOST,
    Policy,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.topology.policy.proofs import (
    CoverageFile,
    Data,
    proofs_without_line,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.coverage import Proof, State
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.statements import (
    Statement,
    StatementKind,
    statements_of_denied,
    statements_of_lines,
)

_METADATA = frozenset(str(single(*parse_address(address))) for address in CLOUD_METADATA.values())


class Basis(str, enum.Enum):
    """Why flows are allowed."""

    LINE = "line"  # a line of the policy
    NETWORK = "network"  # both ends are on one network, on all hosts
    BRIDGE = "bridge"  # both ends are on one bridge of a host
    DOCKER = "docker"  # Docker's default, which no line limits


class EndOfPolicy(t.NamedTuple):
    """An end of permissions: ``network``, ``host``, ``world`` or ``block``, an outside address."""

    name: str
    kind: str


class Permission(t.NamedTuple):
    """New flows from one end to another that are allowed, with one proof per IP version.

    ``published`` limits them to published ports. ``line`` is None without a line. An ``implied`` permission is one of
    the world, or of a larger block, that an outside address has too. Without a verification, there are no ``proofs``.
    """

    source: str
    target: str
    basis: Basis
    versions: tuple[int, ...]
    published: bool = False
    line: PolicyLine | None = None
    implied: bool = False
    proofs: tuple[Proof, ...] = ()


class Denial(t.NamedTuple):
    """Flows that are denied by default, with one proof per IP version."""

    kind: StatementKind
    source: str
    target: str
    versions: tuple[int, ...]
    proofs: tuple[Proof, ...] = ()


class Unruled(t.NamedTuple):
    """A declared network that is not part of the policy: it is internal, or of a driver that hosts do not forward."""

    name: str
    internal: bool
    driver: str


class PolicyView(t.NamedTuple):
    """The policy with its proofs. All traffic without a permission is denied; ``denied`` names its kinds."""

    ends: tuple[EndOfPolicy, ...]
    permissions: tuple[Permission, ...]
    denied: tuple[Denial, ...]
    unruled: tuple[Unruled, ...] = ()


def worst_state(proofs: t.Iterable[Proof]) -> State | None:
    """Return the state of all IP versions together: the worst one; None without a verification."""
    states = {proof.state for proof in proofs}
    return next((state for state in (State.FAILED, State.NOT_PROVEN, State.PROVEN) if state in states), None)


def view_policy(
    policy: Policy,
    hosts: t.Mapping[str, Data],
    verdicts: t.Iterable[Data] | None = None,
    coverage: CoverageFile | None = None,
) -> PolicyView:
    """Return the view of a policy. ``hosts`` are the plan's slices by name.

    ``verdicts`` are the entries of ``reachability.json``; None without a verification.
    """
    permissions = [*_by_lines(policy), *_within_networks(policy), *_by_docker(policy)]
    permissions += _implied(policy, permissions)
    denied = _denied(policy)
    if verdicts is not None:
        found = coverage or CoverageFile()
        plain = proofs_without_line(verdicts)
        permissions = [each._replace(proofs=tuple(_proofs(each, found, plain))) for each in permissions]
        denied = [each._replace(proofs=tuple(_proofs_of_denial(each, found))) for each in denied]
    ends = _ends(policy)
    order = {end.name: number for number, end in enumerate(ends)}
    # The sort is stable: of the same ends, lines come first and in their order.
    permissions.sort(key=lambda each: (order[each.source], order[each.target]))
    return PolicyView(ends, tuple(permissions), tuple(denied), _unruled(policy, hosts))


def _blocks(policy: Policy) -> list[str]:
    return sorted({end for line in policy.lines for end in (*line.sources, *line.targets) if is_block(end)})


def _ends(policy: Policy) -> tuple[EndOfPolicy, ...]:
    return (
        *(EndOfPolicy(name, "network") for name in _networks(policy)),
        EndOfPolicy(HOST, "host"),
        EndOfPolicy(WORLD, "world"),
        *(EndOfPolicy(block, "block") for block in _blocks(policy)),
    )


def _networks(policy: Policy) -> dict[str, tuple[int, ...]]:
    """The networks of the policy with their IP versions."""
    found: dict[str, tuple[int, ...]] = {}
    for family in policy.families:
        for name in family.members:
            found[name] = (*found.get(name, ()), family.version)
    return found


def _by_lines(policy: Policy) -> t.Iterator[Permission]:
    found: dict[tuple[int, str, str], list[int]] = {}
    for statement in statements_of_lines(policy):
        number = t.cast(int, statement.line)
        found.setdefault((number, statement.source, statement.target), []).append(statement.version)
    for (number, source, target), versions in found.items():
        # The world reaches published ports only; an address may also have a route to the container.
        line = policy.lines[number]
        yield Permission(source, target, Basis.LINE, tuple(versions), source == WORLD, line)


def _within_networks(policy: Policy) -> t.Iterator[Permission]:
    for name, versions in _networks(policy).items():
        yield Permission(name, name, Basis.NETWORK if policy.spans_hosts(name) else Basis.BRIDGE, versions)


def _by_docker(policy: Policy) -> t.Iterator[Permission]:
    for name, versions in _networks(policy).items():
        for direction, ends in (
            (INGRESS, (WORLD, name)), (EGRESS, (name, WORLD)), (FROM_HOST, (HOST, name)), (TO_HOST, (name, HOST)),
        ):  # fmt: skip
            if name not in policy.limited.get(direction, ()):
                yield Permission(*ends, Basis.DOCKER, versions, direction == INGRESS)


def _implied(policy: Policy, permissions: t.Sequence[Permission]) -> t.Iterator[Permission]:
    """Yield what an outside address of a line has by permissions of the world and of blocks that contain it."""
    for name in _blocks(policy):
        block = Prefix.parse(name)
        closed = policy.closes_metadata and name in _METADATA
        has_host = any(
            family.version == block.version and any(map(block.has, family.hosts)) for family in policy.families
        )
        for each in permissions:
            if block.version not in each.versions:
                continue
            if _includes(each.source, name, block):
                yield each._replace(source=name, versions=(block.version,), implied=True)
            # To the world does not mean to the hosts of the fleet, except by Docker's default.
            to_hosts = has_host and each.target == WORLD and each.line is not None
            if _includes(each.target, name, block) and not closed and not to_hosts:
                yield each._replace(target=name, versions=(block.version,), implied=True)


def _includes(end: str, name: str, block: Prefix) -> bool:
    """Whether an end is the world, or another block that contains this one."""
    return end == WORLD or (is_block(end) and end != name and Prefix.parse(end).contains(block))


def _denied(policy: Policy) -> list[Denial]:
    found: dict[tuple[StatementKind, str, str], list[int]] = {}
    for statement in statements_of_denied(policy):
        found.setdefault((statement.kind, statement.source, statement.target), []).append(statement.version)
    return [Denial(*ends, tuple(versions)) for ends, versions in found.items()]


def _unruled(policy: Policy, hosts: t.Mapping[str, Data]) -> tuple[Unruled, ...]:
    networks = {item["name"]: item for part in hosts.values() for item in part["networks"]}
    return tuple(
        Unruled(name, bool(item.get("internal")), str(item.get("driver", "bridge")))
        for name, item in networks.items()
        if not policy.is_network(name)
    )


def _proofs(permission: Permission, coverage: CoverageFile, plain: t.Mapping[Statement, Proof]) -> t.Iterator[Proof]:
    for version in permission.versions:
        ends = permission.source, permission.target, version
        if permission.implied:
            proof, statement = None, Statement(StatementKind.DIRECT, *ends)
        elif permission.line is not None:
            statement = Statement(StatementKind.LINE, *ends)
            # The text of a line identifies it. Its number changes if lines are inserted.
            proof = coverage.lines.get((str(permission.line), statement))
        else:
            statement = Statement(StatementKind.PUBLISHED if permission.published else StatementKind.DIRECT, *ends)
            proof = plain.get(statement)
        yield proof or Proof(statement, State.NOT_PROVEN)


def _proofs_of_denial(denial: Denial, coverage: CoverageFile) -> t.Iterator[Proof]:
    for version in denial.versions:
        statement = Statement(denial.kind, denial.source, denial.target, version)
        yield coverage.denied.get(statement) or Proof(statement, State.NOT_PROVEN)
