# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Golden cases of the planner (golden/plan/*): declaration and lock file in, lock file and slices out."""

from __future__ import annotations

import os

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.fleetnet.docker.plugins.module_utils._domain import lockfile
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.addressing import overlapping
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.plan import host_slice, peers

from .planning import GOLDEN, plan_of


@pytest.mark.parametrize("case", sorted(path.name for path in (GOLDEN / "plan").iterdir()))
def test_golden(case):
    folder = GOLDEN / "plan" / case
    given_ = yaml.safe_load((folder / "input.yml").read_text(encoding="utf-8"))
    held = lockfile.parse(given_["lock"], "lock") if "lock" in given_ else None
    plan = plan_of(given_["fleet"], given_["hosts"], given_.get("groups"), held)
    outputs = {
        "lock.yml": lockfile.render(plan.leases),
        "plan.yml": yaml.safe_dump(
            {
                "hosts": {host.name: host_slice(plan, host) for host in plan.hosts},
                "peers": peers(plan),
                "policy": plan.policy.to_data(),
            },
            explicit_start=True,
        ),
    }
    for name, text in outputs.items():
        if os.environ.get("WRITE_GOLDEN"):  # to make a case's output anew; read the difference before committing it
            (folder / name).write_text(text, encoding="utf-8")
        assert text == (folder / name).read_text(encoding="utf-8")


NAMES = st.lists(st.sampled_from([f"h{number}" for number in range(12)]), min_size=1, max_size=8, unique=True)
NETWORKS = st.lists(st.sampled_from("abcdef"), max_size=4, unique=True)


@given(st.lists(st.tuples(NAMES, NETWORKS), min_size=1, max_size=6))
def test_nothing_that_is_leased_ever_moves(history):
    """Any sequence of hosts and networks that come and go: disjoint, inside the supernet, and where they always were."""
    held = None
    blocks, slots = {}, {}
    for hosts, networks in history:
        declared = {"supernet": "10.64.0.0/14", "networks": networks}
        plan = plan_of(declared, {name: {"ansible_host": f"192.0.2.{name[1:]}"} for name in hosts}, held=held)
        leases = plan.leases
        assert set(leases.blocks) == set(hosts)
        for name, block in leases.blocks.items():
            assert blocks.setdefault(name, block) == block
        for name, slot in leases.slots.items():
            assert slots.setdefault(name, slot) == slot
        everything = [*leases.blocks.items(), *leases.departed_blocks.items()]
        assert all(leases.supernet.contains(block) for _, block in everything)
        assert not overlapping((block, name) for name, block in everything)
        subnets = [(subnet, None) for host in plan.hosts for _, subnet in plan.networks_of(host)]
        subnets += [(plan.default_bridge(host), None) for host in plan.hosts]
        subnets += [(plan.pools(host), None) for host in plan.hosts]
        assert not overlapping(subnets)
        held = lockfile.parse(yaml.safe_load(lockfile.render(leases)), "lock")
        assert held == leases
        again = plan_of(declared, {host.name: {"ansible_host": host.underlay} for host in plan.hosts}, held=held)
        assert again.leases == leases
