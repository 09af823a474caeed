# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Of a host's answer the documented part is kept, and what the reports contain is documented."""

from __future__ import annotations

import time
import typing as t

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed import answer
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.container_interfaces import Interface
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.host import (
    ContainerReport,
    ControlPath,
    EndpointReport,
    EngineInfo,
    NetworkReport,
    SubnetReport,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.links_and_routes import (
    LinkReport,
    RouteReport,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.report import check_answer
from ansible_collections.fleetnet.docker.plugins.plugin_utils.return_documentation import documentation_of

DOCUMENTED: dict[str, t.Any] = {
    "name": {"type": "str"},
    "count": {"type": "int"},
    "share": {"type": "float"},
    "labels": {"type": "dict"},
    "value": {"type": "raw"},
    "items": {"type": "list", "elements": "dict", "contains": {"name": {"type": "str"}}},
    "words": {"type": "list", "elements": "str"},
    "mode": {"type": "str", "choices": ["a", "b"]},
}


@pytest.mark.parametrize(
    "given",
    [
        {"changed": True, "name": "a", "count": 1, "share": 1, "labels": {"any": [1]}, "value": {"b": None}},
        {"items": [{"name": "a"}, {"name": None}], "words": [], "failed": False, "msg": ""},
        {"name": None, "items": None, "warnings": [{"any": 1}], "diff": [{"before": "", "after": ""}], "rc": 1},
    ],
)
def test_documented_keys_are_kept(given):
    assert answer.documented_part(given, DOCUMENTED) == (given, [])


def test_other_keys_are_dropped_and_named():
    given = {"name": "a", "ansible_facts": {}, "items": [{"name": "a", "x\n": 1}], "labels": {"x": 1}}
    kept, dropped = answer.documented_part(given, DOCUMENTED)
    assert kept == {"name": "a", "items": [{"name": "a"}], "labels": {"x": 1}}
    assert dropped == ["'ansible_facts'", "items[0].'x\\n'"]


ESCAPE, MARK, LINE = "\x1b[2J", "\N{RIGHT-TO-LEFT OVERRIDE}", "web\nok: [h1]"


def test_text_of_structures_is_one_printable_line():
    given = {
        "items": [{"name": LINE}],
        "words": [f"{MARK}a", f"{ESCAPE}\t\x00\x9b\udc80\ufffe\u2028"],
        "name": f"two\nlines\t{ESCAPE}\r",
        "labels": {LINE: {"a": ["b\n"]}},
        "value": {"before": "a\n\x07"},
    }
    assert answer.documented_part(given, DOCUMENTED).kept == {
        "items": [{"name": r"web\nok: [h1]"}],
        "words": [r"\u202ea", r"\x1b[2J\t\x00\x9b\udc80\ufffe\u2028"],
        "name": "two\nlines\t\\x1b[2J\\r",
        "labels": {r"web\nok: [h1]": {"a": [r"b\n"]}},
        "value": {"before": "a\n\\x07"},
    }


@pytest.mark.parametrize(
    ("given", "place"),
    [
        ({"name": ["a"]}, "name: ['a']: must be of type str"),
        ({"count": True}, "count: True: must be of type int"),
        ({"share": "1"}, "share: '1': must be of type float"),
        ({"items": [{"name": 1}]}, "items[0].name: 1: must be of type str"),
        ({"words": ["a", 1]}, "words[1]: 1: must be of type str"),
        ({"failed": "no"}, "failed: 'no': must be of type bool"),
        ({"mode": "c"}, "mode: 'c': must be 'a' or 'b'"),
        ({"items": [None]}, "items[0]: None: must be of type dict"),
        ({"words": ["a", None]}, "words[1]: None: must be of type str"),
        ({"diff": [None]}, "diff[0]: None: must be of type dict"),
        ({"diff": 5}, "diff: 5: must be of type dict"),
        ({"diff": [[]]}, "diff[0]: []: must be of type dict"),
        ({"diff": {"before": 5}}, "diff.before: 5: must be of type str or dict"),
    ],
)
def test_another_type_is_an_error(given, place):
    with pytest.raises(FleetnetError) as caught:
        answer.documented_part(given, DOCUMENTED)
    assert str(caught.value).startswith(f"{place}, as documented. The answer is ignored.")


def test_a_diff_has_the_documented_keys_and_only_its_contents_have_lines():
    given = {"before": "a\n", "after": {"b": "\n"}, "before_header": "c\n", "after_header": None}
    kept = {**given, "before_header": r"c\n"}
    for value, expected in ((given, kept), ([given], [kept])):
        assert answer.documented_part({"diff": value}, DOCUMENTED) == ({"diff": expected}, [])
    found = answer.documented_part({"diff": [{**given, "prepared": "ok: [h1]\n"}]}, DOCUMENTED)
    assert found == ({"diff": [kept]}, ["diff[0].'prepared'"])


REQUIRED = {"name": {"type": "str", "returned": "success"}, "count": {"type": "int", "returned": "always"},
            "share": {"type": "float", "returned": "when there is one"}}  # fmt: skip


def test_documented_keys_are_required_unless_the_module_failed():
    for given in ({"name": "a", "count": 0}, {"failed": True}):
        assert answer.documented_part(given, REQUIRED).kept == given
    with pytest.raises(
        FleetnetError, match=r"name, count: missing, but documented\. The answer is ignored\. The module"
    ):
        answer.documented_part({"name": None, "failed": False}, REQUIRED)
    with pytest.raises(FleetnetError, match=r"is ignored\. Other keys of .* are ignored: 'a', 'b'\. The module"):
        answer.documented_part({"b": 1, "a": 1}, REQUIRED)


LINES = "no\n\nok: [h1]"
NAMED = "host h3: no\n  \n  ok: [h1]"


def summary(msg: t.Any, **more: t.Any) -> dict[str, t.Any]:
    """The record of an exception of ansible-core 2.19 and newer."""
    return {"__ansible_type": "ErrorSummary", "event": {"__ansible_type": "Event", "msg": msg, **more}}


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"failed": True}, {}),
        ({"failed": True, "msg": LINES}, {"msg": NAMED}),
        ({"msg": LINES}, {"msg": NAMED}),
        ({"failed": True, "msg": ""}, {"msg": "host h3: "}),
        ({"failed": True, "msg": "a", "exception": LINES}, {"msg": "host h3: a", "exception": NAMED}),
        ({"failed": True, "msg": "a", "exception": [LINES]}, {"msg": "host h3: a"}),
        ({"failed": True, "exception": summary(LINES, help_text=LINES)}, {"msg": NAMED}),
        ({"failed": True, "exception": summary("a", formatted_traceback=LINES)},
         {"msg": "host h3: a", "exception": NAMED}),
        ({"failed": True, "msg": "a", "exception": summary("a", chain=summary("b\nc", chain=summary(5)))},
         {"msg": "host h3: a: b\n  c: 5"}),
        ({"failed": True, "exception": {"event": {"chain": 5}}}, {"msg": "host h3: None"}),
        ({"failed": True, "exception": {"event": LINES}}, {}),
    ],
)  # fmt: skip
def test_messages_and_exceptions_begin_with_the_host_and_have_indented_lines(given, named):
    kept = answer.documented_part(given, DOCUMENTED).kept
    assert answer.name_host("h3", kept) == ({"failed": True, **named} if "failed" in given else named)


