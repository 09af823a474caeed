# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Golden cases of the compiler (golden/firewall/*): declaration and engine in, rules out."""

from __future__ import annotations

import dataclasses
import os

import pytest
import yaml

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import Unsupported
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall import Engine, compile_rules
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.policy import Policy

from .planning import GOLDEN, plan_of


def compiled(fleet, engine, hosts=3):
    plan = plan_of(
        fleet,
        {
            f"h{number}": {"ansible_host": f"198.18.0.{number}", "underlay_address_v6": f"fd00::{number}"}
            for number in range(1, hosts + 1)
        },
    )
    host = plan.hosts[0]
    own = [subnet for network, subnet in plan.networks_of(host) if not network.internal]
    # the way to a module and back is part of what is tested
    policy = Policy.from_data(plan.policy.to_data())
    assert policy == plan.policy
    return compile_rules(policy, own, Engine(tuple(engine["version"]), engine.get("firewall", "iptables")))


def outputs(rules):
    """File name to text; what is empty is no file."""
    return {f"rules.{name}": text for name, text in dataclasses.asdict(rules).items()}


@pytest.mark.parametrize("case", sorted(path.name for path in (GOLDEN / "firewall").iterdir()))
def test_golden(case):
    folder = GOLDEN / "firewall" / case
    given = yaml.safe_load((folder / "input.yml").read_text(encoding="utf-8"))
    rules = compiled(given["fleet"], given["engine"])
    for name, text in outputs(rules).items():
        if os.environ.get("WRITE_GOLDEN"):  # to make a case's output anew; read the difference before committing it
            (folder / name).write_text(text, encoding="utf-8")
        assert text == (folder / name).read_text(encoding="utf-8")


FLEET = {
    "supernet": "10.64.0.0/12",
    "networks": ["web", "db"],
    "policy": [{"from": "web", "to": "db", "ports": 5432}],
}


def test_rules_do_not_grow_with_the_fleet():
    engine = {"version": (28, 5, 2)}
    assert compiled(FLEET, engine, hosts=3) == compiled(FLEET, engine, hosts=200)


def test_the_nftables_backend_cannot_route_to_the_default_bridge():
    fleet = {**FLEET, "policy": [{"from": "web", "to": "docker0"}]}
    with pytest.raises(Unsupported, match="policy names docker0, and an engine with the nftables firewall backend"):
        compiled(fleet, {"version": (29, 0, 0), "firewall": "nftables"})
