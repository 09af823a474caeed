# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verdicts and coverage as sentences: the only place that makes them. Pure; nothing reads a sentence back.

The sentences about causes are in cause_text.py.
"""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.coverage import (
    LineProof,
    Proof,
    State,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.endpoints import MOST_UNDECLARED
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain import cause_text, remedies
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.gaps import Gap
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.host_findings import HostFinding, Problem
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.host_ports import HostPort
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.networks import WrongNetwork
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.probe import Endpoint
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.statements import Statement, StatementKind
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.unprobed import Reason, Unprobed
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.unprobed_addresses import UnprobedAddress
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.verdict import Verdict, VerdictKind

_PROBLEMS = {
    VerdictKind.NOT_TRIED: "not tried: {reason}",
    VerdictKind.NOT_OBSERVED: (
        "not proven: host {host} did not record all probes that arrived at container {container}, so whether this one "
        "arrived is not known"
    ),
    VerdictKind.BLOCKED: "does not pass ({result}); expected to pass: {declared_by}",
    VerdictKind.NO_ANSWER: "arrives, but no answer returns ({outcome})",
    VerdictKind.SOURCE_REWRITTEN: "passes, but the source address is changed to {addresses}",
    VerdictKind.ANSWERED_BY_ANOTHER: "is answered, but did not arrive at the target: something else answers",
    VerdictKind.LEAK: "passes, but no line of the policy allows it",
    VerdictKind.ARRIVES_THOUGH_DENIED: "arrives at the target, but no line of the policy allows it",
    VerdictKind.NAME_UNRESOLVED: "name {name} does not resolve ({result}); expected to resolve: {declared_by}",
    VerdictKind.NAME_RESOLVES_ELSEWHERE: "name {name} resolves to {addresses} instead of {target}",
}

_MOST_VALUES = 8  # of a finding about a host

_NOT_PROBED = {
    Reason.HOST_NETWORK: "the network belongs to this host alone, and the policy does not include it",
    Reason.INTERNAL: "the network is internal, and the engine isolates it",
    Reason.NOT_ROUTED: "the hosts do not forward the packets of a network with this driver",
    Reason.SEVERAL_NETWORKS: "the container is on several networks, and none of them is probed",
    Reason.UNDECLARED: "the network is not declared, and is internal or not a bridge",
    Reason.NO_NETWORK: "the container is not attached to a network",
    Reason.HOST_MODE: "the container uses the network of the host",
    Reason.SHARED: "the container uses the network of another container",
    Reason.NO_ADDRESS: "the engine reports no address",
    Reason.NOT_PLANNED: (
        "NOT AS DECLARED: the address is not in the plan. To see how the network differs, run fleetnet.docker.site "
        "with --check"
    ),
    Reason.STOPPED: "the container does not run",
    Reason.NOT_CHOSEN: (
        "docker_network_verify_containers_per_network is smaller than the number of containers, or more than "
        f"{MOST_UNDECLARED} undeclared networks on the host have containers"
    ),
}

# Statements by kind, without their IP version. An undeclared end is empty.
_STATEMENTS = {
    StatementKind.LINE: "{source} -> {target}",
    StatementKind.DIRECT: "{source} -> {target}",
    StatementKind.PUBLISHED: "{source} -> published ports of {target}",
    StatementKind.UNDECLARED: "{source} -> {target}",
    StatementKind.REMOTE_API: "{source} -> remote API of engines",
    StatementKind.METADATA: "{source} -> metadata of clouds",
}
_UNDECLARED_END = "undeclared networks"

_GAPS = {
    Gap.NO_CONTAINER: "no container with such an address on network {network} is probed",
    Gap.NO_UNDECLARED: "no container with such an address on an undeclared network is probed",
    Gap.NO_PUBLISHED_PORT: "no published port on network {network}",
    Gap.NO_PAIR: "no pair of probed containers and hosts has these ends",
    Gap.NOT_CHOSEN: "the sample of pairs does not include it",
    Gap.NO_RESULT: "no result of its probes counts",
    Gap.DATAGRAMS: "no probe is sent: a host need not answer datagrams",
    Gap.NOT_OBSERVABLE: "no probe is sent: the fleet cannot observe this end",
}


def problem(verdict: Verdict) -> str | None:
    """Return what is wrong with a probe; None if it is as declared."""
    if verdict.as_declared:
        return None
    # A probe for the path's MTU: the detail names the router and its MTU.
    detailed = verdict.probe.packet is not None or verdict.probe.name is not None
    return _PROBLEMS[verdict.kind].format(
        reason=verdict.detail if verdict.outcome else f"host {verdict.probe.source.host} did not run its probes",
        result=f"{verdict.outcome}: {verdict.detail}" if detailed and verdict.detail else verdict.outcome,
        outcome=verdict.outcome,
        addresses=", ".join(verdict.addresses),
        declared_by=verdict.probe.declared_by,
        name=verdict.probe.name,
        target=verdict.probe.target.address,
        host=verdict.probe.target.host,
        container=verdict.probe.target.container,
    )


def entry(verdict: Verdict) -> dict[str, t.Any]:
    """Return an entry of ``reachability.json``: values, and ``problem`` and ``explanation`` as text for people."""
    probe = verdict.probe
    return {
        "source": _end(probe.source),
        "target": _end(probe.target),
        "service": probe.service,
        "protocol": probe.protocol,
        "port": probe.port,
        "packet": probe.packet,
        "name": probe.name,
        "published": probe.published._asdict() if probe.published else None,
        "intended": probe.declared_by is not None,
        "declared_by": probe.declared_by,
        "passed": verdict.passed,
        "kind": verdict.kind.value,
        "outcome": verdict.outcome,
        "detail": verdict.detail,
        "addresses": list(verdict.addresses),
        "causes": [cause.to_data() for cause in verdict.causes],
        "problem": problem(verdict),
        "explanation": cause_text.explanation(verdict.causes),
        "remedies": [remedies.remedy(cause) for cause in verdict.causes],
        "last_seen": verdict.last_seen.to_data() if verdict.last_seen else None,
    }


def _end(end: Endpoint) -> dict[str, t.Any]:
    data = end.to_data()
    del data["ports"]  # the probe has the one that it is about
    return data


def not_probed(unprobed: Unprobed) -> str:
    """The containers that are not probed, and the reason."""
    return f"{unprobed.host}: {unprobed.network}: {_first(unprobed.containers)}: {_NOT_PROBED[unprobed.reason]}"


def statement(stated: Statement) -> str:
    """What is allowed or denied, without the IP version."""
    return _STATEMENTS[stated.kind].format(
        source=stated.source or _UNDECLARED_END, target=stated.target or _UNDECLARED_END
    )


def gap(proof: Proof) -> str:
    """Why a statement is not proven; empty if it is."""
    return _GAPS[proof.gap].format(network=proof.network) if proof.gap else ""


def line_gap(proof: LineProof) -> str:
    """Why a line is not proven; empty if it is."""
    if proof.state is not State.NOT_PROVEN:
        return ""
    return "; ".join(dict.fromkeys(gap(part) for part in proof.parts))


def wrong_network(found: WrongNetwork) -> str:
    """A declared network that is missing or has other subnets, and what to run."""
    if found.observed is None:
        problem = "the network is missing"
    else:
        problem = f"the network has {', '.join(found.observed) or 'no subnet'} instead of {', '.join(found.declared)}"
    return f"{found.host}: {found.network}: {problem}. Run fleetnet.docker.site, with --check to see the changes first."


_HOSTS = {
    Problem.DIFFERS: "differs from the plan. fleetnet.docker.site would: {values}",
    Problem.NOT_COMPARED: "could not be compared with the plan: {values}",
    Problem.NO_ENGINE_RULES: (
        "dockerd writes no firewall rules (iptables: false), and this is not declared. Published ports are not "
        "forwarded, and containers are not separated"
    ),
    Problem.PORTS_NOT_FORWARDED: "Docker's NAT rules are missing for published ports: {values}",
    Problem.NOT_FORWARDED: "Docker's rules are missing that let packets leave networks: {values}",
    Problem.NOT_MASQUERADED: "Docker's NAT rules are missing for what leaves networks: {values}",
    Problem.NO_GATEWAY_ADDRESS: "bridges do not have the addresses that are the gateways of their networks: {values}",
}
_RESTART = (
    "Restart Docker, which writes them: systemctl restart docker. Without live-restore, this interrupts containers"
)
_HOST_REMEDIES = {
    Problem.DIFFERS: remedies.SITE,
    Problem.NOT_COMPARED: "Run fleetnet.docker.site with --check to see the reason",
    Problem.NO_ENGINE_RULES: (
        "Remove iptables: false from daemon.json or --iptables=false from the command line of dockerd, or declare it "
        "in docker_fleet_default_bridge. Then restart Docker: systemctl restart docker"
    ),
    Problem.PORTS_NOT_FORWARDED: _RESTART,
    Problem.NOT_FORWARDED: _RESTART,
    Problem.NOT_MASQUERADED: _RESTART,
    Problem.NO_GATEWAY_ADDRESS: "Add it: ip address add {first}",
}
_SEPARATORS = {Problem.DIFFERS: "; ", Problem.NOT_COMPARED: " "}


def host_finding(found: HostFinding) -> str:
    """What is wrong with a host, without what to do about it."""
    more = len(found.values) - _MOST_VALUES
    values = [*found.values[:_MOST_VALUES], *([f"{more} more"] if more > 0 else [])]
    return f"{found.host}: {_HOSTS[found.problem].format(values=_SEPARATORS.get(found.problem, ', ').join(values))}"


def host_remedy(found: HostFinding) -> str:
    """What to do about it. It may end with a command, so it has no final period."""
    return _HOST_REMEDIES[found.problem].format(first=remedies.quoted(found.values[0] if found.values else ""))


def unprobed_address(found: UnprobedAddress) -> str:
    """An address of a host at which published ports are not probed, and what to declare."""
    return (
        f"published ports of {_first(found.containers)} at address {found.address} of {found.host}: the address is not "
        "declared. Add it to docker_fleet_other_addresses of the host."
    )


def host_port(found: HostPort) -> str:
    """A policy line with the host's port, and the port to write."""
    return (
        f"{found.line}: port {found.port} of {_first(found.containers)} is published as port {found.host_port} of the "
        f"host. A policy line names the container's port. Write {found.port}."
    )


def _first(containers: t.Sequence[str]) -> str:
    more = f" and {len(containers) - 5} more" if len(containers) > 5 else ""
    return ", ".join(containers[:5]) + more