def test_an_exception_is_a_part_of_failures_only():
    for failed in ({}, {"failed": False}):
        found = answer.documented_part({**failed, "exception": "a"}, DOCUMENTED)
        assert found == (failed, ["'exception'"])


NESTED: dict[str, t.Any] = {
    "one": {"type": "dict", "contains": {"a": {"type": "str"}, "b": {"type": "str", "returned": "if there is one"}}},
    "many": {"type": "list", "elements": "dict", "contains": {"a": {"type": "str", "returned": "success"}}},
}


@pytest.mark.parametrize("failed", [{}, {"failed": True}])
def test_the_keys_of_structures_are_required(failed):
    for given in ({"one": {"a": None}}, {"one": {"a": "", "b": "c"}, "many": [{"a": ""}]}, {"one": None, "many": []}):
        assert answer.documented_part({**failed, **given}, NESTED).kept == {**failed, **given}
    for given, missing in (({"one": {"b": "c"}}, "one.a"), ({"many": [{"a": ""}, {"b": 1}]}, r"many\[1\].a")):
        with pytest.raises(FleetnetError, match=rf"^{missing}: missing, but documented\. The answer is ignored\. The"):
            answer.documented_part({**failed, **given}, NESTED)


DIFFERENCE = {"kind": "file", "name": "/etc/a", "key": "state", "declared": "present", "observed": None}
DONE = {"changed": True, "differences": [DIFFERENCE], "operations": ["a"], "interrupted": []}
SLICE: dict[str, t.Any] = {"changed": True, "diff": [], "parts": {}, **DONE}


