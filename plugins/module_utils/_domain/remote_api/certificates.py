# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When a certificate has to be issued anew: what is there, what is wanted, the time. No cryptography here."""

from __future__ import annotations

import datetime
import ipaddress
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import InvalidValue

SERVER = "server"
CLIENT = "client"

MAXIMUM_DAYS = 36500


class Wanted(t.NamedTuple):
    """A certificate to have. ``names`` are those that it is for: DNS names and IP addresses, none for a client."""

    common_name: str
    usage: str
    names: tuple[str, ...]
    days: int
    renew_days: int


class Found(t.NamedTuple):
    """A certificate with its key. ``ours`` is whether the present authority has signed it."""

    common_name: str
    usage: str
    names: tuple[str, ...]
    not_after: datetime.datetime
    ours: bool
    key_fits: bool


class Lifetimes(t.NamedTuple):
    """Days that the authority and its certificates last, and how many before its end one is renewed."""

    authority: int
    certificate: int
    renew: int


def check_lifetimes(lifetimes: Lifetimes) -> None:
    """Raise InvalidValue for days that do not go together."""
    for name, days in (("ca_days", lifetimes.authority), ("days", lifetimes.certificate)):
        if not 1 <= days <= MAXIMUM_DAYS:
            raise InvalidValue(f"authority.{name}", days, f"it has to be between 1 and {MAXIMUM_DAYS}")
    if not 0 <= lifetimes.renew < lifetimes.certificate:
        reason = f"it has to be less than the {lifetimes.certificate} days that a certificate lasts"
        raise InvalidValue("authority.renew_days", lifetimes.renew, reason)
    if lifetimes.authority <= lifetimes.certificate:
        reason = f"the authority has to last longer than its certificates ({lifetimes.certificate} days)"
        raise InvalidValue("authority.ca_days", lifetimes.authority, reason)


def is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def canonical_names(names: t.Iterable[str]) -> tuple[str, ...]:
    """Each name once, addresses in their one form, DNS names in lower case, sorted."""
    return tuple(sorted({str(ipaddress.ip_address(name)) if is_address(name) else name.lower() for name in names}))


def reason_to_issue(found: Found | None, wanted: Wanted, now: datetime.datetime) -> str | None:
    """Why the certificate has to be issued anew, None where the one that is there will do."""
    if found is None:
        return "there is none"
    if not found.ours:
        return "the authority was issued anew"
    if not found.key_fits:
        return "its key is another one's"
    if (found.common_name, found.usage) != (wanted.common_name, wanted.usage):
        return f"it is for {found.usage} {found.common_name}"
    if found.names != canonical_names(wanted.names):
        return f"it is for {', '.join(found.names) or 'no name'}"
    return reason_of_age(found.not_after, wanted.renew_days, now)


def reason_of_age(not_after: datetime.datetime, renew_days: int, now: datetime.datetime) -> str | None:
    """Why a certificate that ends then has to be renewed now."""
    day = f"{not_after:%Y-%m-%d}"
    if not_after <= now:
        return f"it has expired on {day}"
    if not_after - now <= datetime.timedelta(days=renew_days):
        return f"it expires on {day}"
    return None
