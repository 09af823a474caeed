# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""After any manual damage, playbooks/verify.yml fails and reports the host and the cause.

Two of three hosts, with different engines, are damaged at a time, each differently. One report must name all causes,
and must not name the third host. A host has one damage for each IP version, because flows of one version do not show
the other.
"""

from __future__ import annotations

import itertools
import json
import re
import typing as t

import pytest

from .conftest import HOSTS, RECONCILER
from .damages import DAMAGES as TRACED
from .evidence_damages import EVIDENCE, HARMLESS

DAMAGES = {**TRACED, **EVIDENCE}

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


def named(*versions: int) -> list[str]:
    """The damages that affect flows of exactly these IP versions."""
    return [
        name for name, damage in DAMAGES.items() if not damage.alone and not damage.only and damage.versions == versions
    ]


def rounds() -> t.Iterator[dict[str, tuple[str, ...]]]:
    """Host -> its damages, for each round. Each damage is in one round, and each round leaves one host innocent."""
    pairs = [tuple(filter(None, pair)) for pair in itertools.zip_longest(named(4), named(6))]
    damages = [
        *pairs,
        *((name,) for name in named(4, 6)),
        *((name,) for name, damage in DAMAGES.items() if damage.only),
    ]
    for number, first in enumerate(range(0, len(damages), 2)):
        # The engine of the last host may use the nftables backend.
        together = sorted(
            damages[first : first + 2], key=lambda names: not any(DAMAGES[name].iptables for name in names)
        )
        of_iptables = any(DAMAGES[name].iptables for names in together for name in names)
        hosts = HOSTS if of_iptables else (*HOSTS[number % 3 :], *HOSTS[: number % 3])
        yield dict(zip(hosts, together, strict=False))
    for name, damage in DAMAGES.items():
        if damage.alone:
            yield {HOSTS[1]: (name,)}


def test_each_damage_is_in_one_round():
    assert sorted(name for damages in rounds() for names in damages.values() for name in names) == sorted(DAMAGES)


def label(damages: dict[str, tuple[str, ...]]) -> str:
    return ", ".join(itertools.chain(*damages.values())).replace(" ", "-")


@pytest.mark.parametrize("damages", [*rounds(), *COMBINATIONS], ids=label)
def test_the_cause_of_each_damage_is_reported(fleet, table, damages):
    with fleet.damaged({host: [DAMAGES[name] for name in names] for host, names in damages.items()}):
        report = fleet.verify()
    assert report.code != 0, "verification found no failure"
    causes = report.causes
    missing = []
    for host, name in ((host, name) for host, names in damages.items() for name in names):
        pattern = re.compile(DAMAGES[name].cause.format(**fleet.values(host)))
        found = [cause for cause in causes if pattern.search(cause)]
        table[name] = found[0] if found else "NOT NAMED"
        if not found:
            missing.append(f"{name} on {host}: no cause matches {pattern.pattern!r}")
    assert not missing, "\n".join([*missing, "The causes:", *causes])
    assert report.hosts <= set(damages), "\n".join(["An innocent host is named.", "The causes:", *causes])


def test_harmless_changes_are_not_reported(fleet):
    """All at once, on all hosts. The reconciler is stopped, so the exit code is not 0."""
    with fleet.changed({host: list(HARMLESS.values()) for host in HOSTS}):
        report = fleet.verify()
    assert (report.causes, report.failed) == ([], 0)


def test_harmless_changes_are_not_named_with_damage(fleet):
    name = "drop in an earlier table"
    commands = {host: list(HARMLESS.values()) for host in HOSTS}
    commands[HOSTS[0]] = [*commands[HOSTS[0]], (DAMAGES[name].command, DAMAGES[name].repair)]
    with fleet.changed(commands):
        report = fleet.verify()
    pattern = re.compile(DAMAGES[name].cause.format(**fleet.values(HOSTS[0])))
    assert report.causes
    assert [cause for cause in report.causes if not pattern.search(cause)] == []


def test_the_repaired_fleet_is_as_declared(fleet):
    fleet.each(f"systemctl start {RECONCILER}")
    report = fleet.verify()
    assert (report.causes, report.failed, report.code) == ([], 0, 0)


def test_site_repairs_what_the_collection_sets_up(fleet):
    """All at once, on all hosts, and our jump where iptables has it. The playbook itself verifies the fleet."""
    fleet.each(f"systemctl stop {RECONCILER}")
    jump = DAMAGES["our jump deleted"]
    commands = [(DAMAGES[name].command, DAMAGES[name].repair) for name in OURS]
    commands.append((f"! iptables -S FLEETNET-FORWARD 2>/dev/null || {jump.command}", jump.repair))
    with fleet.changed(dict.fromkeys(HOSTS, commands)):
        assert fleet.verify().hosts == set(HOSTS)
        code, output = fleet.run("fleetnet.docker.site")
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
