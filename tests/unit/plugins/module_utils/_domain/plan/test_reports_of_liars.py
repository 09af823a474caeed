# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each value of a host's report is replaced with others of its type: other hosts' plan is unchanged, or h1 named."""

from __future__ import annotations

import copy
import typing as t

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.report import checked_report
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.plan.conflicts import plan_around
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.plan.mtu import fit_to_underlay
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.plan.slices import host_slice, peers
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.plan.used_blocks import check_used_blocks

from ..planning import plan_of
from .test_conflicts import DUAL, HOSTS

SUBNET = {"subnet": "10.64.1.0/24", "gateway": "10.64.1.1", "ip_range": None, "aux_addresses": {"a": "10.64.1.9"}}
REPORT: dict[str, t.Any] = {
    "engine": {"version": "28.5.2", "api_version": "1.51", "live_restore": False, "iptables": True,
               "firewall_backend": "iptables", "containers_running": 1},
    "networks": [
        {"name": "web", "id": "a" * 64, "driver": "bridge", "scope": "local", "internal": False, "attachable": False,
         "managed": True, "labels": {"a": "b"}, "options": {"com.docker.network.bridge.name": "fn-web"},
         "subnets": [SUBNET], "bridge": "fn-web", "ipv6": False},
    ],
    "links": [
        {"name": "eth0", "index": 2, "kind": None, "mtu": 1450, "state": "up", "master": None,
         "mac": "02:00:00:00:00:01", "addresses": ["192.0.2.1/24", "2001:db8::1/64"]},
    ],
    "routes": [
        {"destination": "10.64.16.0/20", "gateway": "192.0.2.2", "device": "eth0", "protocol": 213, "table": 254,
         "type": "unicast", "metric": None},
        {"destination": "172.16.0.0/12", "gateway": None, "device": "eth0", "protocol": 4, "table": 254,
         "type": "blackhole", "metric": 1},
    ],
    "resolver": ["192.0.2.53"],
    "control_path": {"client": "192.0.2.9", "server": "192.0.2.1"},
}  # fmt: skip
LIES: dict[type, list[t.Any]] = {
    str: [None, "", "x", "10.64.0.0/99", "300.1.1.1/8", "10.64.16.0/20", "::/0", "0.0.0.0/0", "{{ 1 }}", "10.64.0.1",
          "10.64.0.0/20", "²/³", "eth0\n", "fe80::1%eth0", "a" * 100_000],
    int: [None, -1, 0, 1, 10**30],
    bool: [None, True, False],
    list: [None, [], [None]],
    dict: [None, {}],
}  # fmt: skip


def places(value: t.Any, place: tuple[t.Any, ...] = ()) -> t.Iterator[tuple[t.Any, ...]]:
    yield place
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from places(item, (*place, key))


def at(report: t.Any, place: tuple[t.Any, ...]) -> t.Any:
    for key in place:
        report = report[key]
    return report


def outcome(report: t.Any, held: t.Any, avoided: list[t.Any]) -> str:
    """The plan of the other host with the report of host h1, or the refusal. ``avoided`` gets what is named."""
    try:
        reports = {"h1": checked_report("h1", report)}
        plan = plan_around(lambda avoid: plan_of(DUAL, HOSTS, held=held, avoid=avoid), reports, avoided.append)
        check_used_blocks(plan, reports)
        plan = fit_to_underlay(plan, reports)
    except FleetnetError as error:
        return f"refused: {error}"
    return str((host_slice(plan, plan.hosts[1]), peers(plan)))


HELD = plan_of(DUAL, HOSTS).leases
PLACES = {".".join(map(str, place)): place for place in places(REPORT) if place}


@pytest.mark.parametrize("held", [HELD, None], ids=["leased", "new"])
@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_a_value_changes_nothing_or_the_host_is_named(place, held):
    honest = outcome(REPORT, held, [])
    assert not honest.startswith("refused")
    for lie in LIES.get(type(at(REPORT, place)), LIES[str]):
        report = copy.deepcopy(REPORT)
        at(report, place[:-1])[place[-1]] = lie
        avoided: list[t.Any] = []
        found = outcome(report, held, avoided)
        if found.startswith("refused"):
            assert "host h1" in found
        elif found != honest:
            # Only new leases move, and the report that moves them is named.
            assert held is None
            assert {each.hosts for each in avoided} == {("h1",)}


NAMES = {
    "links[0].name": ("an interface", {"links": [{**REPORT["links"][0], "name": "{}"}]}),
    "links[0].master": ("an interface", {"links": [{**REPORT["links"][0], "master": "{}"}]}),
    "routes[0].device": ("an interface", {"routes": [{**REPORT["routes"][0], "device": "{}"}]}),
    "containers[0].name": ("a container", {"containers": [{"name": "{}"}]}),
    "stopped[0].name": ("a container", {"stopped": [{"name": "{}", "networks": []}]}),
}
VALID = {"an interface": ["eth0", "br-0.1", "{{1}}", "-", "a" * 15], "a container": ["web", "W_1.x-y", "0", "a" * 80]}
INVALID = {
    "an interface": ["", ".", "..", "a/b", "eth0:1", "eth 0", "eth0\n", "a" * 16],
    "a container": ["", "/web", "-web", "web on h2", "web\n", "db (db) -> web", "w\u00e9b"],
}


def with_name(report: dict[str, t.Any], name: str) -> dict[str, t.Any]:
    return {
        part: [{key: name if value == "{}" else value for key, value in record.items()} for record in records]
        for part, records in report.items()
    }


@pytest.mark.parametrize("place", NAMES)
def test_names_are_valid(place):
    kind, report = NAMES[place]
    for name in VALID[kind]:
        assert checked_report("h1", with_name(report, name))
    for name in INVALID[kind]:
        with pytest.raises(FleetnetError) as caught:
            checked_report("h1", with_name(report, name))
        assert str(caught.value).startswith(
            f"host h1: its report has {place}: {name!a}, which must be the name of {kind}"
        )


@pytest.mark.parametrize("part", REPORT)
def test_a_part_is_missing(part):
    without = {name: value for name, value in REPORT.items() if name != part}
    assert outcome(without, HELD, []) == outcome(REPORT, HELD, [])


MTU = "com.docker.network.driver.mtu"


@pytest.mark.parametrize(
    ("driver", "mtu", "valid"),
    [
        *(("bridge", mtu, True) for mtu in ("1500", "0", "+68", "65536", "")),
        *(("bridge", mtu, False) for mtu in ("-5", "abc", "1e3", " 1400", "1400\n", "\u00b2", "9" * 5000)),
        ("macvlan", "any text", True),
    ],
)
def test_the_mtu_of_a_bridge_is_one_that_an_engine_accepts(driver, mtu, valid):
    report = {"networks": [{**REPORT["networks"][0], "driver": driver, "options": {MTU: mtu}}]}
    if valid:
        assert checked_report("h3", report) == report
    else:
        with pytest.raises(FleetnetError, match=rf"^host h3: its report has networks\[0\]\.options\.{MTU}: '"):
            checked_report("h3", report)
