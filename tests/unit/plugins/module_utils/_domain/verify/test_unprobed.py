# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers without probes are named with the reason."""

from __future__ import annotations

import json

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify import text
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.unprobed import (
    Reason,
    Unprobed,
    find_unprobed,
)

from .probes import POLICY


def network(name, driver="bridge", internal=False, managed=True):
    return {"name": name, "driver": driver, "internal": internal, "managed": managed}


def container(name, *networks):
    return {"name": name, "networks": [{"network": each} for each in networks]}


NETWORKS = [
    network("web"),
    network("mail"),
    network("lan", driver="macvlan"),
    network("closed", internal=True),
    network("compose", managed=False),
    network("bridge", managed=False),
]


@pytest.mark.parametrize(
    ("containers", "expected"),
    [
        ([container("shop", "web")], []),
        ([container("m2", "mail"), container("m1", "mail")], [("mail", ("m1", "m2"), Reason.HOST_NETWORK)]),
        ([container("printer", "lan")], [("lan", ("printer",), Reason.NOT_ROUTED)]),
        ([container("safe", "closed")], [("closed", ("safe",), Reason.INTERNAL)]),
        ([container("both", "web", "compose")], [("compose, web", ("both",), Reason.SEVERAL_NETWORKS)]),
        # not part of the declaration
        ([container("other", "compose"), container("plain", "bridge"), container("isolated")], []),
    ],
    ids=["probed", "a host's own", "macvlan", "internal", "several", "undeclared"],
)
def test_unprobed(containers, expected):
    found = find_unprobed(POLICY, {"h1": {"containers": containers, "networks": NETWORKS}})
    assert found == [("h1", *each) for each in expected]
    assert [Unprobed.from_data(json.loads(json.dumps(each.to_data()))) for each in found] == found


@pytest.mark.parametrize("reason", Reason)
def test_each_reason_is_a_sentence(reason):
    line = text.not_probed(Unprobed("h2", "mail", tuple(f"m{number}" for number in range(7)), reason))
    assert line.startswith("h2: mail: m0, m1, m2, m3, m4 and 2 more: the ")
