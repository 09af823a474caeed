# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which generation each host returns to, and the table of the runs."""

from __future__ import annotations

import textwrap
import typing as t

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.generations.addresses import HostAddresses
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.generations.choice import (
    PREVIOUS,
    chosen,
    report_lines,
    runs,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.generations.report import ReportedGeneration

from ..planning import message_of

NOWHERE = HostAddresses((), {})
BEGAN = {"aaaa1111": 1769855760.0, "bbbb2222": 1769859360.0, "cccc3333": 1769862960.0}
A, B, C = BEGAN


def reported(*generations: str, numbers: t.Sequence[int] = (), **other: t.Any) -> list[ReportedGeneration]:
    """Generations of the runs with these names. A run whose name ends in "!" failed."""
    found = []
    for position, name in enumerate(generations):
        run = name.rstrip("!")
        number = numbers[position] if numbers else position + 1
        each = ReportedGeneration(
            number, run, BEGAN.get(run, 0.0), "root@c1", not name.endswith("!"), None, (f"networks.{run}",), NOWHERE
        )
        found.append(each._replace(**other))
    return found


@pytest.mark.parametrize(
    ("fleet", "to", "expected"),
    [
        # The state before the last run: hosts that it did not change keep theirs.
        ({"h1": [A, B], "h2": [A, B]}, PREVIOUS, {"h1": 1, "h2": 1}),
        ({"h1": [A, B], "h2": [A]}, PREVIOUS, {"h1": 1, "h2": None}),
        ({"h1": [A, B, C], "h2": [A, C], "h3": [B]}, PREVIOUS, {"h1": 2, "h2": 1, "h3": None}),
        # A run that failed: the state before it.
        ({"h1": [A, f"{B}!"], "h2": [A, B]}, PREVIOUS, {"h1": 1, "h2": 1}),
        ({"h1": [A, f"{B}!", f"{C}!"], "h2": [A, C]}, PREVIOUS, {"h1": 1, "h2": 1}),
        # A host that an older run left incomplete was not changed by the last one.
        ({"h1": [A, f"{B}!"], "h2": [A, C]}, PREVIOUS, {"h1": None, "h2": 1}),
        ({"h1": [A, B], "h2": []}, PREVIOUS, {"h1": 1, "h2": None}),
        # A run: hosts without a generation of it return to the newest one that they had then.
        ({"h1": [A, B, C], "h2": [A, B, C]}, A, {"h1": 1, "h2": 1}),
        ({"h1": [A, B, C], "h2": [A, C]}, B, {"h1": 2, "h2": 1}),
        ({"h1": [A, B, C], "h2": [A]}, B, {"h1": 2, "h2": None}),
        ({"h1": [A, B], "h2": [A, B]}, B, {"h1": None, "h2": None}),
        ({"h1": [A, C], "h2": [f"{A}!", B, C]}, A, {"h1": 1, "h2": 1}),
        ({"h1": [B, C], "h2": [A, f"{A}!", C]}, B, {"h1": 1, "h2": 1}),
    ],
)
def test_each_host_returns_to_its_generation_of_that_time(
    fleet: dict[str, list[str]], to: str, expected: dict[str, int | None]
) -> None:
    assert chosen({host: reported(*names) for host, names in fleet.items()}, to) == expected


def test_numbers_are_those_of_the_host() -> None:
    fleet = {"h1": reported(A, B, numbers=(4, 9)), "h2": reported(A, B, numbers=(1, 2))}
    assert chosen(fleet, A) == {"h1": 4, "h2": 1}


def test_a_choice_that_is_not_possible_is_an_error() -> None:
    fleet = {"h1": reported(A, B), "h2": reported(B)}
    assert message_of(chosen, fleet, "aaaa1112") == (
        "docker_fleet_rollback_to: 'aaaa1112': is not a run of these hosts. Did you mean 'aaaa1111'?"
    )
    too_old = "host h2: no generation that old. Leave them out with --limit, or choose a newer run."
    assert message_of(chosen, fleet, A) == too_old
    assert message_of(chosen, fleet, PREVIOUS) == too_old
    assert message_of(chosen, {"h1": [], "h2": []}, PREVIOUS) == (
        "no generations found. playbooks/site.yml records one on each host that it changes."
    )


def test_a_host_cannot_move_the_time_of_a_run_that_others_have() -> None:
    fleet = {"h1": reported(A, B), "h2": reported(A), "h3": reported(A, B, started=1.0)}
    with pytest.raises(FleetnetError, match=r"^hosts h1 and h3: run aaaa1111: they report different times"):
        chosen(fleet, B)
    # The clock of the controller was corrected during the run.
    fleet = {"h1": reported(A), "h2": [each._replace(started=each.started + 1) for each in reported(A)]}
    assert [each.id for each in runs(fleet)] == [A]


def test_a_host_that_invents_a_run_moves_no_other_host() -> None:
    honest = {"h1": reported(A, B), "h2": reported(A, B)}
    invented = reported("dddd4444", numbers=[2], started=2e9)
    lying = {**honest, "h3": [*reported(A), *invented]}
    assert chosen(lying, A) == {"h1": 1, "h2": 1, "h3": 1}
    assert chosen(lying, PREVIOUS) == {"h1": None, "h2": None, "h3": 1}
    assert chosen({**honest, "h3": reported(A)}, A) == {"h1": 1, "h2": 1, "h3": None}
    with pytest.raises(FleetnetError, match="host h3: no generation that old"):
        chosen({**honest, "h3": invented}, A)


def test_the_table_shows_the_newest_run_first() -> None:
    second = [*reported(A), *reported(C, numbers=[2], restores=A)]
    fleet = {"h1": reported(A, f"{B}!", C), "h2": reported(A, B), "h3": second, "h4": reported(A), "h5": []}
    expected = """
    GENERATIONS
      run       began (UTC)          by       hosts              state                                changed options
      cccc3333  2026-01-31 12:36:00  root@c1  h1, h3             current, restores aaaa1111           networks.cccc3333
      bbbb2222  2026-01-31 11:36:00  root@c1  h1, h2             current on 1 of 2, failed on 1 of 2  networks.bbbb2222
      aaaa1111  2026-01-31 10:36:00  root@c1  h1, h2 and 2 more  current on 1 of 4                    networks.aaaa1111
      host h5: no generations
    """
    assert report_lines(fleet) == textwrap.dedent(expected).strip().split("\n")


def test_the_table_of_a_fleet_of_equal_hosts_is_short() -> None:
    changes = tuple(f"networks.networks[n{number}]" for number in range(7))
    fleet = {f"h{number}": reported(A, changes=changes, restores=None) for number in range(100)}
    assert report_lines(fleet)[2].split("  ")[-3:] == [
        "all 100",
        "current",
        "networks.networks[n0], networks.networks[n1], networks.networks[n2] and 4 more",
    ]
    assert report_lines({"h1": reported(A, started=1e30)})[2].split("  ")[2] == "invalid"
    assert report_lines({"h1": []}) == ["GENERATIONS", "  host h1: no generations"]