@pytest.mark.parametrize(
    "parts",
    [
        {},
        {"default_bridge": {**DONE, "restarted": False, "backup_file": "/etc/b", "diff": []}, "host_routes": {}},
        {"bridge_routing": {"rules": "table a {\n}\n", "drift": [], "kept": [], "diff": [{"before": "", "after": ""}]}},
        {"networks": {**DONE, "networks": {"web": {"id": "a"}}, "diff": {"before": "a\n", "after": ""}}},
    ],
)
def test_the_results_of_parts_are_those_of_their_modules(parts):
    found = answer.documented_part({**SLICE, "parts": parts}, documentation_of("host_slice"))
    assert (found.kept["parts"], found.dropped) == (parts, [])
    check_answer(found.kept)


# Without its values, the state of a host is empty.
STATE: dict[str, t.Any] = {
    **{key: [] for key in ("routing_rules", "routes", "bridge_ports", "disabled_bridges", "queues", "frame_chains")},
    "forwarding": {},
    "connections": {"count": None, "most": None, "lost": None},
    "listeners": [],
}

PROBED: dict[str, t.Any] = {
    **dict.fromkeys(("port", "size", "rtt", "source_port", "name", "answer", "mtu")),
    "source": "web", "destination": "10.0.0.1", "protocol": "icmp", "token": 1, "reached": True, "detail": "",
}  # fmt: skip


@pytest.mark.parametrize(
    ("module", "given", "reason"),
    [
        ("host_slice", {**SLICE, "parts": {"networks": None}}, "parts.networks: None, which must be a mapping"),
        ("host_slice", {**SLICE, "parts": {"networks": "x"}}, "parts.networks: 'x': must be of type dict"),
        ("host_slice", {**SLICE, "parts": {"networks": {"differences": [{}]}}}, "parts.networks.differences[0].kind, "),
        ("host_slice", {**SLICE, "parts": {"networks": {"operations": [None]}}}, "parts.networks.operations[0]: None:"),
        ("host_slice", {**SLICE, "differences": [None]}, "differences[0]: None: must be of type dict"),
        ("probe_observer", {"arrivals": [{}]}, "arrivals[0].container, "),
        ("probe_observer", {"arrivals": [None]}, "arrivals[0]: None: must be of type dict"),
        ("probe_observer", {"arrivals": None}, "arrivals: None, which must be a list"),
        ("probe_observer", {"complete": None}, "complete: None, which must be of type bool"),
        ("reachability_info", {"results": [{}]}, "results[0].source, "),
        ("reachability_info", {"results": [{**PROBED, "outcome": None}]}, "results[0].outcome: None, which must be of"),
        ("packet_trace", {"flows": [None]}, "flows[0]: None: must be of type dict"),
        ("packet_trace", {"flows": [{"source": "a", "destination": "b", "steps": [{}], "lookup": {}}]},
         "flows[0].steps[0].table, "),
        ("packet_trace", {"flows": [{"source": "a", "destination": "b", "steps": None, "lookup": {}}]},
         "flows[0].source: 'a', which must be an IP address"),
        ("packet_trace", {"flows": [{"source": "::1", "destination": "::1", "steps": None, "lookup": {"error": []}}]},
         "flows[0].lookup.error: [], which must be of type str"),
        ("packet_trace", {"checks": None}, "checks: None, which must be a list"),
        ("packet_trace", {"state": {}}, "state.routing_rules: None, which must be set"),
        ("packet_trace", {"state": {**STATE, "queues": [{}]}}, "state.queues[0].link: None, which must be set"),
        ("packet_trace", {"state": {**STATE, "routes": [5]}}, "state.routes[0]: 5, which must be a mapping"),
        ("packet_trace", {"state": {**STATE, "connections": {"count": "x"}}}, "state.connections.count: 'x', which "),
        ("packet_trace", {"namespaces": [None]}, "namespaces[0]: None: must be of type dict"),
        ("packet_trace", {"namespaces": [{"container": "a"}]}, "namespaces[0].chains: None, which must be set"),
        ("packet_trace", {"neighbours": [{"dst": 1}]}, "neighbours[0].dst: 1, which must be of type str"),
    ],
)  # fmt: skip
def test_a_structure_that_the_controller_cannot_read_is_an_error(module, given, reason):
    with pytest.raises(FleetnetError) as caught:
        check_answer(answer.documented_part({"changed": False, **given}, documentation_of(module)).kept)
    assert str(caught.value).startswith(reason)
    assert "The answer is ignored. The module or Python on this host may have been replaced." in str(caught.value)


