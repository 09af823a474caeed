# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who owns a rule: this collection, Docker, or another program."""

from __future__ import annotations

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.cause import Owner
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.causes import owner_of
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.trace import TraceStep


@pytest.mark.parametrize(
    ("table", "chain", "owner"),
    [
        ("ip fleetnet", "allowed", Owner.OURS),
        ("ip6 fleetnet", "allowed", Owner.OURS),
        ("ip filter", "FLEETNET-FORWARD", Owner.OURS),
        ("ip filter", "DOCKER", Owner.DOCKER),
        ("ip filter", "DOCKER-FORWARD", Owner.DOCKER),
        ("ip filter", "DOCKER-CT", Owner.DOCKER),
        ("ip filter", "DOCKER-BRIDGE", Owner.DOCKER),
        ("ip filter", "DOCKER-INTERNAL", Owner.DOCKER),
        ("ip filter", "DOCKER-ISOLATION-STAGE-1", Owner.DOCKER),
        ("ip filter", "DOCKER-ISOLATION-STAGE-2", Owner.DOCKER),
        ("ip docker-bridges", "raw-PREROUTING", Owner.DOCKER),
        ("ip6 docker-bridges", "filter-forward-in__br-web", Owner.DOCKER),
        ("ip raw", "raw-PREROUTING", Owner.FOREIGN),
        ("ip filter", "DOCKER-USER", Owner.FOREIGN),
        ("ip filter", "FORWARD", Owner.FOREIGN),
    ],
)
def test_owners_of_rules(table: str, chain: str, owner: Owner) -> None:
    assert owner_of(TraceStep(table, chain, "drop", "drop", "fn-web", None)) is owner
