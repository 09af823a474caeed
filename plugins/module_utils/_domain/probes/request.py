# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Probes and what became of them: reading the declared list, and the meaning of what came back."""

from __future__ import annotations

import dataclasses
import errno
import ipaddress
import os
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import InvalidValue
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.probes.packets import (
    PAYLOAD_MIN,
    PORT_BASE,
    PORT_UNREACHABLE,
    TOKENS,
    IcmpError,
)

# What became of a probe. The first two prove that the destination was reached.
REPLY = "reply"
REFUSED = "refused"
TIMEOUT = "timeout"
UNREACHABLE = "unreachable"
ERROR = "error"

DNS_PORT = 53

# The largest payload whose packet IPv4 can carry: 65535 less the headers of IP and ICMP.
SIZE_MAX = 65507


@dataclasses.dataclass(frozen=True)
class ProbeRequest:
    """One packet to be answered. ``port`` is None for ICMP, ``size`` is in bytes and None for the smallest.

    ``name`` is what a DNS server is asked for, ``attempts`` how often it is tried, None for as often as the others.
    """

    source: str
    destination: str
    protocol: str
    port: int | None
    token: int
    size: int | None = None
    name: str | None = None
    attempts: int | None = None

    @property
    def version(self) -> int:
        return 6 if ":" in self.destination else 4

    @property
    def source_port(self) -> int:
        """The source port of TCP and UDP, the identifier of ICMP."""
        return PORT_BASE + self.token


@dataclasses.dataclass(frozen=True)
class ProbeResult:
    """What became of a probe; ``rtt`` is in milliseconds, ``mtu`` in bytes."""

    outcome: str
    detail: str = ""
    rtt: float | None = None
    source_port: int | None = None
    mtu: int | None = None
    answer: tuple[str, ...] | None = None

    @property
    def reached(self) -> bool:
        return self.outcome in (REPLY, REFUSED)


def in_batches(neighbours: t.Sequence[t.Hashable | None], most: int) -> list[list[int]]:
    """Positions of probes, in batches of at most ``most`` different neighbours; None is a probe to none."""
    batches: list[list[int]] = [[]]
    seen: set[t.Hashable] = set()
    for position, neighbour in enumerate(neighbours):
        if neighbour is not None and neighbour not in seen:
            if len(seen) == most:
                batches.append([])
                seen = set()
            seen.add(neighbour)
        batches[-1].append(position)
    return batches


def parse_probes(items: t.Sequence[dict[str, t.Any]]) -> list[ProbeRequest]:
    """The option ``probes`` of reachability_info, types already checked; InvalidValue for what makes no sense."""
    return [_parse_probe(f"probes[{position}]", item) for position, item in enumerate(items)]


def _parse_probe(where: str, item: dict[str, t.Any]) -> ProbeRequest:
    protocol, port, token, size = item["protocol"], item.get("port"), item["token"], item.get("size")
    name, attempts = item.get("name"), item.get("attempts")
    if protocol == "dns" and port is None:
        port = DNS_PORT
    if (protocol == "dns") != (name is not None):
        raise InvalidValue(f"{where}.name", name, "a DNS probe needs a name, and no other probe has one")
    try:
        destination = str(ipaddress.ip_address(item["destination"]))
    except ValueError:
        raise InvalidValue(f"{where}.destination", item["destination"], "is not an IP address") from None
    if not 0 <= token < TOKENS:
        raise InvalidValue(f"{where}.token", token, f"has to be from 0 to {TOKENS - 1}")
    if protocol == "icmp" and port is not None:
        raise InvalidValue(f"{where}.port", port, "ICMP has no ports; leave it out")
    if protocol != "icmp" and (port is None or not 0 < port < 65536):
        raise InvalidValue(f"{where}.port", port, f"{protocol} needs a port from 1 to 65535")
    if size is not None and protocol != "icmp":
        raise InvalidValue(f"{where}.size", size, "only ICMP probes have a size")
    if size is not None and not PAYLOAD_MIN <= size <= SIZE_MAX:
        raise InvalidValue(f"{where}.size", size, f"has to be from {PAYLOAD_MIN} to {SIZE_MAX} bytes")
    if attempts is not None and attempts < 1:
        raise InvalidValue(f"{where}.attempts", attempts, "has to be at least 1")
    return ProbeRequest(item["source"], destination, protocol, port, token, size, name, attempts)


# Errors of the source's own kernel that mean "there is no way", as opposed to a probe that could not be made.
_NO_WAY = frozenset(
    (
        errno.ENETUNREACH,
        errno.EHOSTUNREACH,
        errno.ENETDOWN,
        errno.EHOSTDOWN,
        errno.EADDRNOTAVAIL,
        errno.EACCES,
        errno.EPERM,
        errno.EMSGSIZE,
        errno.EINVAL,
        errno.ETIMEDOUT,
        errno.ENOPROTOOPT,
        errno.EPROTO,
    )
)

_HINTS = {
    errno.EPERM: "a firewall in the source's own namespace drops it",
    errno.EACCES: "a route of the source prohibits it",
    errno.EINVAL: "a route of the source is a blackhole",
    errno.EMSGSIZE: "larger than the MTU of the source's link",
    errno.EADDRNOTAVAIL: "the source has no address of this family",
}


def of_errno(number: int) -> ProbeResult:
    """The meaning of an error that the kernel gave on sending or connecting."""
    if number == errno.ECONNREFUSED:
        return ProbeResult(REFUSED)
    name = errno.errorcode.get(number, str(number))
    hint = _HINTS.get(number)
    text = f"{name}: {os.strerror(number)}" + (f" ({hint})" if hint else "")
    return ProbeResult(UNREACHABLE if number in _NO_WAY else ERROR, text)


def of_icmp(error: IcmpError) -> ProbeResult:
    """The meaning of an ICMP error.

    That its port is closed is an answer where the destination itself says so; from anybody else it is a firewall's
    REJECT in disguise.
    """
    if error.reason == PORT_UNREACHABLE and error.sender == error.destination:
        return ProbeResult(REFUSED, f"ICMP {error.reason}")
    mtu = f", the MTU there is {error.mtu}" if error.mtu else ""
    return ProbeResult(UNREACHABLE, f"ICMP {error.reason} from {error.sender}{mtu}", mtu=error.mtu)


def report(probe: ProbeRequest, verdict: ProbeResult) -> dict[str, t.Any]:
    """One entry of the module's results."""
    return {
        "source": probe.source,
        "destination": probe.destination,
        "protocol": probe.protocol,
        "port": probe.port,
        "token": probe.token,
        "size": probe.size,
        "reached": verdict.reached,
        "outcome": verdict.outcome,
        "detail": verdict.detail,
        "rtt": verdict.rtt,
        "source_port": verdict.source_port,
        "mtu": verdict.mtu,
        "name": probe.name,
        "answer": None if verdict.answer is None else list(verdict.answer),
    }
