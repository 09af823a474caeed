# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is left of an interrupted step: the cases of ``recovery_cases.yml``, with their outcome in the golden file."""

from __future__ import annotations

import dataclasses
import ipaddress
import json
import pathlib
import typing as t

import pytest
import yaml

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.constants import (
    BRIDGE_NAME,
    MTU,
    OWNER_LABEL,
    OWNER_VALUE,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.journal import (
    Journal,
    journal_text,
    needs_journal,
    parse_journal,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.model import (
    Attachment,
    Block,
    ContainerSummary,
    Definition,
    NetworkState,
    ObservedNetwork,
    pairs,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.recovery import (
    EngineState,
    Predicted,
    is_predicted,
    predict,
    remaining,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.request_body import connection, creation
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.steps import NetworkStep

from ..planning import assert_golden

Json = dict[str, t.Any]
CASES: dict[str, Json] = yaml.safe_load(pathlib.Path(__file__).with_name("recovery_cases.yml").read_text())
VERSION = (29, 7, 2)
ATTACHMENTS = (
    Attachment("a", "a", ipv4=ipaddress.ip_address("10.64.1.10"), aliases=("www",), mac="02:42:0a:40:01:0a"),
    Attachment("b", "b", ipv4=ipaddress.ip_address("10.64.1.2"), chosen=(4,), gw_priority=5, driver_opts=(("x", "y"),)),
    Attachment("c", "c", running=False, ipv4=ipaddress.ip_address("10.64.1.30"), links=("a:peer",)),
)


def definition(
    name: str = "web", mtu: int = 1500, subnet: str = "10.64.1.0/24", owned: bool = True, bridge: str = ""
) -> Definition:
    options = {MTU: str(mtu), **({BRIDGE_NAME: bridge} if bridge else {})}
    labels = {OWNER_LABEL: OWNER_VALUE} if owned else {}
    block = Block(ipaddress.ip_network(subnet))
    return Definition(name, driver_options=pairs(options), blocks=(block,), labels=pairs(labels))


def step_of(case: Json) -> NetworkStep:
    before = NetworkState(definition(**case.get("before", {})), ATTACHMENTS, "old")
    kind = case.get("kind", "recreate")
    if kind == "remove":
        return NetworkStep(kind, (before,), ())
    if kind == "connect":
        moved = dataclasses.replace(ATTACHMENTS[0], ipv4=ipaddress.ip_address("10.64.1.11"))
        return NetworkStep(kind, (before,), (dataclasses.replace(before, attachments=(moved, *ATTACHMENTS[1:])),))
    after = definition(**{"mtu": 1400, **case.get("before", {}), **case.get("after", {})})
    return NetworkStep(kind, (before,), (NetworkState(after, ATTACHMENTS),), reason="mtu 1500 -> 1400")


def journal_of(case: Json) -> Journal:
    journal = Journal(
        "unix:///run/docker.sock", step_of(case), True, tuple(case.get("made", ())), case.get("undoing", False)
    )
    assert needs_journal(journal.step)
    assert parse_journal(journal_text(journal)) == journal
    return journal


def engine_state(case: Json) -> EngineState:
    networks = tuple(ObservedNetwork(each.pop("id"), definition(**each)) for each in map(dict, case["networks"]))
    containers = tuple(
        ContainerSummary(cid, each.get("name", cid), each["state"], networks=pairs(each.get("on", {})))
        for cid, each in case["containers"].items()
    )
    listed = {
        network.id: [each.id for each in containers if each.has_interfaces and each.is_on(network)]
        for network in networks
    }
    return EngineState(
        networks, containers, case.get("endpoints", listed), frozenset(case.get("failed", ())), _others(case)
    )


def _others(case: Json) -> dict[tuple[str, str], Attachment]:
    """Endpoints that are not as before."""
    return {
        (network, container): Attachment(
            container, container, ipv4=ipaddress.ip_address(each["ipv4"]), aliases=tuple(each.get("aliases", ()))
        )
        for network, found in case.get("others", {}).items()
        for container, each in found.items()
    }


def outcome(case: Json) -> Json:
    left = remaining(journal_of(case), engine_state(case))
    return {
        "undoing": left.undoing,
        "operations": left.operations,
        "differences": [list(each) for each in left.differences("JOURNAL")],
        "start": [each.container_id for each in left.start],
        "warnings": list(left.warnings),
        "blocked": list(left.blocked),
        "requests": [_requests(step) for step in left.steps],
    }


def _requests(step: NetworkStep) -> Json:
    there = {each for state in step.before for each in state.attachments}
    return {
        "remove": [state.id for state in step.before if step.kind == "remove"],
        "create": [creation(state.definition, VERSION) for state in step.after if not state.id],
        "connect": [connection(each) for state in step.after for each in state.attachments if each not in there],
    }


def test_golden() -> None:
    assert_golden("recovery.yml", {name: outcome(case) for name, case in CASES.items()})


def after(predicted: Predicted) -> EngineState:
    """What the engine shows after the steps, where the networks that they create have the predicted ids."""
    endpoints = {
        network.id: [each.id for each in predicted.containers if each.has_interfaces and each.is_on(network)]
        for network in predicted.networks
    }
    return EngineState(predicted.networks, predicted.containers, endpoints)


@pytest.mark.parametrize("name", CASES)
def test_after_the_steps_nothing_is_left(name: str) -> None:
    case = CASES[name]
    now = engine_state(case)
    left = remaining(journal_of(case), now)
    predicted = predict(left.steps, now)
    made = tuple(each.id for each in predicted.networks if is_predicted(each.id) and not left.undoing)
    journal = dataclasses.replace(left.journal, undoing=left.undoing, made=(*left.journal.made, *made))
    again = remaining(journal, after(predicted))
    assert again.steps == ()
    assert again.blocked == left.blocked


@pytest.mark.parametrize("name", CASES)
def test_each_container_that_exists_is_connected_again_or_named(name: str) -> None:
    case = CASES[name]
    now = engine_state(case)
    left = remaining(journal_of(case), now)
    predicted = predict(left.steps, now)
    if case.get("kind") == "remove" and not now.networks:
        return
    for each in predicted.containers:
        on_it = [network.name for network in predicted.networks if each.is_on(network)]
        text = "; ".join([*left.blocked, *left.warnings])
        assert on_it == ["web"] or each.name in text.rsplit("Until then", maxsplit=1)[-1], each


@pytest.mark.parametrize("name", CASES)
def test_networks_of_others_are_left_alone(name: str) -> None:
    case = CASES[name]
    now = engine_state(case)
    left = remaining(journal_of(case), now)
    others = {each.id for each in now.networks if each.id == "other"}
    touched = {state.id for step in left.steps for state in (*step.before, *step.after)}
    assert not touched & others


A, B, C = ATTACHMENTS
WEB = NetworkState(definition(), (A, B), "old")


@pytest.mark.parametrize(
    ("step", "needed"),
    [
        (NetworkStep("create", (), (NetworkState(definition(), (A,)),)), False),
        (NetworkStep("recreate", (WEB,), (NetworkState(definition(mtu=1400)),)), True),
        (NetworkStep("recreate", (dataclasses.replace(WEB, attachments=()),), (NetworkState(definition()),)), True),
        (NetworkStep("remove", (WEB,), ()), True),
        (NetworkStep("remove", (dataclasses.replace(WEB, attachments=()),), ()), False),
        (NetworkStep("connect", (WEB,), (dataclasses.replace(WEB, attachments=(A, B, C)),)), False),
        (NetworkStep("connect", (WEB,), (dataclasses.replace(WEB, attachments=(A,)),)), False),
        (
            NetworkStep(
                "connect", (WEB,), (dataclasses.replace(WEB, attachments=(A, dataclasses.replace(B, aliases=("n",)))),)
            ),
            True,
        ),
    ],
)
def test_steps_that_interrupt_something_need_a_journal(step: NetworkStep, needed: bool) -> None:
    assert needs_journal(step) == needed


def test_a_complete_network_is_the_same_after_it_is_read() -> None:
    full = Definition(
        "web",
        "macvlan",
        pairs({"parent": "eth0"}),
        "own",
        pairs({"a": "b"}),
        (
            Block(
                ipaddress.ip_network("10.64.1.0/24"),
                ipaddress.ip_network("10.64.1.128/25"),
                ipaddress.ip_address("10.64.1.1"),
                (("h", ipaddress.ip_address("10.64.1.9")),),
            ),
            Block(ipaddress.ip_network("fd00:64::/64")),
        ),
        enable_ipv4=True,
        enable_ipv6=True,
        internal=True,
        attachable=True,
        ingress=True,
        scope="swarm",
        labels=pairs({"l": "1"}),
        config_only=True,
        config_from="other",
    )
    six = dataclasses.replace(A, ipv6=ipaddress.ip_address("fd00:64::9"), link_local=("169.254.1.1",), chosen=(4, 6))
    journal = Journal(
        "h", NetworkStep("recreate", (NetworkState(full, (six,), "old"),), (NetworkState(full, (six,)),), "why")
    )
    assert parse_journal(journal_text(journal)) == journal


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": 2}, "its format is 2, not 1"),
        ({"step": None}, "TypeError"),
        ({"made": None}, "TypeError"),
        ({"undoing": ...}, "KeyError: 'undoing'"),
    ],
)
def test_a_journal_of_another_form_is_an_error(change: Json, words: str) -> None:
    data = {**json.loads(journal_text(journal_of(CASES["all_connected"]))), **change}
    text = json.dumps({key: value for key, value in data.items() if value is not ...})
    with pytest.raises(ValueError, match=words):
        parse_journal(text)
    with pytest.raises(ValueError, match="JSONDecodeError"):
        parse_journal(text[:40])
