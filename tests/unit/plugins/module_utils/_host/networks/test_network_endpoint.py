# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One container's endpoints, planned and carried out on an engine in memory."""

from __future__ import annotations

import typing as t

import pytest
import yaml

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.endpoint_items import (
    ENDPOINT_OPTIONS,
    parse_endpoints,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.endpoint_plan import (
    EndpointRequest,
    doubtful_addresses,
    plan_endpoints,
    resolve,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.steps import NetworksPlan
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.engine_reader import read_networks
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.executor import NetworkExecutor
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.fixed_addresses import read_accepted
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.reader import read_container, read_taken
from ansible_collections.fleetnet.docker.plugins.modules import network_endpoint as module

from .fake_docker import FakeDocker

Json = dict[str, t.Any]


def plan_on(docker: t.Any, *items: Json, container: str = "c", **options: t.Any) -> NetworksPlan:
    networks = read_networks(docker)
    state = read_container(docker, container, networks, must_exist=True)
    assert state is not None
    taken = read_taken(docker, networks)
    parsed = parse_endpoints(list(items))
    accepted = read_accepted(docker, doubtful_addresses(resolve(parsed, networks, "absent"), state))
    request = EndpointRequest(items=parsed, version=docker.version, taken=taken, accepted=accepted, **options)
    return plan_endpoints(request, state, networks)


def run(docker: t.Any, *items: Json, **options: t.Any) -> NetworksPlan:
    plan = plan_on(docker, *items, **options)
    NetworkExecutor(docker).execute(plan)
    assert not plan_on(docker, *items, **options).changed
    return plan


def endpoints(docker: t.Any) -> Json:
    return {name: each["endpoints"]["c"] for name, each in docker.state().items() if "c" in each["endpoints"]}


@pytest.fixture(params=["20.10.24", "28.5.2"])
def docker(request: pytest.FixtureRequest) -> t.Any:
    docker = FakeDocker(request.param)
    for name, subnet in (("web", "10.64.1.0/24"), ("db", "10.64.2.0/24")):
        docker.post("/networks/create", {"Name": name, "IPAM": {"Config": [{"Subnet": subnet}]}})
    docker.add_container("c", web={"Aliases": ["www"], "Links": ["other:o"]}, bridge={})
    docker.add_container("other", db={"IPAMConfig": {"IPv4Address": "10.64.2.50"}})
    return docker


def test_connect_change_and_disconnect(docker: t.Any) -> None:
    plan = run(docker, {"name": "db", "ipv4_address": "10.64.2.9"}, {"name": "web", "aliases": ["front"]}, prune=True)
    assert plan.operations == [
        "connect c (10.64.2.9) to db",
        "reconnect c (10.64.1.2) to web (aliases www -> front)",
        "disconnect c (172.17.0.2) from bridge",
    ]
    after = endpoints(docker)
    assert after.keys() == {"web", "db"}
    assert after["web"]["aliases"] == ["front"]
    assert after["web"]["links"] == ["other:o"]
    assert after["web"]["addresses"][0] == "10.64.1.2"
    assert after["db"]["addresses"][0] == "10.64.2.9"


def test_a_matching_network_is_unchanged(docker: t.Any) -> None:
    assert not plan_on(docker, {"name": "web"}, {"name": "bridge"}, prune=True).changed
    assert not plan_on(
        docker, {"name": "web", "aliases": ["www"], "links": ["other:o"], "ipv4_address": "10.64.1.2"}
    ).changed


def test_absent_takes_the_container_off_and_is_idempotent(docker: t.Any) -> None:
    plan = run(docker, {"name": "web"}, {"name": "db"}, {"name": "nowhere"}, state="absent")
    assert plan.operations == ["disconnect c (10.64.1.2) from web"]


def test_a_stopped_container_is_only_written_to(docker: t.Any) -> None:
    docker.add_container("idle", running=False, web={})
    plan = plan_on(docker, {"name": "web", "ipv4_address": "10.64.1.77"}, container="idle")
    assert plan.operations == ["reconnect idle (stopped) to web (ipv4_address none -> 10.64.1.77)"]
    NetworkExecutor(docker).execute(plan)
    assert docker.state()["web"]["endpoints"]["idle"]["addresses"][0] == "10.64.1.77"


FAULTS = (
    pytest.param({}, id="request fails"),
    pytest.param({"after_effect": True}, id="answer is lost"),
    pytest.param({"half_made": True}, id="connect fails half made"),
)
CHANGES = (
    pytest.param(
        [{"name": "db", "ipv4_address": "10.64.2.9"}, {"name": "web", "ipv4_address": "10.64.1.99"}],
        True,
        id="declared subnets",
    ),
    pytest.param([{"name": "auto", "aliases": ["www"]}], False, id="subnet that the engine chose"),
    pytest.param([{"name": "bridge", "driver_opts": {"a": "b"}}], False, id="default bridge"),
    pytest.param(
        [{"name": "fixed", "aliases": ["www"]}, {"name": "auto", "links": ["x:y"]}], False, id="fixed address"
    ),
)


def prepared(version: str) -> t.Any:
    docker = FakeDocker(version)
    for name, subnet in (("web", "10.64.1.0/24"), ("db", "10.64.2.0/24"), ("fixed", "10.64.3.0/24")):
        docker.post("/networks/create", {"Name": name, "IPAM": {"Config": [{"Subnet": subnet}]}})
    docker.post("/networks/create", {"Name": "auto"})
    fixed = {"IPAMConfig": {"IPv4Address": "10.64.3.50"}}
    docker.add_container("c", web={"Aliases": ["www"]}, bridge={}, auto={}, fixed=fixed)
    return docker


def lasting(found: Json) -> Json:
    """Endpoints without the addresses that the engine chose, and may choose again."""
    chosen = ("auto", "bridge")
    return {name: {**each, "addresses": name in chosen or each["addresses"]} for name, each in found.items()}


@pytest.mark.parametrize("version", ["20.10.24", "26.1.5", "28.5.2"])
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(("items", "prune"), CHANGES)
def test_after_every_failure_the_container_is_on_its_networks_with_its_fixed_addresses(
    items: list[Json], prune: bool, fault: Json, version: str
) -> None:
    docker = prepared(version)
    old = lasting(endpoints(docker))
    plan = plan_on(docker, *items, prune=prune)
    docker.fail_call(None)
    NetworkExecutor(docker).execute(plan)
    new, requests = lasting(endpoints(docker)), len(docker.calls)
    assert old != new
    for index in range(requests):
        docker = prepared(version)
        plan = plan_on(docker, *items, prune=prune)
        docker.fail_call(index, **fault)
        failure = ""
        try:
            NetworkExecutor(docker).execute(plan)
        except FleetnetError as error:
            failure = str(error)
        assert "NOT restored" not in failure, docker.calls[index]
        now = lasting(endpoints(docker))
        for name in old.keys() | new.keys():
            assert now.get(name) in (old.get(name), new.get(name)), (docker.calls[index], failure)
        if not failure:
            assert now == new, docker.calls[index]


@pytest.mark.parametrize("version", ["20.10.24", "26.1.5", "28.5.2"])
@pytest.mark.parametrize(
    ("item", "warns"),
    [
        ({"name": "auto", "aliases": ["www"]}, True),
        ({"name": "bridge", "driver_opts": {"a": "b"}}, True),
        ({"name": "web", "aliases": ["front"]}, False),
        ({"name": "fixed", "aliases": ["front"]}, False),
    ],
)
def test_an_address_that_the_engine_chose_is_not_required_where_the_engine_rejects_it(
    version: str, item: Json, warns: bool
) -> None:
    docker = prepared(version)
    plan = run(docker, item)
    assert bool(plan.warnings) == warns
    assert all("may get another address than" in each for each in plan.warnings)
    after = endpoints(docker)[item["name"]]
    assert after["addresses"][0]
    assert after["aliases"] == item.get("aliases", [])
    assert endpoints(docker).keys() == {"web", "bridge", "auto", "fixed"}


@pytest.mark.parametrize("version", ["20.10.24", "28.5.2"])
def test_a_fixed_address_that_the_engine_rejects_disconnects_nothing(version: str) -> None:
    """Another program replaces the network after the plan was made."""
    docker = prepared(version)
    subnet = endpoints(docker)["auto"]["addresses"][0].rpartition(".")[0]
    (auto,) = (each for each in docker.get("/networks") if each["Name"] == "auto")
    configured = next(each for each in read_networks(docker) if each.id == auto["Id"])
    state = read_container(docker, "c", [configured], must_exist=True)
    assert state is not None
    items = parse_endpoints([{"name": "auto", "ipv4_address": f"{subnet}.99"}])
    request = EndpointRequest(items, docker.version, accepted={(configured.id, f"{subnet}.99"): True})
    plan = plan_endpoints(request, state, [configured])
    before = docker.state()
    docker.fail_call(None)
    with pytest.raises(
        FleetnetError, match=r"only when connecting to networks with user configured subnets; the former"
    ):
        NetworkExecutor(docker).execute(plan)
    assert docker.state() == before
    assert not any(call.endswith("/disconnect") for call in docker.calls)


@pytest.mark.parametrize("version", ["20.10.24", "26.1.5", "28.5.2"])
@pytest.mark.parametrize("container", ["c", "joins", "idle"])
def test_a_fixed_address_in_a_subnet_that_the_engine_chose_is_rejected_in_the_plan(
    version: str, container: str
) -> None:
    docker = prepared(version)
    docker.add_container("joins")
    docker.add_container("idle", running=False, auto={})
    before = docker.state()
    address = endpoints(docker)["auto"]["addresses"][0].rpartition(".")[0] + ".99"
    with pytest.raises(
        FleetnetError,
        match=rf"networks\[0\] \(auto\).ipv4_address: '{address}': cannot be set: the engine chose the subnet of "
        "network 'auto'",
    ):
        plan_on(docker, {"name": "auto", "ipv4_address": address}, container=container)
    assert docker.state() == before


def test_the_address_that_the_engine_chose_may_be_declared_as_long_as_nothing_differs(docker: t.Any) -> None:
    docker = prepared("28.5.2")
    address = endpoints(docker)["auto"]["addresses"][0]
    docker.fail_call(None)
    assert not plan_on(docker, {"name": "auto", "ipv4_address": address}).changed
    assert not any(call.endswith("/connect") for call in docker.calls)
    with pytest.raises(FleetnetError, match=f"'{address}': cannot be set: the engine chose the subnet"):
        plan_on(docker, {"name": "auto", "ipv4_address": address, "aliases": ["www"]})


def test_a_subnet_that_is_configured_with_its_gateway_is_not_taken_for_one_that_the_engine_chose() -> None:
    docker = prepared("28.5.2")
    config = {"Config": [{"Subnet": "10.64.9.0/24", "Gateway": "10.64.9.1"}]}
    docker.post("/networks/create", {"Name": "own", "IPAM": config})
    docker.add_container("member", own={})
    before = docker.state()
    plan = plan_on(docker, {"name": "own", "ipv4_address": "10.64.9.99"})
    assert (docker.state(), list(plan.warnings)) == (before, [])
    assert plan.operations == ["connect c (10.64.9.99) to own"]


def test_without_a_container_on_the_network_the_engine_cannot_be_queried() -> None:
    docker = prepared("28.5.2")
    docker.post("/networks/create", {"Name": "empty"})
    subnet = docker.get("/networks/empty")["IPAM"]["Config"][0]["Subnet"]
    address = subnet.rpartition(".")[0] + ".99"
    plan = plan_on(docker, {"name": "empty", "ipv4_address": address})
    assert list(plan.warnings) == [
        f"the engine may reject address {address} on network 'empty': if it chose the subnet, it does not accept fixed "
        "addresses"
    ]


def test_a_container_that_leaves_the_network_during_the_query_stays_off() -> None:
    docker = prepared("28.5.2")
    config = {"Config": [{"Subnet": "10.64.9.0/24", "Gateway": "10.64.9.1"}]}
    docker.post("/networks/create", {"Name": "own", "IPAM": config})
    docker.add_container("leaver", own={})
    own = docker.network("own")["Id"]
    leave = f"/networks/{own}/disconnect", {"Container": "leaver"}
    docker.before_call(f"POST /networks/{own}/connect", lambda: docker.post(*leave))
    assert plan_on(docker, {"name": "own", "ipv4_address": "10.64.9.99"}).changed
    assert not docker.state()["own"]["endpoints"]


def test_a_connect_that_fails_half_made_is_a_failure_and_leaves_nothing(docker: t.Any) -> None:
    before = docker.state()
    plan = plan_on(docker, {"name": "db", "aliases": ["x"]})
    docker.fail_call(0, half_made=True)
    with pytest.raises(FleetnetError, match="cannot connect c to network 'db': injected failure"):
        NetworkExecutor(docker).execute(plan)
    assert docker.state() == before


def test_an_address_that_is_taken_meanwhile_is_a_failure_and_leaves_nothing(docker: t.Any) -> None:
    plan = plan_on(docker, {"name": "db", "ipv4_address": "10.64.2.9"})
    docker.add_container("faster", db={"IPAMConfig": {"IPv4Address": "10.64.2.9"}})
    before = docker.state()
    with pytest.raises(FleetnetError, match=r"cannot connect .* to network 'db': Address already in use"):
        NetworkExecutor(docker).execute(plan)
    assert docker.state() == before


def test_the_fixed_address_of_a_stopped_container_is_taken(docker: t.Any) -> None:
    docker.add_container("idle", running=False, db={"IPAMConfig": {"IPv4Address": "10.64.2.77"}})
    with pytest.raises(FleetnetError, match=r"'10.64.2.77': is the address of container 'idle'. Choose another"):
        plan_on(docker, {"name": "db", "ipv4_address": "10.64.2.77"})


MODES = (("host", "host"), ("none", "none"), ("container:" + "1" * 64, "container:1+"))


@pytest.mark.parametrize(("mode", "shown"), MODES)
def test_containers_without_a_network_of_their_own_are_rejected(docker: t.Any, mode: str, shown: str) -> None:
    docker.add_container("odd", mode=mode)
    with pytest.raises(FleetnetError, match=f"container 'odd' has network mode {shown} and cannot join network 'web'"):
        plan_on(docker, {"name": "web"}, container="odd")
    assert not plan_on(docker, prune=True, container="odd").changed


def test_a_missing_container_is_reported(docker: t.Any) -> None:
    with pytest.raises(FleetnetError, match="container: 'missing': is not an existing container"):
        plan_on(docker, {"name": "web"}, container="missing")
    assert read_container(docker, "missing", (), must_exist=False) is None


BAD = (
    (
        {"name": "web", "ipv4_address": "10.64.2.1"},
        "is not a free host address of network 'web'. Choose another address of 10.64.1.0/24",
    ),
    ({"name": "web", "ipv4_address": "10.64.1.1"}, "is not a free host address"),
    ({"name": "db", "ipv4_address": "10.64.2.50"}, "is the address of container 'other'"),
    ({"name": "web", "ipv4_address": "fd00::1"}, "is not an IPv4 address"),
    ({"name": "web", "ipv6_address": "fd00::1"}, "is not a free host address"),
    ({"name": "web", "ipv4_address": "10.64.1.9/24"}, "without a prefix length"),
    ({"name": "nowhere"}, "is not an existing network"),
    ({"name": ""}, "must not be empty"),
    ({"name": "web", "mac_address": "01:00:5e:00:00:01"}, "is not a valid unicast MAC address"),
    ({"name": "web", "mac_address": "02:42"}, "is not a valid unicast MAC address"),
    ({"name": "web", "aliases": "www"}, "must be a list"),
    ({"name": "web", "gw_priority": "high"}, "must be a whole number"),
    ({"name": "web", "interface_name": "much-too-long-a-name"}, "Use at most 15"),
    ({"name": "bridge", "aliases": ["x"]}, "is not supported on the engine's own bridge network"),
    ({"name": "web", "alias": ["x"]}, "Did you mean 'aliases'"),
)


@pytest.mark.parametrize(("item", "message"), BAD)
def test_bad_input_names_item_option_and_value(docker: t.Any, item: Json, message: str) -> None:
    with pytest.raises(FleetnetError, match=message) as refusal:
        plan_on(docker, item)
    assert str(refusal.value).startswith("networks[0]")


def test_an_unsupported_option_is_rejected_with_the_version_that_supports_it() -> None:
    docker = FakeDocker("26.1.5")
    docker.post("/networks/create", {"Name": "web"})
    docker.add_container("c", web={})
    for option, value, version in (
        ("gw_priority", 5, "28.0"),
        ("interface_name", "lan0", "28.0"),
        ("mac_address", "02:42:0a:40:01:02", "29.3"),
    ):
        with pytest.raises(FleetnetError, match=rf"\.{option}: '?{value}'?: requires engine {version} or newer"):
            plan_on(docker, {"name": "web", option: value})


def test_the_documentation_has_the_options_of_the_parser() -> None:
    documented = yaml.safe_load(module.DOCUMENTATION)["options"]["networks"]["suboptions"]
    assert {name: tuple(option.get("aliases", ())) for name, option in documented.items()} == ENDPOINT_OPTIONS
