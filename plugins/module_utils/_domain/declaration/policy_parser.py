# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parse the policy of the declaration."""

from __future__ import annotations

import functools
import re
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.addressing import Prefix, parse_address, single
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.network import Network
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.policy_line import (
    ANY,
    DEFAULT_BRIDGE,
    HOST,
    WORLD,
    PolicyLine,
    is_outside,
    merged,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import ErrorList
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.fields import Fields, nearest, parse_all

POLICY_KEYS = ("from", "ports", "protocol", "to")
# Valid values instead of invalid ones, to find the errors of the other keys.
_STAND_INS: t.Mapping[str, t.Any] = {"from": ANY, "to": ANY, "ports": None}
# An end that starts like an address is parsed as one.
_LIKE_AN_ADDRESS = re.compile(r"^[0-9a-fA-F.:]+(/\d*)?\Z")


def parse_policy(
    items: t.Sequence[t.Any],
    path: str,
    networks: t.Sequence[Network],
    supernets: t.Sequence[Prefix],
    errors: ErrorList,
    invalid: t.Collection[str] = (),
) -> tuple[PolicyLine, ...]:
    """Parse the policy lines; append one for each open network. Collects errors with the line's path.

    ``invalid`` are names of declared networks that have errors of their own.
    """
    anything = tuple(network.name for network in networks if network.routed)
    lines = []
    for number, item in enumerate(items):
        where = f"{path}[{number}]"
        with errors.collect():
            parse = functools.partial(
                _parse_line, path=where, networks=networks, supernets=supernets, anything=anything, invalid=invalid
            )
            lines.append(parse_all(parse, item, where, _STAND_INS))
    lines += [
        PolicyLine(anything, (network.name,), "any", (), f"{network.path}.open") for network in networks if network.open
    ]
    return tuple(lines)


def _parse_line(
    item: t.Any,
    path: str,
    networks: t.Sequence[Network],
    supernets: t.Sequence[Prefix],
    anything: tuple[str, ...],
    invalid: t.Collection[str],
) -> PolicyLine:
    fields = Fields(item, path, POLICY_KEYS)
    ends: dict[str, tuple[str, ...]] = {}
    errors = ErrorList()
    for key in ("from", "to"):
        found: list[str] = []
        with errors.collect():
            for name in fields.names(key):
                with errors.collect():
                    found.append(_parse_end(fields, key, name, networks, supernets, invalid))
        ends[key] = tuple(dict.fromkeys(end for name in found for end in (anything if name == ANY else (name,))))
    errors.check()
    sources, targets = ends["from"], ends["to"]
    outside = [end for end in (*sources, *targets) if is_outside(end)]
    if any(map(is_outside, sources)) and any(map(is_outside, targets)):
        raise fields.fail(
            "to",
            f"{outside[0]!r} and {outside[-1]!r} are both outside of the fleet's networks. Name a network at one end.",
        )
    ports = _parse_ports(fields)
    protocol = fields.choice("protocol", ("any", "icmp", "tcp", "udp"), "tcp" if ports else "any")
    if ports and protocol not in ("tcp", "udp"):
        raise fields.fail(
            "ports",
            f"requires protocol tcp or udp, and the protocol is {protocol}. Remove ports, or change the protocol.",
        )
    return PolicyLine(sources, targets, protocol, ports, path)


def _parse_end(
    fields: Fields,
    key: str,
    name: str,
    networks: t.Sequence[Network],
    supernets: t.Sequence[Prefix],
    invalid: t.Collection[str],
) -> str:
    known = [*(network.name for network in networks), ANY, DEFAULT_BRIDGE, HOST, WORLD]
    if name in known or name in invalid:
        return name
    if not _LIKE_AN_ADDRESS.match(name) or not set(name) & set(".:"):
        raise fields.fail(key, f"{name!r} is not a declared network. {nearest(name, known)}")
    try:
        block = Prefix.parse(name) if "/" in name else single(*parse_address(name))
    except ValueError as error:
        raise fields.refuse(key, name, f"{error}.") from None
    if block.version not in [supernet.version for supernet in supernets]:
        raise fields.refuse(key, name, f"requires an IPv{block.version} supernet. Leave it out.")
    if block.length == 0:
        raise fields.refuse(key, name, f"contains every address. Use {WORLD!r} for the outside of the fleet.")
    for supernet in supernets:
        if supernet.contains(block):
            raise fields.refuse(key, name, f"is in the supernet {supernet}. Name the networks instead.")
    for network in networks:
        for subnet, _path in network.all_pinned:
            if subnet.contains(block):
                raise fields.refuse(
                    key, name, f"is in the subnet {subnet} of network {network.name}. Name the network instead."
                )
    return str(block)


def _port_hint(entry: object) -> str:
    """The valid form of what looks like ports in another notation."""
    text = str(entry).replace(" ", "")
    if re.match(r"^[\d,-]+\Z", text) and "," in text:
        return f" Write [{', '.join(filter(None, text.split(',')))}]."
    found = re.match(r"^(\d+(?:-\d+)?)/(tcp|udp)\Z", text, re.IGNORECASE)
    if found:
        return f" Write ports: {found[1]} and protocol: {found[2].lower()}."
    found = re.match(r"^(?:.*:)?(\d+):(\d+)\Z", text)
    if found:
        return f" A line names the port of the container, not that of the host. Write {found[2]}."
    return ""


def _parse_ports(fields: Fields) -> tuple[tuple[int, int], ...]:
    value = fields.raw("ports")
    if value is None:
        return ()
    entries = value if isinstance(value, (list, tuple)) else [value]
    ranges = []
    errors = ErrorList()
    for entry in entries:
        found = re.match(r"^(\d+)(?:-(\d+))?\Z", str(entry)) if not isinstance(entry, bool) else None
        low, high = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
        with errors.collect():
            if not 1 <= low <= high <= 65535:
                raise fields.fail(
                    "ports", f"{entry!r} is not a valid port (1 to 65535) or range (8000-8010).{_port_hint(entry)}"
                )
            ranges.append((low, high))
    errors.check()
    return merged(ranges)
