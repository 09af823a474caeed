# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Endpoints, probes and results of probes for tests."""

from __future__ import annotations

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.probe import Endpoint, Probe

from ..planning import plan_of

POLICY = plan_of(
    {
        "supernet": "10.64.0.0/12",
        "networks": ["web", "db"],
        "policy": [{"from": "web", "to": "db", "ports": [5432, "8000-8010"]}, {"from": "web", "to": "docker0"}],
    },
    {"h1": {"ansible_host": "192.0.2.1"}, "h2": {"ansible_host": "192.0.2.2"}},
).policy

WEB1 = Endpoint("h1", "web", "web", "10.64.1.2")
WEB2 = Endpoint("h2", "web", "web", "10.64.17.2")
DB2 = Endpoint("h2", "db", "db", "10.64.18.2")

ALLOWED = Probe(WEB1, DB2, "tcp", 5432, 0, "a line")
DENIED = Probe(WEB1, DB2, "tcp", 9, 0, None)
UDP = Probe(WEB1, DB2, "udp", 53, 0, "a line")
NARROW = Probe(WEB1, WEB2, "icmp", None, 1, "a line", 1500)
NAME = Probe(WEB2, WEB2, "dns", None, 0, "a line", None, "web")

REPLY = {"reached": True, "outcome": "reply", "detail": None}
TIMEOUT = {"reached": False, "outcome": "timeout", "detail": None}
ERROR = {"reached": False, "outcome": "error", "detail": "no such container"}
