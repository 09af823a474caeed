# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lifetimes of certificates, and when one is issued again."""

from __future__ import annotations

import datetime
import typing as t

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.remote_api.certificates import (
    MAXIMUM_DAYS,
    CertificateSpec,
    ExistingCertificate,
    Lifetimes,
    canonical_names,
    check_lifetimes,
    reason_to_issue,
)

from ..planning import message_of


@pytest.mark.parametrize("lifetimes", [(2, 1, 0), (MAXIMUM_DAYS, MAXIMUM_DAYS - 1, MAXIMUM_DAYS - 2)])
def test_valid_lifetimes(lifetimes: tuple[int, int, int]) -> None:
    check_lifetimes(Lifetimes(*lifetimes))


@pytest.mark.parametrize(
    ("lifetimes", "message"),
    [
        ((0, 1, 0), f"authority.ca_days: 0: must be between 1 and {MAXIMUM_DAYS} days."),
        (
            (MAXIMUM_DAYS + 1, 1, 0),
            f"authority.ca_days: {MAXIMUM_DAYS + 1}: must be between 1 and {MAXIMUM_DAYS} days.",
        ),
        ((10, 0, 0), f"authority.days: 0: must be between 1 and {MAXIMUM_DAYS} days."),
        ((10, 5, 5), "authority.renew_days: 5: must be less than the 5 days that a certificate is valid."),
        ((10, 5, -1), "authority.renew_days: -1: must be less than the 5 days that a certificate is valid."),
        ((5, 5, 1), "authority.ca_days: 5: must be more than the 5 days that its certificates are valid."),
    ],
)
def test_invalid_lifetimes(lifetimes: tuple[int, int, int], message: str) -> None:
    assert message_of(check_lifetimes, Lifetimes(*lifetimes)) == message


def test_names_are_normalized_sorted_and_unique() -> None:
    assert canonical_names(["H1.Example", "fd00::0:1", "h1.example", "192.0.2.1"]) == (
        "192.0.2.1", "fd00::1", "h1.example",
    )  # fmt: skip


NOW = datetime.datetime(2026, 1, 31)
SPEC = CertificateSpec("h1", "server", ("H1", "192.0.2.1"), 365, 30)
VALID = ExistingCertificate("h1", "server", ("192.0.2.1", "h1"), NOW, NOW + datetime.timedelta(days=31), True, True)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, None),
        ({"signed": False}, "not signed by the current authority"),
        ({"key_fits": False}, "its key belongs to another certificate"),
        ({"common_name": "h2"}, "issued for server h2"),
        ({"usage": "client"}, "issued for client h1"),
        ({"names": ("192.0.2.1",)}, "issued for 192.0.2.1"),
        ({"names": ()}, "issued for no name"),
        ({"not_after": NOW + datetime.timedelta(days=30)}, "expires on 2026-03-02"),
        ({"not_after": NOW}, "expired on 2026-01-31"),
        ({"not_before": NOW + datetime.timedelta(seconds=1)}, "not valid before 2026-01-31"),
    ],
)
def test_reasons_to_issue(changes: dict[str, t.Any], reason: str | None) -> None:
    assert reason_to_issue(VALID._replace(**changes), SPEC, NOW) == reason
    assert reason_to_issue(None, SPEC, NOW) == "missing"
