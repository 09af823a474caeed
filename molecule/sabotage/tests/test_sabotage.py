# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""After any manual damage, playbooks/verify.yml fails and reports the host and the cause.

Two of three hosts, with different engines, are damaged at a time, each differently. One report must name all causes,
and must not name the third host. A host has one damage for each IP version of each of two containers, because flows of
one version and one container do not show the others.
"""

from __future__ import annotations

import itertools
import json
import re
import typing as t

import pytest

from .conftest import BRIDGES, HOSTS, RECONCILER, Change
from .damages import DAMAGES as TRACED
from .evidence_damages import EVIDENCE, HARMLESS

DAMAGES = {**TRACED, **EVIDENCE}

# The damage to a host: names, each with the container for which it is done.
Placed = tuple[tuple[str, str], ...]

# Damage that affects no probed flow of the others, and is reported by another finding than these, or as another part of
# what differs from the plan. What hides other parts is not with them: a restart of Docker, a script that cannot be
# executed those of the rules, a file those of its unit.
TOGETHER = [
    ("unit of the rules disabled", "port opened", "file of the routes changed", "published port without a rule"),
    ("script that cannot be executed", "unit of the routes disabled"),
    (
        "Docker's rules for what leaves a network deleted", "unit overridden", "rules of Docker's DNS flushed",
        "docker0 without its address",
    ),
]  # fmt: skip

# Two kinds of damage to one host that affect the same containers. Each is named.
COMBINATIONS: list[dict[str, tuple[str, ...]]] = [
    {HOSTS[0]: ("route deleted", "drop in FORWARD"), HOSTS[2]: ("rule in the container", "file of the routes changed")},
    {HOSTS[1]: ("drop in raw", "stale neighbor in the network")},
]

# What the collection itself sets up, and therefore restores.
OURS = (
    "route by a wrong next hop", "IPv6 route deleted", "a verdict deleted", "our IPv6 table deleted",
    "forwarding off", "bridge down and up", "unit of the rules disabled", "unit of the routes disabled",
    "file of the routes changed",
)  # fmt: skip


def on(container: str, names: t.Iterable[str]) -> Placed:
    return tuple((name, container) for name in names)


def named(every: bool, *versions: int) -> list[str]:
    """The damages that affect flows of exactly these IP versions, of one or of all containers."""
    return [
        name
        for name, damage in DAMAGES.items()
        if not damage.alone and not damage.only and damage.every == every and damage.versions == versions
    ]


def by_version(every: bool) -> list[tuple[str, ...]]:
    """Those that affect flows of one IP version, one for each version at a time."""
    return [tuple(filter(None, names)) for names in itertools.zip_longest(named(every, 4), named(every, 6))]


def by_container(damages: t.Sequence[tuple[str, ...]]) -> list[Placed]:
    """Damages of one container at a time, those of the next one for the other container."""
    return [
        tuple(itertools.chain(*(on(container, names) for container, names in zip(BRIDGES, pair, strict=False))))
        for pair in itertools.zip_longest(damages[::2], damages[1::2], fillvalue=())
    ]


def of_hosts() -> list[Placed]:
    """All damages but those that are done alone, as those that one host has at a time.

    On the other host, damage to links or neighbors would hide damage to the flows between both. What affects no flow is
    in between.
    """
    together = set(itertools.chain(*TOGETHER))
    without_flows = [on("web", names) for names in TOGETHER]
    return [
        *(on("web", names) for names in by_version(every=True)),
        *by_container(by_version(every=False)),
        without_flows[0],
        *by_container([(name,) for name in named(False, 4, 6)]),
        *without_flows[1:],
        *(on("web", [name]) for name, damage in DAMAGES.items() if damage.only and name not in together),
    ]


def rounds() -> t.Iterator[dict[str, Placed]]:
    """Host -> its damages, for each round. Each damage is in one round, and each round leaves one host innocent."""
    damages = of_hosts()
    for number, first in enumerate(range(0, len(damages), 2)):
        # The engine of the last host may use the nftables backend.
        chosen = sorted(damages[first : first + 2], key=lambda placed: not requires_iptables(placed))
        hosts = HOSTS if any(map(requires_iptables, chosen)) else (*HOSTS[number % 3 :], *HOSTS[: number % 3])
        yield dict(zip(hosts, chosen, strict=False))
    for name, damage in DAMAGES.items():
        if damage.alone:
            yield {HOSTS[1]: on("web", [name])}


def requires_iptables(placed: Placed) -> bool:
    return any(DAMAGES[name].iptables for name, _container in placed)


def test_each_damage_is_in_one_round():
    found = [name for damages in rounds() for placed in damages.values() for name, _container in placed]
    assert sorted(found) == sorted(DAMAGES)


def label(damages: dict[str, Placed]) -> str:
    return ", ".join(name for name, _container in itertools.chain(*damages.values())).replace(" ", "-")


def change(name: str, container: str = "web") -> Change:
    return Change(DAMAGES[name].command, DAMAGES[name].repair, container)


CASES = [*rounds(), *({host: on("web", names) for host, names in each.items()} for each in COMBINATIONS)]


@pytest.mark.parametrize("damages", CASES, ids=label)
def test_the_cause_of_each_damage_is_reported(fleet, table, damages):
    with fleet.changed({host: [change(*each) for each in placed] for host, placed in damages.items()}):
        report = fleet.verify()
    assert report.code != 0, "verification found no failure"
    causes = report.causes
    missing = []
    for host, (name, container) in ((host, each) for host, placed in damages.items() for each in placed):
        pattern = re.compile(DAMAGES[name].cause.format(**fleet.values(host, container)))
        found = [cause for cause in causes if pattern.search(cause)]
        table[name] = found[0] if found else "NOT NAMED"
        if not found:
            missing.append(f"{name} on {host}: no cause matches {pattern.pattern!r}")
    assert not missing, "\n".join([*missing, str(report)])
    assert report.hosts <= set(damages), f"An innocent host is named.\n{report}"


def test_harmless_changes_are_not_named_with_damage(fleet):
    """All at once, on all hosts."""
    name = "drop in an earlier table"
    changes = {host: list(itertools.starmap(Change, HARMLESS.values())) for host in HOSTS}
    changes[HOSTS[0]].append(change(name))
    with fleet.changed(changes):
        report = fleet.verify()
    pattern = re.compile(DAMAGES[name].cause.format(**fleet.values(HOSTS[0], "web")))
    assert report.causes
    assert [cause for cause in report.causes if not pattern.search(cause)] == []


def test_the_repaired_fleet_with_harmless_changes_is_as_declared(fleet):
    fleet.each(f"systemctl start {RECONCILER}")
    with fleet.changed({host: list(itertools.starmap(Change, HARMLESS.values())) for host in HOSTS}):
        report = fleet.verify()
    assert (report.causes, report.failed, report.code) == ([], 0, 0)


def test_site_repairs_what_the_collection_sets_up(fleet):
    """All at once, on all hosts, and our jump where iptables has it."""
    fleet.each(f"systemctl stop {RECONCILER}")
    jump = DAMAGES["our jump deleted"]
    changes = [change(name) for name in OURS]
    changes.append(Change(f"! iptables -S FLEETNET-FORWARD 2>/dev/null || {jump.command}", jump.repair))
    with fleet.changed(dict.fromkeys(HOSTS, changes)):
        assert fleet.verify().hosts == set(HOSTS)
        # The verification that follows also compares the hosts with the plan.
        code, output = fleet.run("fleetnet.docker.site", docker_fleet_verify=False)
        assert code == 0, output[-5000:]
        report = fleet.verify()
    assert (report.causes, report.failed, report.code) == ([], 0, 0)


def test_no_trace_remains(host):
    assert "fleetnet_trace" not in host.check_output("nft list tables")
    assert not host.file("/run/fleetnet/trace").exists
    assert not host.file("/run/fleetnet/trace.counters").exists


TABLES_OF_A_TRACE = [
    f"{verb} table {family} fleetnet_trace" for verb in ("add", "delete") for family in ("inet", "bridge")
]


def test_a_trace_ends_after_its_lifetime(host, wait_until):
    """nft's monitor of tables sees it begin and end, however long each takes."""
    seen, unit = "/run/fleetnet-test-tables", "fleetnet-test-monitor"
    host.check_output("systemd-run --quiet --collect --unit=%s sh -c %s", unit, f"exec nft monitor tables >{seen}")
    try:
        wait_until(
            "the monitor of tables listens",
            # what happens before it listens is not seen
            lambda: host.run("nft add table inet fleetnet_test; nft delete table inet fleetnet_test; cat %s", seen),
            lambda result: "fleetnet_test" in result.stdout,
        )
        flows = [{"source": "10.64.1.2", "destination": "10.64.17.2"}]
        options = json.dumps({"state": "started", "flows": flows, "lifetime": 2})
        result = host.ansible("fleetnet.docker.packet_trace", options, check=False)
        assert "msg" not in result, result
        wait_until(
            "the trace begins and ends",
            lambda: [line for line in host.check_output("cat %s", seen).splitlines() if "fleetnet_trace" in line],
            lambda lines: lines == TABLES_OF_A_TRACE,
        )
    finally:
        host.run("systemctl stop %s; rm %s", unit, seen)
    assert "fleetnet_trace" not in host.check_output("nft list tables")
    wait_until(
        "the unit of the trace ends",
        lambda: host.run("systemctl is-active fleetnet-trace").stdout,
        lambda state: state.strip() == "inactive",
    )
