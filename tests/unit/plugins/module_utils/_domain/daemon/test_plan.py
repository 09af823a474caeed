# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plans: desired and observed state -> operations, differences and the file's text."""

from __future__ import annotations

import json
import typing as t

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.constants import MTU
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.config import BrokenFile
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.desired import OPTIONS, desired_state
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.observed import (
    ObservedDaemon,
    RunningContainer,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.plan import (
    DaemonPlan,
    DesiredDaemon,
    plan_daemon,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.drift.difference import Difference, sentence
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError

from ..planning import assert_golden, message_of

DEFAULT_BRIDGE = {
    "EnableIPv6": False,
    "IPAM": {"Config": [{"Subnet": "172.17.0.0/16", "Gateway": "172.17.0.1"}]},
    "Options": {
        "com.docker.network.bridge.default_bridge": "true",
        "com.docker.network.bridge.enable_icc": "true",
        "com.docker.network.bridge.enable_ip_masquerade": "true",
        "com.docker.network.bridge.host_binding_ipv4": "0.0.0.0",
        "com.docker.network.bridge.name": "docker0",
        "com.docker.network.driver.mtu": "1500",
    },
}

FRESH = ObservedDaemon(
    version=(28, 5, 2),
    path="/etc/docker/daemon.json",
    unit="docker.service",
    text=None,
    startup={},
    argv=("/usr/sbin/dockerd", "-H", "fd://"),
    info={"LiveRestoreEnabled": False, "IPv4Forwarding": True},
    bridge=DEFAULT_BRIDGE,
    addresses=frozenset(["172.17.0.1/16"]),
    ip_program="/usr/sbin/ip",
)

WEB = RunningContainer("1", "web")
DB = RunningContainer("2", "db")
JOB = RunningContainer("3", "job", auto_remove=True)

FLEET = {
    "bip": "10.64.0.1/24",
    "mtu": 1500,
    "default_address_pools": [{"base": "10.64.8.0/21", "size": 24}],
}


def plan(
    values: dict[str, t.Any], observed: ObservedDaemon, unset: tuple[str, ...] = (), consent: bool = False
) -> DaemonPlan:
    made = plan_daemon(DesiredDaemon(values, unset), observed, consent)
    assert made.changed == bool(made.differences())
    return made


def with_file(config: dict[str, t.Any], observed: ObservedDaemon = FRESH) -> ObservedDaemon:
    """The host after its daemon has started with ``config``, as far as the engine does not report it elsewhere."""
    return observed._replace(text=json.dumps(config), startup=config)


def test_a_fresh_host_is_restarted_without_consent() -> None:
    made = plan(FLEET, FRESH)
    assert made.differences() == [
        Difference("daemon", "bip", "value", "10.64.0.1/24", "172.17.0.1/16"),
        Difference("daemon", "default_address_pools", "value", [{"base": "10.64.8.0/21", "size": 24}], []),
        Difference("file", "/etc/docker/daemon.json", "state", "present", None),
    ]
    assert made.operations() == [
        "write /etc/docker/daemon.json",
        "restart docker.service: bip 172.17.0.1/16 -> 10.64.0.1/24; "
        'default_address_pools [] -> [{"base": "10.64.8.0/21", "size": 24}]',
    ]
    assert made.before is None
    assert json.loads(made.after or "") == {
        "bip": "10.64.0.1/24",
        "mtu": 1500,
        "default-address-pools": [{"base": "10.64.8.0/21", "size": 24}],
    }
    assert [diff["before_header"] for diff in made.diff()] == [
        "/etc/docker/daemon.json",
        "in effect in the running daemon",
    ]


def test_a_second_run_changes_nothing() -> None:
    first = plan(FLEET, FRESH)
    config = json.loads(first.after or "")
    entry = {"Subnet": "10.64.0.0/24", "Gateway": "10.64.0.1"}
    observed = FRESH._replace(
        text=first.after,
        startup=config,
        info={**FRESH.info, "DefaultAddressPools": [{"Base": "10.64.8.0/21", "Size": 24}]},
        bridge={**DEFAULT_BRIDGE, "IPAM": {"Config": [entry]}},
        addresses=frozenset(["10.64.0.1/24"]),
        containers=(WEB,),
    )
    again = plan(FLEET, observed)
    assert not again.changed
    assert again.operations() == []
    assert again.diff() == []
    assert again.differences() == []


FOREIGN = [
    {"DefaultAddressPools": [{"Base": "invalid Prefix", "Size": 24}]},  # engine 28.5 after a reload
    {"DefaultAddressPools": [{}]},
    {"DefaultAddressPools": "none"},
    {"DefaultAddressPools": [None]},
    {"FirewallBackend": "iptables"},
    {"FirewallBackend": {"Driver": 5}},
]


@pytest.mark.parametrize("info", FOREIGN, ids=str)
def test_a_value_that_the_engine_reports_in_another_form_is_that_of_its_start(info) -> None:
    first = plan(FLEET, FRESH)
    observed = FRESH._replace(
        text=first.after,
        startup=json.loads(first.after or ""),
        info={**FRESH.info, "DefaultAddressPools": [{"Base": "10.64.8.0/21", "Size": 24}], **info},
        bridge={**DEFAULT_BRIDGE, "IPAM": {"Config": [{"Subnet": "10.64.0.0/24", "Gateway": "10.64.0.1"}]}},
        addresses=frozenset(["10.64.0.1/24"]),
    )
    assert plan(FLEET, observed).differences() == []


@pytest.mark.parametrize(
    "bridge",
    [{"IPAM": {"Config": [{}]}}, {"IPAM": {"Config": [{"Subnet": "invalid Prefix"}]}}, {"Options": {MTU: "large"}}],
    ids=str,
)
def test_a_property_of_docker0_in_another_form_is_unknown(bridge) -> None:
    made = plan({"bip": "10.64.0.1/24", "mtu": 1400}, FRESH._replace(bridge={**DEFAULT_BRIDGE, **bridge}))
    assert made.changed


def test_a_default_is_written_without_a_restart() -> None:
    made = plan({"mtu": 1500, "icc": True, "userland_proxy": True}, FRESH._replace(containers=(WEB,)))
    assert made.operations() == ["write /etc/docker/daemon.json"]


def test_a_value_that_only_the_file_has_requires_a_restart() -> None:
    observed = FRESH._replace(text='{"bip": "10.64.0.1/24"}', startup={})
    assert plan({"bip": "10.64.0.1/24"}, observed).operations() == [
        "restart docker.service: bip 172.17.0.1/16 -> 10.64.0.1/24"
    ]


def test_an_address_missing_on_docker0_requires_a_restart() -> None:
    assert plan({"bip": "172.17.0.1/16"}, FRESH._replace(addresses=frozenset())).changes[0].before is None


def test_an_unknown_value_requires_a_restart() -> None:
    observed = FRESH._replace(text='{"userland-proxy": false}', startup=None)
    assert plan({"userland_proxy": False}, observed).operations() == [
        "restart docker.service: userland_proxy unknown (daemon.json is newer than the running daemon) -> false"
    ]
    assert not plan({"userland_proxy": False}, with_file({"userland-proxy": False})).changed


def test_differences_are_json() -> None:
    observed = FRESH._replace(text='{"userland-proxy": true, "mtu": 1500}', startup=None)
    made = plan({"userland_proxy": False}, observed)
    assert json.loads(json.dumps([difference.to_data() for difference in made.differences()])) == [
        {
            "kind": "daemon",
            "name": "userland_proxy",
            "key": "value",
            "declared": False,
            "observed": "unknown (daemon.json is newer than the running daemon)",
        },
        {
            "kind": "file",
            "name": "/etc/docker/daemon.json",
            "key": "content",
            "declared": "as planned",
            "observed": "different",
        },
    ]


def test_the_unit_of_an_own_bridge_runs_the_hosts_program() -> None:
    made = plan({"bridge": "br-own", "bip": "10.64.0.1/24"}, FRESH)
    assert "\nExecStart=/usr/sbin/ip link set dev br-own mtu 1500 up\n" in str(made.own_unit)


def test_the_unit_of_an_own_bridge_is_a_difference() -> None:
    observed = FRESH._replace(own_unit="Description=Bridge br-own for Docker's default network", text="{}")
    made = plan({"bridge": "docker0"}, observed)
    assert made.differences() == [
        Difference("file", "/etc/systemd/system/fleetnet-default-bridge.service", "state", None, "present")
    ]


def test_live_restore_alone_requires_a_reload() -> None:
    made = plan({"live_restore": True}, FRESH._replace(containers=(WEB,)))
    assert made.operations() == ["write /etc/docker/daemon.json", "reload docker.service: live_restore false -> true"]
    assert made.interrupted == ()


def test_live_restore_requires_a_restart_if_the_engine_rejects_the_reload() -> None:
    observed = with_file({"userland-proxy": True})
    assert plan({"live_restore": True}, observed).signal == "restart"
    assert plan({"live_restore": True}, observed._replace(version=(20, 10, 24))).signal == "reload"


def test_running_containers_require_consent() -> None:
    observed = FRESH._replace(containers=(WEB, DB))
    with pytest.raises(FleetnetError) as raised:
        plan({"bip": "10.64.0.1/24"}, observed)
    assert str(raised.value) == (
        "bip 172.17.0.1/16 -> 10.64.0.1/24: the restart of docker.service interrupts 2 running containers (web, db). "
        "Set allow_restart: true (with the playbooks, docker_fleet_allow_restart: true) to allow this. Nothing was "
        "changed."
    )
    made = plan({"bip": "10.64.0.1/24"}, observed, consent=True)
    assert (made.interrupted, made.stop, made.resume) == ((WEB, DB), (), (WEB, DB))


def test_containers_started_with_rm_are_never_interrupted() -> None:
    with pytest.raises(FleetnetError, match=r"the restart of docker\.service deletes job \(started with --rm\)"):
        plan({"bip": "10.64.0.1/24"}, FRESH._replace(containers=(WEB, JOB)), consent=True)


LIVE = FRESH._replace(info={**FRESH.info, "LiveRestoreEnabled": True}, containers=(WEB,))


def test_live_restore_keeps_containers_running_unless_docker0_changes() -> None:
    made = plan({"userland_proxy": False}, LIVE)
    assert made.signal == "restart"
    assert made.interrupted == ()
    assert made.resume == (WEB,)


def test_with_live_restore_a_change_of_docker0_stops_containers() -> None:
    with pytest.raises(FleetnetError, match=r"ignores the change unless 1 running container \(web\) stop"):
        plan({"bip": "10.64.0.1/24"}, LIVE)
    made = plan({"bip": "10.64.0.1/24"}, LIVE, consent=True)
    assert made.stop == made.interrupted == made.resume == (WEB,)
    assert made.operations()[1].startswith("stop web: with live restore the engine would ignore the change")


def test_unset_removes_the_key_and_restarts_the_daemon() -> None:
    observed = with_file({"userland-proxy": False, "debug": True})
    made = plan({}, observed, unset=("userland_proxy",))
    assert made.after == '{"debug": true}'
    assert made.operations()[1] == "restart docker.service: userland_proxy false -> true"
    assert not plan({}, with_file({"debug": True}), unset=("userland_proxy",)).changed


def test_unset_accepts_keys_that_the_engine_does_not_know() -> None:
    observed = with_file({"bip": "10.64.0.1/24"}, FRESH._replace(version=(26, 1, 5)))
    made = plan({}, observed, unset=("bip", "bip6"))
    assert made.operations()[1] == "restart docker.service: bip 10.64.0.1/24 -> none"


def test_nothing_declared_writes_no_file() -> None:
    assert not plan({}, FRESH).changed
    assert plan({}, FRESH).after is None


def test_an_interrupted_run_is_completed() -> None:
    made = plan({}, FRESH._replace(to_resume=(WEB,)))
    assert made.changed
    assert [sentence(each) for each in made.differences()] == [
        "container web: state: declared running, observed stopped"
    ]
    assert made.operations() == ["start containers that do not run afterwards: web"]


def test_a_broken_file_is_never_merged_into() -> None:
    with pytest.raises(BrokenFile, match="line 1, column 9"):
        plan({"mtu": 1400}, FRESH._replace(text='{"bip": ,}'))


def test_an_unknown_key_of_an_old_engine_is_rejected() -> None:
    observed = FRESH._replace(version=(20, 10, 24), help_text="--bip string", text='{"bpi": "x"}')
    with pytest.raises(FleetnetError, match="bpi: this dockerd does not know the key"):
        plan({"bip": "10.64.0.1/24"}, observed)


REPORTED: list[tuple[str, t.Any, dict[str, t.Any]]] = [
    ("fixed_cidr", "172.17.1.0/24", {"IPAM": {"Config": [{"Subnet": "172.17.0.0/16", "IPRange": "172.17.1.0/24"}]}}),
    (
        "default_gateway",
        "172.17.0.9",
        {"IPAM": {"Config": [{"Subnet": "172.17.0.0/16", "AuxiliaryAddresses": {"DefaultGatewayIPv4": "172.17.0.9"}}]}},
    ),
    ("icc", False, {"Options": {"com.docker.network.bridge.enable_icc": "false"}}),
    ("ip_masq", False, {"Options": {"com.docker.network.bridge.enable_ip_masquerade": "false"}}),
    ("ip", "127.0.0.1", {"Options": {"com.docker.network.bridge.host_binding_ipv4": "127.0.0.1"}}),
    ("mtu", 1400, {"Options": {"com.docker.network.driver.mtu": "1400"}}),
    ("ipv6", True, {"EnableIPv6": True}),
    ("fixed_cidr_v6", "fd00:64:0::/64", {"IPAM": {"Config": [{"Subnet": "fd00:64::/64"}]}}),
]


@pytest.mark.parametrize(("option", "value", "reported"), REPORTED, ids=[case[0] for case in REPORTED])
def test_the_engine_reports_the_value_in_effect(option: str, value: object, reported: dict[str, t.Any]) -> None:
    """Whatever the configuration contains, the reported value counts."""
    assert [change.option for change in plan({option: value}, FRESH).changes] == [option]
    assert plan({option: value}, FRESH._replace(bridge={**DEFAULT_BRIDGE, **reported})).changes == ()


def test_the_plan_keeps_the_former_text() -> None:
    text = '{ "debug":true,\n"bip": "10.1.0.1/24" }'
    made = plan({"bip": "10.64.0.1/24"}, FRESH._replace(text=text, startup=json.loads(text)))
    assert made.before == text


def test_operations_and_diffs() -> None:
    running = FRESH._replace(containers=tuple(RunningContainer(str(number), f"web{number}") for number in range(7)))
    moved = running._replace(
        text='{"bridge": "br-own", "bip": "10.64.0.1/24"}',
        startup={"bridge": "br-own", "bip": "10.64.0.1/24"},
        bridge={**DEFAULT_BRIDGE, "Options": {"com.docker.network.bridge.name": "br-own"}},
        own_unit="ExecStart=/sbin/ip link set dev br-own mtu 1500 up\n",
    )
    plans = {
        "a fresh host": plan(FLEET, FRESH),
        "running containers": plan(FLEET, running, consent=True),
        "live restore": plan({"bip": "10.64.0.1/24", "mtu": 1400}, LIVE, consent=True),
        "another bridge": plan({"bridge": "br-own", "bip": "10.64.0.1/24"}, running, consent=True),
        "back to docker0": plan({"bridge": "docker0"}, moved, consent=True),
        "no bridge": plan({"bridge": "none"}, FRESH),
        "an interrupted run": plan({}, FRESH._replace(to_resume=(WEB, DB))),
    }
    assert_golden(
        "daemon/plans.yml",
        {
            name: {"operations": made.operations(), "diff": made.diff(), "interim": made.interim}
            for name, made in plans.items()
        },
    )
    assert_golden(
        "daemon/plan_errors.yml",
        [
            message_of(plan, {"bip": "10.64.0.1/24"}, running),
            message_of(plan, {"bip": "10.64.0.1/24"}, LIVE),
            message_of(plan, {"bip": "10.64.0.1/24"}, FRESH._replace(containers=(JOB,))),
            message_of(plan, {"bridge": "none"}, FRESH._replace(bridge={"Containers": {"1": {"Name": "web"}}})),
            message_of(plan, {"live_restore": True}, FRESH._replace(info={"Swarm": {"LocalNodeState": "active"}})),
            message_of(desired_state, {"bip": "10.64.0.1/24", "unset": ["bip"], "allow_overlap": []}),
            message_of(desired_state, {"unset": ["bpi"], "allow_overlap": []}),
            message_of(desired_state, {"unset": [], "allow_overlap": ["10.0.0.1/8"]}),
            message_of(desired_state, {"unset": [], "allow_overlap": [], "default_network_opts": {"bridge": "x"}}),
        ],
    )


def test_desired_state() -> None:
    params = {option: spec.get("default") for option, spec in OPTIONS.items()}
    assert desired_state(params) == DesiredDaemon({}, (), ())
    declared = {"mtu": 1400, "unset": ["bip"], "allow_overlap": ["10.0.0.0/8"]}
    options = {"default_network_opts": {"bridge": {"a": True, "b": 1500, "c": "x"}}}
    assert desired_state({**params, **declared, **options}) == DesiredDaemon(
        {"mtu": 1400, "default_network_opts": {"bridge": {"a": "true", "b": "1500", "c": "x"}}},
        ("bip",),
        ("10.0.0.0/8",),
    )
