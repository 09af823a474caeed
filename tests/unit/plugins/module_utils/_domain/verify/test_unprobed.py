# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers without probes are named with the reason."""

from __future__ import annotations

import json

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify import text
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.coverage import measure
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.endpoints import find_endpoints
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.unprobed import (
    Reason,
    Unprobed,
    find_unprobed,
)

from .probes import POLICY


def network(name, driver="bridge", internal=False, managed=True):
    return {"name": name, "driver": driver, "internal": internal, "managed": managed, "options": {}}


def container(name, mode="user-defined", **networks):
    attached = [{"network": each, "ipv4": address, "ipv6": None} for each, address in networks.items()]
    return {"name": name, "mode": mode, "networks": attached}


NETWORKS = [
    network("web"),
    network("mail"),
    network("lan", driver="macvlan"),
    network("closed", internal=True),
    network("compose", managed=False),
    network("bridge", managed=False),
    network("back", internal=True, managed=False),
    network("ingress", driver="overlay", managed=False),
]
SHOP = container("shop", web="10.64.1.2/24")
R = Reason


@pytest.mark.parametrize(
    ("containers", "expected"),
    [
        ([SHOP], []),
        ([SHOP, container("shop2", web="10.64.1.3/24")], [("web", ("shop2",), R.NOT_CHOSEN)]),
        (
            [container("m2", mail="192.168.9.2/24"), container("m1", mail="192.168.9.3/24")],
            [("mail", ("m1", "m2"), R.HOST_NETWORK)],
        ),
        ([container("printer", lan="192.168.9.2/24")], [("lan", ("printer",), R.NOT_ROUTED)]),
        ([container("safe", closed="10.64.3.2/24")], [("closed", ("safe",), R.INTERNAL)]),
        (
            [container("both", web="10.64.1.3/24", compose="172.18.0.2/16")],
            [],
        ),
        ([container("other", compose="172.18.0.2/16"), container("plain", "bridge", bridge="172.17.0.2/16")], []),
        (
            [container("other", compose="172.18.0.2/16"), container("other2", compose="172.18.0.3/16")],
            [("compose", ("other2",), R.NOT_CHOSEN)],
        ),
        (
            [container("other", back="172.19.0.2/16"), container("swarm", ingress="10.0.0.2/24")],
            [("back", ("other",), R.UNDECLARED), ("ingress", ("swarm",), R.UNDECLARED)],
        ),
        (
            [container("two", back="172.19.0.2/16", lan="192.168.9.2/24")],
            [("back, lan", ("two",), R.SEVERAL_NETWORKS)],
        ),
        ([container("blank", web=None)], [("web", ("blank",), R.NO_ADDRESS)]),
        # The network was created again by hand.
        ([container("moved", web="192.168.9.2/24")], [("web", ("moved",), R.NOT_PLANNED)]),
        ([container("alone", "none"), container("apart")], [
            ("none", ("alone",), R.NO_NETWORK),
            ("user-defined", ("apart",), R.NO_NETWORK),
        ]),
        ([container("agent", "host")], [("host", ("agent",), R.HOST_MODE)]),
        ([SHOP, container("sidecar", "container:shop")], [("container:shop", ("sidecar",), R.SHARED)]),
    ],
    ids=[
        "probed", "one per network", "a host's own", "macvlan", "internal", "several", "undeclared",
        "one per undeclared network", "undeclared and not forwarded", "several of which none is probed", "no address",
        "not planned", "no network", "host", "shared",
    ],
)  # fmt: skip
def test_each_container_that_is_not_probed_has_a_reason(containers, expected):
    reports = {"h1": {"containers": containers, "networks": NETWORKS}}
    endpoints = find_endpoints(POLICY, reports, 1)
    found = find_unprobed(POLICY, reports, endpoints)
    assert found == [("h1", *each) for each in expected]
    assert [Unprobed.from_data(json.loads(json.dumps(each.to_data()))) for each in found] == found
    assert len(containers) == len({each.container for each in endpoints}) + sum(len(each.containers) for each in found)
    assert [each.wrong for each in found] == [each.reason is R.NOT_PLANNED for each in found]


def test_containers_that_do_not_run_are_listed_and_not_counted():
    stopped = [{"name": "old", "networks": ["web"]}, {"name": "new", "networks": []}]
    found = find_unprobed(POLICY, {"h1": {"containers": [], "stopped": stopped}}, [])
    assert found == [("h1", "none", ("new",), R.STOPPED), ("h1", "web", ("old",), R.STOPPED)]
    assert measure(POLICY, [], [], found).containers == 0


@pytest.mark.parametrize("reason", Reason)
def test_each_reason_is_a_sentence(reason):
    line = text.not_probed(Unprobed("h2", "mail", tuple(f"m{number}" for number in range(7)), reason))
    start = "h2: mail: m0, m1, m2, m3, m4 and 2 more: "
    assert line.startswith(start)
    assert len(line) > len(start)


def test_a_container_that_is_not_as_declared_is_marked():
    assert "NOT AS DECLARED" in text.not_probed(Unprobed("h2", "web", ("moved",), Reason.NOT_PLANNED))
