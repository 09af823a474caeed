# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No packet of a container passes the policy, whatever its form and its source, on each engine."""

from __future__ import annotations


def test_every_packet_leaves_its_container(results, results_within):
    """Otherwise its absence elsewhere would prove nothing."""
    results = results + results_within
    assert [each.attempt.name for each in results if not each.left] == []


def test_every_control_arrives(results):
    controls = [each for each in results if each.attempt.arrives is not None]
    assert len(controls) >= 60
    assert {each.attempt.name: each.arrived for each in controls if not each.attempt.arrives <= each.arrived} == {}


def test_no_forged_packet_arrives(results):
    forged = [each for each in results if each.attempt.arrives is None]
    assert len(forged) >= 1000
    assert {each.attempt.name: sorted(each.arrived) for each in forged if each.arrived} == {}


def test_no_forged_packet_reaches_a_container_of_the_same_bridge(results_within):
    """With docker_fleet_isolate_spoofing."""
    controls = [each for each in results_within if each.attempt.arrives is not None]
    assert {each.attempt.name for each in controls if not each.attempt.arrives <= each.arrived} == set()
    forged = [each for each in results_within if each.attempt.arrives is None]
    assert len(forged) >= 100
    assert {each.attempt.name: sorted(each.arrived) for each in forged if each.arrived} == {}