def test_a_part_of_another_name_is_dropped():
    found = answer.documented_part({**SLICE, "parts": {"x": None}}, documentation_of("host_slice"))
    assert (found.kept["parts"], found.dropped) == ({}, ["parts.'x'"])


def test_a_repeated_key_is_an_error():
    assert answer.parsed_answer('{"a": {"b": [{}]}, "b": 1}') == {"a": {"b": [{}]}, "b": 1}
    with pytest.raises(FleetnetError, match=r"^'b\\n': the key is repeated\. The answer is ignored\."):
        answer.parsed_answer(r'{"a": [{"b\n": 1, "c": 2, "b\n": 1}]}')


def test_a_repeated_key_among_many_is_found_in_linear_time():
    keys = ", ".join(f'"{number}": 1' for number in range(100_000))
    start = time.process_time()
    with pytest.raises(FleetnetError, match=r"^'99999': the key is repeated"):
        answer.parsed_answer(f'{{{keys}, "99999": 1}}')
    assert time.process_time() - start < 5


def nested(levels: int) -> t.Any:
    value: t.Any = 1
    for _level in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("inside", "outside"),
    [
        ("a" * (answer.MOST_CHARACTERS - len("value")), "a" * answer.MOST_CHARACTERS),
        ([0] * (answer.MOST_VALUES - 2), [0] * answer.MOST_VALUES),
        (nested(answer.MOST_LEVELS - 2), nested(answer.MOST_LEVELS)),
        ({"k" * (answer.MOST_CHARACTERS - len("value")): 0}, {"k" * answer.MOST_CHARACTERS: 0}),
    ],
    ids=["characters", "values", "levels", "keys"],
)
def test_the_size_is_limited(inside, outside):
    assert answer.documented_part({"value": inside}, DOCUMENTED).kept == {"value": inside}
    with pytest.raises(
        FleetnetError, match=r"the answer has more than 1000000 values, 16777216 characters or 24 levels"
    ):
        answer.documented_part({"value": outside}, DOCUMENTED)


INFO = documentation_of("network_info")["network_info"]["contains"]


@pytest.mark.parametrize(
    ("report", "documented"),
    [
        (EngineInfo, INFO["engine"]),
        (NetworkReport, INFO["networks"]),
        (SubnetReport, INFO["networks"]["contains"]["subnets"]),
        (ContainerReport, INFO["containers"]),
        (EndpointReport, INFO["containers"]["contains"]["networks"]),
        (Interface, INFO["containers"]["contains"]["interfaces"]),
        (LinkReport, INFO["links"]),
        (RouteReport, INFO["routes"]),
        (ControlPath, INFO["control_path"]),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_the_reports_are_as_documented(report, documented):
    texts = {name: text.removesuffix(" | None").split("[")[0] for name, text in _annotations(report).items()}
    types = {name: "raw" if " | " in text else text for name, text in texts.items()}
    assert types == {name: each["type"] for name, each in documented["contains"].items()}


def _annotations(report: t.Any) -> dict[str, str]:
    return {name: getattr(each, "__forward_arg__", str(each)) for name, each in report.__annotations__.items()}
