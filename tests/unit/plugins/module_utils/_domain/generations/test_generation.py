# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Generations: their text, what differs between two, and the options that return a host to one."""

from __future__ import annotations

import dataclasses
import typing as t

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import InvalidValue
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.generations.addresses import (
    HostAddresses,
    addresses_of,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.generations.generation import (
    KEPT,
    Generation,
    Origin,
    changed_options,
    generation_text,
    is_current,
    parse_generation,
    run_id,
    surplus,
    without_consents,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.generations.report import (
    parse_report,
    report_of,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.generations.restore import (
    find,
    restoring_options,
)

Json = dict[str, t.Any]

ORIGIN = Origin("1f3870be", 1769855760.0, "controller1", "alice")
WEB = {"name": "web", "ipam_config": [{"subnet": "10.64.1.0/24", "gateway": "10.64.1.1"}]}
DB = {"name": "db", "ipam_config": [{"subnet": "10.64.2.0/24"}, {"subnet": "fd00:0:0:2::/64"}]}
PEERS = [
    {"host": "h1", "blocks": ["10.64.0.0/20"], "blocks_v6": ["fd00::/56"]},
    {"host": "h2", "blocks": ["10.64.16.0/20", "192.0.2.0/24"]},
]


def generation(number: int = 1, daemon: Json | None = None, **options: Json) -> Generation:
    return Generation(number, ORIGIN, options, daemon or {})


def slice_of(host: str = "h1", networks: t.Sequence[Json] = (WEB,), **default_bridge: t.Any) -> dict[str, Json]:
    return {
        "default_bridge": {"bip": "10.64.0.1/24", **default_bridge},
        "bridge_routing": {"policy": {"lines": len(networks)}},
        "networks": {"networks": list(networks), "prune": True},
        "host_routes": {"host": host, "peers": PEERS},
    }


def test_a_generation_is_the_same_after_writing_and_reading() -> None:
    whole = Generation(7, ORIGIN, slice_of(), {"mtu": 1450}, complete=False, restores="404f8ee6")
    assert parse_generation(7, generation_text(whole)) == whole
    # The files on the host have the order of the declaration.
    ordered = generation(bridge_routing={"bridges": {"web": "fn-web", "db": "fn-db"}, "subnets": []})
    parsed = parse_generation(1, generation_text(ordered))
    assert parsed is not None
    assert str(parsed.options) == str(ordered.options)


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", "{}", "null", '"text"',
        '{"run": {"id": "a"}, "options": {}, "daemon": {}, "complete": true, "restores": null}',
        '{"run": {"id": "a", "started": "x", "controller": "", "user": ""}, "options": {}, "daemon": {}}',
        '{"run": {"id": "a", "started": 1, "controller": "", "user": ""}, "options": [1], "daemon": {}}',
    ],
)  # fmt: skip
def test_a_text_that_is_not_a_generation_is_left_out(text: str) -> None:
    assert parse_generation(1, text) is None


def test_the_run_has_a_short_name_that_depends_on_all_of_its_identity() -> None:
    assert run_id("controller1/alice/4711/900/boot") == run_id("controller1/alice/4711/900/boot")
    assert len({run_id(f"controller1/alice/4711/{start}/boot") for start in range(100)}) == 100
    assert len(run_id("")) == 8


def test_consents_and_options_without_a_value_are_not_recorded() -> None:
    given = {
        "default_bridge": {"bip": "10.64.0.1/24", "allow_restart": True, "mtu": None},
        "networks": {"networks": [WEB], "allow_disconnect": True, "prune": False},
        "host_routes": None,
    }
    assert without_consents(given) == {
        "default_bridge": {"bip": "10.64.0.1/24"},
        "networks": {"networks": [WEB], "prune": False},
    }


def test_a_run_with_the_same_options_is_not_recorded_again() -> None:
    newest = generation(daemon={"mtu": 1450}, **slice_of())
    assert is_current(newest, slice_of(), {"mtu": 1450})
    assert not is_current(newest, slice_of(networks=[WEB, DB]), {"mtu": 1450})
    assert not is_current(newest, slice_of(), {"mtu": 1400})
    assert not is_current(dataclasses.replace(newest, complete=False), slice_of(), {"mtu": 1450})


def test_the_oldest_generations_are_deleted() -> None:
    assert surplus([12, 3, 9, 10, 11, 4, 2]) == [2, 3]
    assert len(surplus(range(100))) == 100 - KEPT
    assert surplus(range(KEPT)) == []


def test_changed_options_are_named_with_those_that_a_user_declares_first() -> None:
    before = generation(1, **slice_of(mtu=1450))
    after = generation(2, **slice_of(networks=[{**WEB, "internal": True}, DB]))
    assert changed_options(None, before) == []
    assert changed_options(before, before) == []
    assert changed_options(before, after) == [
        "networks.networks[db]",
        "networks.networks[web]",
        "default_bridge.mtu",
        "bridge_routing.policy",
    ]
    moved = generation(2, **{**slice_of(), "host_routes": {"host": "h1", "peers": PEERS[:1]}})
    assert changed_options(generation(1, **slice_of()), moved) == ["host_routes.peers[h2]"]
    reordered = generation(2, **{**slice_of(), "host_routes": {"host": "h1", "peers": PEERS[::-1]}})
    assert changed_options(generation(1, **slice_of()), reordered) == ["host_routes.peers"]
    assert changed_options(generation(1), generation(2, other={"key": 1})) == ["other.key"]


def test_the_addresses_of_a_generation() -> None:
    found = addresses_of(generation(**slice_of(networks=[WEB, DB, {"name": "lan"}], fixed_cidr_v6="fd00::/64")))
    assert found.to_data() == {
        "blocks": ["10.64.0.0/20", "fd00::/56"],
        "subnets": {
            "docker0": ["10.64.0.0/24", "fd00::/64"],
            "web": ["10.64.1.0/24"],
            "db": ["10.64.2.0/24", "fd00:0:0:2::/64"],
        },
    }
    assert HostAddresses.from_data(found.to_data()) == found
    assert addresses_of(generation(**slice_of("h2"))).to_data()["blocks"] == ["10.64.16.0/20", "192.0.2.0/24"]
    assert addresses_of(generation()).to_data() == {"blocks": [], "subnets": {}}
    assert addresses_of(generation(**slice_of("h9"))).blocks == ()


def test_a_host_reports_its_generations() -> None:
    first = generation(3, **slice_of())
    second = Generation(5, Origin("ab12cd34", 2.5, "c2", "bob"), slice_of(networks=[WEB, DB]), {}, False, "1f3870be")
    data = report_of([first, second])
    assert [(each["number"], each["run"], each["by"], each["complete"]) for each in data] == [
        (3, "1f3870be", "alice@controller1", True),
        (5, "ab12cd34", "bob@c2", False),
    ]
    assert "restores" not in data[0]
    assert data[1]["changes"] == ["networks.networks[db]", "bridge_routing.policy"]
    parsed = parse_report(reversed(data))
    assert [each.number for each in parsed] == [3, 5]
    assert (parsed[1].restores, parsed[1].started, parsed[0].restores) == ("1f3870be", 2.5, None)
    assert parsed[0].addresses == addresses_of(first)
    with pytest.raises((KeyError, TypeError, ValueError)):
        parse_report([{**data[0], "blocks": ["10.64.0.1/20"]}])


def test_a_generation_that_the_host_does_not_have_is_an_error() -> None:
    generations = [generation(3), generation(5)]
    assert find(5, generations).number == 5
    with pytest.raises(InvalidValue, match=r"^generation: 4: is not a generation of this host. It has: 3, 5"):
        find(4, generations)
    with pytest.raises(InvalidValue, match="It has: none"):
        find(4, [])


def test_the_options_of_a_generation_are_applied_with_the_consents_of_the_run() -> None:
    old = generation(1, **slice_of())
    options = restoring_options(old, [old], {"networks": {"allow_disconnect": True}, "other": {"key": 1}})
    assert options["networks"] == {"networks": [WEB], "prune": True, "allow_disconnect": True}
    assert options["default_bridge"] == {"bip": "10.64.0.1/24"}
    assert "other" not in options
    assert old.options["networks"] == {"networks": [WEB], "prune": True}


@pytest.mark.parametrize(
    ("before", "daemon", "newer", "expected"),
    [
        ({}, {}, [{"mtu": 1400}], {"unset": ["mtu"]}),
        ({}, {"mtu": 1450}, [{"mtu": 1400}], {"mtu": 1450}),
        ({"mtu": 1500}, {"mtu": 1500}, [{"mtu": 1400}], {"mtu": 1500}),
        ({}, {}, [{"mtu": 1400}, {"icc": False}, {}], {"unset": ["icc", "mtu"]}),
        ({}, {"icc": False}, [{"mtu": 1400}], {"unset": ["mtu"]}),
        # Another run removed a key that the user had set.
        ({}, {"mtu": 1450}, [{"unset": ["mtu"]}], {"mtu": 1450}),
        ({"unset": ["mtu"]}, {}, [{"mtu": 1400}], {"unset": ["mtu"]}),
        ({"unset": ["dns"]}, {}, [{"mtu": 1400}], {"unset": ["dns", "mtu"]}),
        # Not a key of daemon.json.
        ({}, {}, [{"restart_timeout": 10}], {}),
    ],
)
def test_keys_of_daemon_json_that_newer_generations_set_become_as_they_were(
    before: Json, daemon: Json, newer: list[Json], expected: Json
) -> None:
    target = Generation(3, ORIGIN, {"default_bridge": before}, daemon)
    older = generation(2, default_bridge={"live_restore": True})
    others = [generation(4 + number, default_bridge=each) for number, each in enumerate(newer)]
    assert restoring_options(target, [older, target, *others], {})["default_bridge"] == {**before, **expected}


def test_a_generation_without_docker0_leaves_daemon_json_unchanged() -> None:
    target = generation(1, networks={"networks": []})
    newer = generation(2, default_bridge={"mtu": 1400})
    assert restoring_options(target, [target, newer], {"default_bridge": {"allow_restart": True}}) == {
        "networks": {"networks": []}
    }
