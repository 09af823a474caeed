# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Decide when a certificate must be issued again. Pure, without cryptography."""

from __future__ import annotations

import datetime
import ipaddress
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import InvalidValue

SERVER = "server"
CLIENT = "client"

MAXIMUM_DAYS = 36500


class CertificateSpec(t.NamedTuple):
    """A declared certificate. ``names`` are its DNS names and IP addresses, empty for a client."""

    common_name: str
    usage: str
    names: tuple[str, ...]
    days: int
    renew_days: int


class ExistingCertificate(t.NamedTuple):
    """A certificate with its key. ``signed``: by the current authority; ``key_fits``: the key belongs to it."""

    common_name: str
    usage: str
    names: tuple[str, ...]
    not_before: datetime.datetime
    not_after: datetime.datetime
    signed: bool
    key_fits: bool


class Lifetimes(t.NamedTuple):
    """Days that the authority and its certificates are valid, and days before its expiry that one is renewed."""

    authority: int
    certificate: int
    renew: int


def check_lifetimes(lifetimes: Lifetimes) -> None:
    """Raise InvalidValue for lifetimes that are out of range or contradict each other."""
    for name, days in (("ca_days", lifetimes.authority), ("days", lifetimes.certificate)):
        if not 1 <= days <= MAXIMUM_DAYS:
            raise InvalidValue(f"authority.{name}", days, f"must be between 1 and {MAXIMUM_DAYS} days")
    if not 0 <= lifetimes.renew < lifetimes.certificate:
        reason = f"must be less than the {lifetimes.certificate} days that a certificate is valid"
        raise InvalidValue("authority.renew_days", lifetimes.renew, reason)
    if lifetimes.authority <= lifetimes.certificate:
        reason = f"must be more than the {lifetimes.certificate} days that its certificates are valid"
        raise InvalidValue("authority.ca_days", lifetimes.authority, reason)


def is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def canonical_names(names: t.Iterable[str]) -> tuple[str, ...]:
    """Return the names sorted and without duplicates: addresses normalized, DNS names in lower case."""
    return tuple(sorted({str(ipaddress.ip_address(name)) if is_address(name) else name.lower() for name in names}))


def reason_to_issue(existing: ExistingCertificate | None, spec: CertificateSpec, now: datetime.datetime) -> str | None:
    """Return why the certificate must be issued again, None if the existing one is valid."""
    if existing is None:
        return "missing"
    if not existing.signed:
        return "not signed by the current authority"
    if not existing.key_fits:
        return "its key belongs to another certificate"
    if (existing.common_name, existing.usage) != (spec.common_name, spec.usage):
        return f"issued for {existing.usage} {existing.common_name}"
    if existing.names != canonical_names(spec.names):
        return f"issued for {', '.join(existing.names) or 'no name'}"
    return reason_of_dates(existing.not_before, existing.not_after, spec.renew_days, now)


def reason_of_dates(
    not_before: datetime.datetime, not_after: datetime.datetime, renew_days: int, now: datetime.datetime
) -> str | None:
    """Return why a certificate with this validity must be renewed now, None if it need not be.

    One that is not valid yet was issued while the controller's clock was wrong.
    """
    if not_before > now:
        return f"not valid before {not_before:%Y-%m-%d}"
    day = f"{not_after:%Y-%m-%d}"
    if not_after <= now:
        return f"expired on {day}"
    if not_after - now <= datetime.timedelta(days=renew_days):
        return f"expires on {day}"
    return None
