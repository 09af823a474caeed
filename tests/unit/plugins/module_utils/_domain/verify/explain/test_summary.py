# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each cause is reported once, with the number of probes that it explains, the most telling first."""

from __future__ import annotations

import dataclasses
import itertools

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.cause import (
    Cause,
    CauseKind,
    Explanation,
    Location,
    Owner,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.summary import (
    explain_all,
    summarize,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.verdict import Verdict, VerdictKind

from ...planning import assert_golden
from ..probes import ALLOWED, DENIED, NAME, WEB2

DOWN = Cause(CauseKind.INTERFACE_DOWN, "h2", {"interface": "fn-web", "container": None})
DOWN_WEB = Cause(CauseKind.INTERFACE_DOWN, "h1", {"interface": "eth0", "container": "web"})


def blocked(*causes, probe=ALLOWED):
    return Verdict(probe, VerdictKind.BLOCKED, "timeout", causes=causes)


def no_route(destination):
    return Cause(CauseKind.NO_ROUTE, "h1", {"destination": destination})


def rule(text, host="h1"):
    values = {"table": "ip raw", "chain": "PREROUTING", "rule": text}
    return Cause(CauseKind.DROPPED, host, values, Owner.FOREIGN)


def test_golden():
    """The order of kinds, and one entry per cause."""
    every = [Cause(kind, "h1", {}) for kind in reversed(CauseKind)]
    cases = {
        "every kind": [blocked(cause) for cause in every],
        "one cause of several probes": [blocked(DOWN), blocked(no_route("10.64.17.2")), blocked(DOWN)],
        "routes to several destinations": [blocked(no_route(f"10.64.17.{number}")) for number in range(2, 8)],
        "two causes of one probe": [blocked(DOWN, DOWN_WEB)],
        "the same cause on two hosts": [blocked(rule("drop", host)) for host in ("h2", "h1", "h2", "h3")],
    }
    found = {
        name: [
            f"{each.probes} {each.cause.kind.value} {each.cause.host} {dict(each.cause.values)}"
            for each in summarize(verdicts)
        ]
        for name, verdicts in cases.items()
    }
    assert_golden("causes.yml", found)


def test_causes_do_not_depend_on_the_order_of_the_probes():
    verdicts = [blocked(DOWN), blocked(no_route("10.64.17.2")), blocked(no_route("10.64.17.3")), blocked(rule("drop"))]
    for order in itertools.permutations(verdicts):
        assert summarize(order) == summarize(verdicts)


def explained(explanation, *others):
    """The causes of failures of one kind, of which the first was traced."""
    traced = blocked()

    def explain(verdict, _hosts):
        return explanation if verdict is traced else Explanation()

    return [(each.causes, each.last_seen) for each in explain_all([traced, *others], {}, explain)]


def other(**ends):
    return blocked(probe=dataclasses.replace(ALLOWED, **ends))


def test_a_cause_explains_the_failures_of_its_kind_that_it_applies_to():
    another = other(source=ALLOWED.source._replace(container="web2", address="10.64.1.3"))
    both = Explanation((DOWN, DOWN_WEB))
    assert explained(both, another) == [((DOWN, DOWN_WEB), None), ((DOWN,), None)]
    source = Explanation((rule("ip saddr 10.64.1.2 drop"),))
    assert explained(source, another) == [(source.causes, None), ((), None)]
    subnet = Explanation((rule("ip saddr 10.64.1.0/24 drop"),))
    assert explained(subnet, another) == [(subnet.causes, None), (subnet.causes, None)]


def test_a_cause_does_not_explain_failures_of_other_kinds():
    elsewhere = other(target=WEB2)
    denied = Verdict(DENIED, VerdictKind.LEAK, "reply")
    name = Verdict(NAME, VerdictKind.NAME_UNRESOLVED, "refused")
    found = explained(Explanation((DOWN,)), elsewhere, denied, name)
    assert found == [((DOWN,), None), *[((), None)] * 3]


def test_a_location_is_about_one_probe_only():
    location = Location("h1", "h2")
    assert explained(Explanation((), location), other()) == [((), location), ((), None)]


def test_verdicts_as_declared_stay_as_they_are():
    good = Verdict(ALLOWED, VerdictKind.AS_DECLARED, "reply")
    assert explain_all([good], {}) == [good]
