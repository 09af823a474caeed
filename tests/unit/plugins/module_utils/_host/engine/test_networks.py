# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The list of networks while the swarm allocates one of them."""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.differences import differences
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.engine_answers import parse_network
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.items import parse_items
from ansible_collections.fleetnet.docker.plugins.module_utils._host.engine.networks import list_networks

# As engines 20.10 and 26.1 list an overlay network right after its creation, and then.
NEW = {"Id": "n" * 25, "Name": "mesh", "Driver": "", "Scope": "swarm", "IPAM": {"Driver": "", "Config": []}}
WHOLE = {
    **NEW,
    "Driver": "overlay",
    "IPAM": {"Driver": "default", "Config": [{"Subnet": "10.0.1.0/24", "Gateway": "10.0.1.1"}]},
}


class Listing:
    """An engine whose list of networks has each of these answers once, and then the last one."""

    def __init__(self, *answers: list[dict[str, t.Any]]) -> None:
        self.answers = list(answers)
        self.waited = 0.0

    def get(self, path: str, **_query: str) -> t.Any:
        assert path == "/networks"
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def sleep(self, seconds: float) -> None:
        self.waited += seconds


def test_the_list_is_read_again_until_each_network_is_allocated() -> None:
    engine = Listing([NEW], [NEW], [WHOLE])
    assert list_networks(engine, engine.sleep) == [WHOLE]  # type: ignore[arg-type]


def test_a_complete_list_is_read_once() -> None:
    engine = Listing([WHOLE], [])
    assert list_networks(engine, engine.sleep) == [WHOLE]  # type: ignore[arg-type]
    assert engine.waited == 0


def test_a_network_whose_allocation_fails_is_not_taken_for_a_bridge() -> None:
    engine = Listing([NEW])
    (listed,) = list_networks(engine, engine.sleep)  # type: ignore[arg-type]
    assert 0.9 < engine.waited < 1.1
    network = parse_network(listed)
    assert (network.definition.driver, network.bridge) == ("", None)
    item, plain = parse_items([{"name": "mesh", "driver": "overlay"}, {"name": "other"}])
    assert [str(each) for each in differences(item, network, strict=False)] == ["driver none -> overlay"]
    assert not differences(plain, network, strict=False)
