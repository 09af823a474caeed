# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel's switches that decide whether a host forwards: what they are, what they have to be, and why. Pure."""

from __future__ import annotations

import typing as t

_FORWARDING = "containers reach other networks and hosts only where the host forwards; kept so in /etc/sysctl.d"
_BRIDGE_NF = (
    "either will do. With 1, frames within a bridge pass our forward chain, too, which accepts them, and icc=false "
    "holds on docker0; with 0 they are shown to no rule"
)
_STRICT = (
    "strict (1) drops what comes in by another link than its source is routed to. With backend host_gw both are the "
    "underlay's, or the routes are refused, so any value will do"
)
_POLICY = {
    "iptables": "either will do: what is declared is accepted before it, in DOCKER-USER",
    "other": "an engine that writes no iptables rules leaves declared traffic to it",
}


class Setting(t.TypedDict):
    """``value`` is what was found (None: the kernel has no such switch), ``needed`` is None where any value will do."""

    name: str
    value: str | None
    needed: str | None
    why: str


def settings(
    versions: t.Collection[int], switches: t.Mapping[str, t.Any], forward_drops: t.Collection[int], firewall: str
) -> list[Setting]:
    """What a host needs for the fleet's IP ``versions``.

    ``switches`` are what ``network_info`` reports as forwarding, ``forward_drops`` the IP versions in which iptables'
    chain FORWARD has policy DROP, ``firewall`` what the engine writes (iptables, nftables, none).
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
