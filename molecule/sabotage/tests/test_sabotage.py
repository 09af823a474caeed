# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""After any manual damage, playbooks/verify.yml fails and reports the host and the cause.

Three hosts, with three engines, are damaged at a time, each differently, and one report must name all three causes.
"""

from __future__ import annotations

import json
import re

import pytest

from .conftest import HOSTS
from .damages import DAMAGES

NAMES = [name for name, damage in DAMAGES.items() if not damage.alone]
ROUNDS = [
    *(
        {host: NAMES[(first + place) % len(NAMES)] for place, host in enumerate(HOSTS)}
        for first in range(0, len(NAMES), 3)
    ),
    *({HOSTS[1]: name} for name, damage in DAMAGES.items() if damage.alone),
]


@pytest.mark.parametrize("damages", ROUNDS, ids=lambda damages: ", ".join(damages.values()).replace(" ", "-"))
def test_the_cause_of_each_damage_is_reported(fleet, table, damages):
    with fleet.damaged({host: DAMAGES[name] for host, name in damages.items()}):
        causes = fleet.verify()
    assert causes is not None, "verification found no failure"
    for host, name in damages.items():
        pattern = re.compile(DAMAGES[name].cause.format(**fleet.values(host)))
        named = [cause for cause in causes if pattern.search(cause)]
        table[name] = named[0] if named else "NOT NAMED"
        assert named, f"{name} on {host}: no cause matches {pattern.pattern!r}:\n" + "\n".join(causes)


def test_the_repaired_fleet_is_as_declared(fleet):
    assert fleet.verify() is None


def test_no_trace_remains(host):
    assert "fleetnet_trace" not in host.check_output("nft list tables")
    assert not host.file("/run/fleetnet/trace").exists


def test_a_trace_ends_after_its_lifetime(host):
    flows = [{"source": "10.64.1.2", "destination": "10.64.17.2"}]
    options = json.dumps({"state": "started", "flows": flows, "lifetime": 2})
    result = host.ansible("fleetnet.docker.packet_trace", options, check=False)
    assert "msg" not in result, result
    assert "inet fleetnet_trace" in host.check_output("nft list tables")
    host.check_output("timeout 30 sh -c 'while nft list tables | grep -q fleetnet_trace; do sleep 0.1; done'")
    assert not host.service("fleetnet-trace").is_running
