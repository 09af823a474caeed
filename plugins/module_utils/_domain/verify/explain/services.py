# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a probe of a published port is not as declared: the program that holds the port. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.published_ports import PROXY_PROGRAM
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.endpoints import listens
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain import causes
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.cause import Cause, CauseKind
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.evidence import Evidence
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.probe import Data, PublishedPort
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.verdict import Verdict, VerdictKind

FAILED = (VerdictKind.BLOCKED, VerdictKind.NO_ANSWER, VerdictKind.ANSWERED_BY_ANOTHER)
LET_THROUGH = (VerdictKind.LEAK, VerdictKind.ARRIVES_THOUGH_DENIED)
# dockerd itself listens on published ports without docker-proxy.
_OF_ENGINE = (PROXY_PROGRAM, "dockerd")
_ANY = ("*", "0.0.0.0", "::")


def at_published_port(verdict: Verdict, hosts: t.Mapping[str, Evidence]) -> Cause | None:
    """Return what explains a verdict on a published port."""
    published, target = verdict.probe.published, verdict.probe.target
    if published is None:
        return None
    values = {"container": target.container, "port": str(published)}
    if verdict.kind in LET_THROUGH:
        # Without a NAT rule, docker-proxy connects to the container.
        return None if published.forwarded else Cause(CauseKind.PROXIED, target.host, values)
    evidence = hosts.get(target.host)
    if verdict.kind not in FAILED or evidence is None:
        return None
    fault = causes.in_container(target, evidence) or causes.at_bridge(target, evidence)
    if fault is not None or _forwarded(target.container, published, evidence):
        return fault
    for listener in _listeners(published, evidence):
        if listener["process"] not in _OF_ENGINE:
            more = {"process": listener["process"], "pid": listener["pid"]}
            return Cause(CauseKind.PORT_HELD, target.host, {**values, **more})
    return Cause(CauseKind.NOT_PUBLISHED, target.host, values)


def _forwarded(container: str, published: PublishedPort, evidence: Evidence) -> bool:
    """Whether a NAT rule or docker-proxy forwards the port to the container."""
    wanted = published.protocol, published.port, published.host_port
    ports: t.Iterable[Data] = (evidence.container(container) or {}).get("ports") or ()
    return any(
        (port["nat_rules"] or port["proxy_pid"] is not None) and listens(port, published.address)
        for port in ports
        if (port["protocol"], port["port"], port["host_port"]) == wanted
    )


def _listeners(published: PublishedPort, evidence: Evidence) -> t.Iterator[Data]:
    for listener in evidence.state["listeners"]:
        wanted = (listener["protocol"], listener["port"]) == (published.protocol, published.host_port)
        if wanted and listener["address"] in (*_ANY, published.address):
            yield listener
