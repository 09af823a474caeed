# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The view of the policy as data with its sentences, for the page and for ``topology.json``. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.policy_line import PolicyLine
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.topology.policy.view import (
    Basis,
    Denial,
    Permission,
    PolicyView,
    Unruled,
    worst_state,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify import text
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.coverage import Proof, State
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.statements import Statement, StatementKind

Data = t.Dict[str, t.Any]

_WHY = {
    Basis.NETWORK: "one network on all hosts",
    Basis.BRIDGE: "one bridge on each host",
    Basis.DOCKER: "Docker's default",
}
# What is denied. Statements of other kinds are about all traffic.
_DENIED = {
    StatementKind.PUBLISHED: "published ports",
    StatementKind.REMOTE_API: "remote API of engines",
    StatementKind.METADATA: "metadata of clouds",
}
_ALL = "all traffic"
_NOT_INCLUDED = "the last verification does not include it"
_NO_PROBES = "no probe is sent: Docker's own rules apply"
_INTERNAL = "the network is internal, and the engine isolates it"
_NOT_FORWARDED = "the hosts do not forward the packets of a network with driver {driver}"


def policy_data(view: PolicyView) -> Data:
    """Return the view as plain data."""
    return {
        "ends": [end._asdict() for end in view.ends],
        "permissions": [_permission(each) for each in view.permissions],
        "denied": [_denial(each) for each in view.denied],
        "not_ruled": [{"name": each.name, "reason": _outside_policy(each)} for each in view.unruled],
    }


def _permission(permission: Permission) -> Data:
    line = permission.line
    return {
        "source": permission.source,
        "target": permission.target,
        "basis": permission.basis.value,
        "protocol": line.protocol if line else "any",
        "ports": list(_ports(line)) if line else [],
        "published": permission.published,
        "implied": permission.implied,
        "path": line.path if line else None,
        "allowed": _allowed(permission),
        "because": line.path if line else _WHY[permission.basis],
        **_proven(permission.proofs, _NO_PROBES if permission.basis is Basis.DOCKER else _NOT_INCLUDED),
    }


def _denial(denial: Denial) -> Data:
    return {
        "kind": denial.kind.value,
        "source": denial.source or None,
        "target": denial.target or None,
        "traffic": _DENIED.get(denial.kind, _ALL),
        "denied": text.statement(Statement(denial.kind, denial.source, denial.target, denial.versions[0])),
        **_proven(denial.proofs, _NOT_INCLUDED),
    }


def _proven(proofs: t.Sequence[Proof], otherwise: str) -> Data:
    """``otherwise`` is the reason if nothing is known about a proof."""
    state = worst_state(proofs)
    return {
        "state": state.value if state else None,
        "proofs": [
            {
                "version": proof.statement.version,
                "state": proof.state.value,
                "probes": proof.probes,
                "reason": (text.gap(proof) or otherwise) if proof.state is State.NOT_PROVEN else None,
            }
            for proof in proofs
        ],
    }


def _allowed(permission: Permission) -> str:
    """The services: ``tcp 80, 443``, ``icmp``, ``all traffic``."""
    line = permission.line
    if line is None or line.protocol == "any":
        return "all published ports" if permission.published else _ALL
    ports = ", ".join(_ports(line))
    service = f"{line.protocol} {ports}" if ports else line.protocol
    return f"{service}, published" if permission.published and line.protocol != "icmp" else service


def _ports(line: PolicyLine) -> t.Iterator[str]:
    return (str(low) if low == high else f"{low}-{high}" for low, high in line.ports)


def _outside_policy(network: Unruled) -> str:
    return _INTERNAL if network.internal else _NOT_FORWARDED.format(driver=network.driver)
