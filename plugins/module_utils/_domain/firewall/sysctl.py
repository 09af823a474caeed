# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernel settings that affect forwarding: observed value, required value, and the reason. Pure."""

from __future__ import annotations

import typing as t

_FORWARDING = "required for containers to reach other networks and hosts; kept in /etc/fleetnet/sysctl.conf"
_BRIDGE_NF = (
    "any value. With 1, frames within a bridge pass the forward chain, which accepts them, and icc=false works on "
    "docker0; with 0 they pass no rules"
)
_STRICT = (
    "any value. Strict (1) drops packets that arrive on another interface than the route to their source uses. With "
    "backend host_gw both are the underlay interface; other routes are rejected"
)
_POLICY = {
    "iptables": "any value: declared traffic is accepted earlier, in DOCKER-USER",
    "other": "it applies to declared traffic if the engine writes no iptables rules",
}


class Setting(t.TypedDict):
    """``value`` is the observed value (None: no such setting in the kernel), ``needed`` is None for any value."""

    name: str
    value: str | None
    needed: str | None
    why: str


def settings(
    versions: t.Collection[int], switches: t.Mapping[str, t.Any], forward_drops: t.Collection[int], firewall: str
) -> list[Setting]:
    """The settings for the fleet's IP ``versions``.

    ``switches`` are the forwarding settings that ``network_info`` reports, ``forward_drops`` the IP versions in which
    iptables' chain FORWARD has policy DROP, ``firewall`` the engine's firewall backend (iptables, nftables, none).
    """
    found: list[Setting] = []
    for version, key, name, suffix in (
        (4, "ipv4", "net.ipv4.ip_forward", ""),
        (6, "ipv6", "net.ipv6.conf.all.forwarding", "6"),
    ):
        if version not in versions:
            continue
        found.append(_setting(name, _text(switches[key]), "1", _FORWARDING))
        bridge_nf = f"bridge_nf_call_ip{suffix}tables"
        found.append(
            _setting(f"net.bridge.bridge-nf-call-ip{suffix}tables", _text(switches[bridge_nf]), None, _BRIDGE_NF)
        )
        writes = firewall == "iptables"
        policy = "DROP" if version in forward_drops else "ACCEPT"
        needed, why = (None, _POLICY["iptables"]) if writes else ("ACCEPT", _POLICY["other"])
        found.append(_setting(f"ip{suffix}tables FORWARD policy", policy, needed, why))
    filters = switches["rp_filter"]
    if 4 in versions:
        found += [
            _setting(f"net.ipv4.conf.{link}.rp_filter", "1", None, _STRICT)
            for link in sorted(filters)
            # the kernel takes the larger of the two
            if link not in ("all", "default", "lo") and max(filters.get("all", 0), filters[link]) == 1
        ]
    return found


def _setting(name: str, value: str | None, needed: str | None, why: str) -> Setting:
    return {"name": name, "value": value, "needed": needed, "why": why}


def _text(switch: bool | None) -> str | None:
    return None if switch is None else str(int(switch))
