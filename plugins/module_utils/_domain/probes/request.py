# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Probes and their results: parse the requested list, and interpret what comes back. Pure."""

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

# Outcomes of a probe. The first two prove that the destination was reached.
REPLY = "reply"
REFUSED = "refused"
TIMEOUT = "timeout"
UNREACHABLE = "unreachable"
ERROR = "error"
# The probe was not sent, because the source has another address for this destination than the required one.
OTHER_SOURCE = "other_source"

DNS_PORT = 53

# The largest payload that fits an IPv4 packet: 65535 bytes minus the IP and ICMP headers.
SIZE_MAX = 65507


@dataclasses.dataclass(frozen=True)
class ProbeRequest:
    """One packet that expects an answer. ``port`` is None for ICMP; ``size`` is in bytes, None for the smallest.

    ``source`` is a container; None for the host itself. ``name`` is the host name that a DNS probe queries.
    ``attempts`` is None for the number that all probes have. ``source_address`` is None for the kernel's choice. With
    ``required_source``, the probe is sent only if the kernel chooses this address. A TCP probe with ``data`` sends the
    payload once it is connected.
    """

    source: str | None
    destination: str
    protocol: str
    port: int | None
    token: int
    size: int | None = None
    name: str | None = None
    attempts: int | None = None
    source_address: str | None = None
    data: bool = False
    required_source: str | None = None

    @property
    def version(self) -> int:
        return 6 if ":" in self.destination else 4

    @property
    def source_port(self) -> int:
        """The source port of TCP and UDP, the identifier of ICMP."""
        return PORT_BASE + self.token


@dataclasses.dataclass(frozen=True)
class ProbeResult:
    """The result of a probe; ``rtt`` is in milliseconds, ``mtu`` in bytes."""

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
    """Split positions of probes into batches of at most ``most`` different neighbours; None stands for no neighbour."""
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
    """Parse the option ``probes`` of reachability_info, whose types are checked. Raises InvalidValue."""
    return [_parse_probe(f"probes[{position}]", item) for position, item in enumerate(items)]


def _parse_probe(where: str, item: dict[str, t.Any]) -> ProbeRequest:
    protocol, port, token, size = item["protocol"], item.get("port"), item["token"], item.get("size")
    name, attempts = item.get("name"), item.get("attempts")
    if protocol == "dns" and port is None:
        port = DNS_PORT
    if (protocol == "dns") != (name is not None):
        raise InvalidValue(f"{where}.name", name, "is required for a DNS probe and not allowed for others")
    data = bool(item.get("data"))
    destination = _address(where, item, "destination")
    source_address, required_source = (
        _source(where, item, key, destination) for key in ("source_address", "required_source")
    )
    if data and protocol != "tcp":
        raise InvalidValue(f"{where}.data", data, "is allowed for TCP only. Remove it")
    if not 0 <= token < TOKENS:
        raise InvalidValue(f"{where}.token", token, f"must be between 0 and {TOKENS - 1}")
    if protocol == "icmp" and port is not None:
        raise InvalidValue(f"{where}.port", port, "is not allowed for ICMP. Remove it")
    if protocol != "icmp" and (port is None or not 0 < port < 65536):
        raise InvalidValue(f"{where}.port", port, f"must be between 1 and 65535 for {protocol}")
    if size is not None and protocol != "icmp":
        raise InvalidValue(f"{where}.size", size, "is allowed for ICMP only. Remove it")
    if size is not None and not PAYLOAD_MIN <= size <= SIZE_MAX:
        raise InvalidValue(f"{where}.size", size, f"must be between {PAYLOAD_MIN} and {SIZE_MAX} bytes")
    if attempts is not None and attempts < 1:
        raise InvalidValue(f"{where}.attempts", attempts, "must be at least 1")
    source = item.get("source")
    return ProbeRequest(
        source, destination, protocol, port, token, size, name, attempts, source_address, data, required_source
    )


def _source(where: str, item: dict[str, t.Any], key: str, destination: str) -> str | None:
    if item.get(key) is None:
        return None
    source = _address(where, item, key)
    if (":" in source) != (":" in destination):
        raise InvalidValue(f"{where}.{key}", source, "must have the IP version of the destination")
    return source


def _address(where: str, item: dict[str, t.Any], key: str) -> str:
    try:
        return str(ipaddress.ip_address(item[key]))
    except ValueError:
        raise InvalidValue(f"{where}.{key}", item[key], "is not a valid IP address") from None


# Errors of the source's own kernel that mean "unreachable"; others mean that the probe could not be sent.
_UNREACHABLE_ERRORS = frozenset(
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
    errno.EMSGSIZE: "larger than the MTU of the source's interface",
    errno.EADDRNOTAVAIL: "the source has no address of this family",
}


def result_of_errno(number: int) -> ProbeResult:
    """The result for an error that the kernel returned on sending or connecting."""
    if number == errno.ECONNREFUSED:
        return ProbeResult(REFUSED)
    name = errno.errorcode.get(number, str(number))
    hint = _HINTS.get(number)
    text = f"{name}: {os.strerror(number)}" + (f" ({hint})" if hint else "")
    return ProbeResult(UNREACHABLE if number in _UNREACHABLE_ERRORS else ERROR, text)


def result_of_icmp(error: IcmpError) -> ProbeResult:
    """The result for an ICMP error.

    "Port unreachable" from the destination itself means a closed port. From any other address it is a firewall's
    REJECT.
    """
    if error.reason == PORT_UNREACHABLE and error.sender == error.destination:
        return ProbeResult(REFUSED, f"ICMP {error.reason}")
    mtu = f" (MTU {error.mtu})" if error.mtu else ""
    return ProbeResult(UNREACHABLE, f"ICMP {error.reason} from {error.sender}{mtu}", mtu=error.mtu)


def report(probe: ProbeRequest, result: ProbeResult) -> dict[str, t.Any]:
    """One entry of the module's results."""
    return {
        "source": probe.source,
        "destination": probe.destination,
        "protocol": probe.protocol,
        "port": probe.port,
        "token": probe.token,
        "size": probe.size,
        "reached": result.reached,
        "outcome": result.outcome,
        "detail": result.detail,
        "rtt": result.rtt,
        "source_port": result.source_port,
        "mtu": result.mtu,
        "name": probe.name,
        "answer": None if result.answer is None else list(result.answer),
    }
