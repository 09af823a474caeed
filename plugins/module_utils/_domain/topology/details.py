# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is declared and observed of a node, for people: labels, and values as lines of text with their units. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.topology.containers import published_text
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.topology.model import Data, Node

# Labels of keys, if they are not the key's own words.
_LABELS = {
    "api_version": "API version",
    "attachable": "Containers can attach",
    "aux_addresses": "Reserved addresses",
    "bip": "Address of the bridge",
    "block": "Address block",
    "block_v6": "IPv6 address block",
    "bridge": "Bridge interface",
    "bridge_name": "Bridge interface",
    "bridge_nf_call_ip6tables": "IPv6 bridge traffic passes ip6tables",
    "bridge_nf_call_iptables": "IPv4 bridge traffic passes iptables",
    "enable_ipv4": "IPv4",
    "enable_ipv6": "IPv6",
    "engine": "Docker Engine",
    "fixed_cidr": "Subnet of containers",
    "fixed_cidr_v6": "IPv6 subnet of containers",
    "forward_policy": "Policy of chain FORWARD",
    "gateway_mode_ipv4": "IPv4 gateway mode",
    "gateway_mode_ipv6": "IPv6 gateway mode",
    "gateway_v6": "IPv6 gateway",
    "icc": "Containers reach each other",
    "id": "ID",
    "internal": "Internal",
    "ip_masq": "Masquerade",
    "ipam_config": "Subnets",
    "ipv4": "IPv4",
    "ipv6": "IPv6",
    "ipv6_gateway": "IPv6 gateway",
    "link": "Underlay segment",
    "links": "Interfaces",
    "mac": "MAC address",
    "managed": "Managed by this collection",
    "mode": "Network mode",
    "mtu": "MTU",
    "namespace": "Network namespace",
    "owned": "Table of this collection is loaded",
    "pid": "Process ID",
    "ports": "Published ports",
    "rp_filter": "Reverse path filter",
    "rules": "iptables rules of this collection",
    "shares_namespace_with": "Shares its namespace with",
    "tables": "nftables tables",
    "units": "Units of this collection",
}
# The length of an ID that Docker's commands print.
_SHORT_ID = 12

# The words for true and false.
_STATES = {"": ("yes", "no"), "services": ("active", "inactive"), "forwarding": ("on", "off")}

Row = t.Tuple[str, t.List[str]]


def details_of(node: Node) -> list[tuple[str, list[Row]]]:
    """Return the sections of a node's details: a title, and rows of a label with lines of text."""
    sections = (("Declared", node.declared), ("Observed", node.observed))
    return [(title, _rows(data)) for title, data in sections if data]


def search_terms(node: Node) -> list[str]:
    """Return the addresses and names of a container that a search finds, in addition to its label."""
    ends = (node.observed or {}).get("networks", ()) if node.kind == "container" else ()
    found = [value for end in ends for value in (end.get("ipv4"), end.get("ipv6"), end.get("mac"))]
    return [str(value) for value in (*found, *(alias for end in ends for alias in end.get("aliases") or ())) if value]


def _rows(data: Data) -> list[Row]:
    # The packet filters are several things, with a row each.
    flat = [pair for key, value in data.items() for pair in (value.items() if key == "firewall" else [(key, value)])]
    found = ((_label(key), _lines(key, value)) for key, value in flat)
    return [(label, lines) for label, lines in found if lines]


def _label(key: str) -> str:
    text = key.replace("_", " ")
    return _LABELS.get(key) or text[:1].upper() + text[1:]


def _lines(key: str, value: t.Any) -> list[str]:
    """Return a value as lines of text, none if it is empty."""
    if value is None or value in ("", [], {}):
        return []
    if isinstance(value, list):
        line = _ITEMS.get(key, _line)
        return list(dict.fromkeys(line(item) for item in value))
    if isinstance(value, dict):
        if key in ("labels", "options", "driver_options"):
            return [f"{name} = {_line(item)}" for name, item in value.items()]
        words = _STATES.get(key, _STATES[""])
        lines = ((name, words[not item] if isinstance(item, bool) else _line(item)) for name, item in value.items())
        return [f"{_LABELS.get(str(name), name)}: {line}" for name, line in lines if line]
    if key == "mtu":
        return [f"{value} bytes"]
    if key == "id":
        return [str(value)[:_SHORT_ID]]
    return [_line(value)]


def _line(value: t.Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return _STATES[""][not value]
    if isinstance(value, dict):
        return ", ".join(f"{key} {_line(item)}" for key, item in value.items() if item not in (None, "", [], {}))
    if isinstance(value, list):
        return ", ".join(map(_line, value))
    return str(value)


def _joined(*parts: str | None) -> str:
    return ", ".join(part for part in parts if part)


def _with(label: str, value: t.Any, unit: str = "") -> str:
    """A value after its label; empty without a value."""
    return f"{label} {_line(value)}{unit}" if value not in (None, "", [], {}) else ""


def _subnet(item: Data) -> str:
    return _joined(
        _line(item.get("subnet") or ""),
        _with("gateway", item.get("gateway")),
        _with("addresses of containers", item.get("ip_range")),
        _with("reserved", item.get("aux_addresses")),
    )


def _attached(item: Data) -> str:
    addresses = _joined(
        _line(item.get("ipv4") or ""),
        _line(item.get("ipv6") or ""),
        _with("gateway", item.get("gateway")),
        _with("IPv6 gateway", item.get("ipv6_gateway")),
        _with("MAC address", item.get("mac")),
        _with("names", item.get("aliases")),
    )
    return f"{item.get('network')}: {addresses or 'no address'}"


def _interface(item: Data) -> str:
    peer = _with("on the host", item.get("peer"))
    facts = _joined(
        _line(item.get("state") or ""),
        _with("MTU", item.get("mtu"), " bytes"),
        *map(_line, item.get("addresses") or ()),
        _with("network", item.get("network")),
        _with("gateway", item.get("gateway")),
        _with("IPv6 gateway", item.get("gateway_v6")),
        _with("MAC address", item.get("mac")),
        f"{peer} at bridge {item['bridge']}" if peer and item.get("bridge") else peer,
    )
    return f"{item.get('name')}: {facts}"


def _pool(item: Data) -> str:
    return f"{item.get('base')} in subnets of /{item.get('size')}"


def _rule(item: Data) -> str:
    return f"{item.get('family')}, table {item.get('table')}: {item.get('rule')}"


def _unit(item: Data) -> str:
    active, enabled = _STATES["services"][not item.get("active")], "enabled" if item.get("enabled") else "disabled"
    return f"{item.get('name')}: {active}, {enabled}"


_ITEMS: dict[str, t.Callable[[t.Any], str]] = {
    "default_address_pools": _pool,
    "interfaces": _interface,
    "ipam_config": _subnet,
    "networks": _attached,
    "ports": published_text,
    "rules": _rule,
    "subnets": _subnet,
    "units": _unit,
}
