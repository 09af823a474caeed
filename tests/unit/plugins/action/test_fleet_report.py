# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a host returned and the controller cannot use names the host, and ends neither the report nor the preview."""

from __future__ import annotations

import importlib
import types
import typing as t

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.summary import explain_all
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.probe import Endpoint, Probe
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.verdict import Verdict, VerdictKind

PACKAGE = "ansible_collections.fleetnet.docker.plugins"
SOURCE, TARGET = Endpoint("h1", "a", "web", "10.64.1.2"), Endpoint("h2", "b", "web", "10.64.17.2")
FAILED = Verdict(Probe(SOURCE, TARGET, "tcp", 80, 0, "a line"), VerdictKind.BLOCKED)
FLOW = {"source": "10.64.1.2", "destination": "10.64.17.2", "steps": None, "lookup": {}}
TRACE: dict[str, t.Any] = {
    "flows": [FLOW],
    "checks": [],
    "neighbours": [],
    "network_info": {},
    "state": {},
    "namespaces": [],
}
UNUSABLE = "its answer cannot be used"


@pytest.fixture
def explained(monkeypatch: pytest.MonkeyPatch) -> t.Callable[[dict[str, t.Any]], tuple[list[Verdict], list[str]]]:
    """The verdicts with the evidence of hosts, and the warnings."""
    # Not at the top: with the controller's code, warnings of modules in this process, which other tests run, differ.
    fleet_report = importlib.import_module(f"{PACKAGE}.action.fleet_report")
    warnings: list[str] = []
    monkeypatch.setattr(fleet_report, "Display", lambda: types.SimpleNamespace(warning=warnings.append))

    def explained(traced: dict[str, t.Any]) -> tuple[list[Verdict], list[str]]:
        evidence = fleet_report._evidence(traced, {})
        return explain_all([FAILED], evidence, fleet_report._explain), warnings

    return explained


@pytest.mark.parametrize(
    ("of_h2", "warning"),
    [
        ({**TRACE, "network_info": {"links": [{}]}}, "host h2: its report has links[0].name: None, which must be set"),
        ({"flows": [FLOW]}, f"host h2: {UNUSABLE}: KeyError: "),
        ({**TRACE, "flows": [{**FLOW, "steps": [{}]}]}, f"host h2: {UNUSABLE}: TypeError: "),
        (TRACE, f"host h1 or h2: {UNUSABLE}: KeyError: "),
    ],
)
def test_evidence_that_cannot_be_used_is_a_warning_and_no_cause(explained, of_h2, warning):
    verdicts, warnings = explained({"h1": TRACE, "h2": of_h2})
    assert verdicts == [FAILED]
    assert [text[: len(warning)] for text in warnings] == [warning]


def test_a_host_without_a_trace_is_no_error(explained):
    assert explained({"h1": {"changed": False}}) == ([FAILED], [])


def test_an_error_about_a_host_names_it():
    of_host = importlib.import_module(f"{PACKAGE}.plugin_utils.fleet_action").of_host
    for error in (KeyError("a\n"), TypeError("b"), ValueError("c"), AttributeError("d")):
        match = r"^host h3: its answer cannot be used: [^\n]*, and leave it out until then: --limit '!HOST'\.$"
        with pytest.raises(FleetnetError, match=match), of_host("h3"):
            raise error
    with pytest.raises(FleetnetError, match=r"^as it is$"), of_host("h3"):
        raise FleetnetError("as it is")
