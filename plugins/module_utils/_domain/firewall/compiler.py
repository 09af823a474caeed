# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The compiler: policy x engine -> rules. Pure; the same bytes for the same input.

Everything of ours is one nftables table, replaced in one transaction. Its forward chain runs before Docker's and drops
what is not declared (a drop is final in every chain); what it allows carries a packet mark, and where the engine's own
chains would drop it nevertheless, an accept for that mark stands in the hook points Docker leaves to its users
(``DOCKER-USER``, ``raw PREROUTING``). Should the table be lost, nothing carries the mark and Docker's isolation is what
remains: it fails closed.

The lookups are keyed by masked addresses (the bits that tell the network), so the table does not grow with the number
of hosts.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.addressing import Prefix
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.network import (
    DEFAULT_BRIDGE,
    HOST,
    WORLD,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.policy_line import PolicyLine
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import Unsupported
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.firewalld import ipset_file, policy_file
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.names import (
    FORWARD_CHAIN,
    MARK,
    RAW_CHAIN,
    TABLE,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.nft_table import Table, outside_blocks
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.policy import Family, Policy

NFTABLES_SINCE = (29, 0, 0)


@dataclasses.dataclass(frozen=True)
class EngineFirewall:
    """What of the engine decides the rules: release, and which firewall it writes (iptables, nftables or none).

    ``forward_drops`` are the IP versions in which iptables drops what it forwards by default, as ufw wants it.
    """

    version: tuple[int, int, int]
    firewall: str = "iptables"
    forward_drops: tuple[int, ...] = ()


# dockerd switches forwarding on itself, but not where ip-forward is off, and the nftables backend never does.
_SYSCTL = {4: "net.ipv4.ip_forward = 1\n", 6: "net.ipv6.conf.all.forwarding = 1\n"}


@dataclasses.dataclass(frozen=True)
class Ruleset:
    """What a host has to load; an empty text is no file.

    ``nft`` is for ``nft -f``, ``iptables`` and ``ip6tables`` are for ``iptables-restore --noflush`` and its sister,
    ``sysctl`` is for ``sysctl -p``. Where there is firewalld, ``firewalld`` is a policy for it, and ``firewalld_own4``
    and ``firewalld_own6`` are its sets of this host's networks.
    """

    nft: str
    iptables: str
    ip6tables: str
    sysctl: str
    firewalld: str
    firewalld_own4: str
    firewalld_own6: str


def compile_rules(policy: Policy, own: t.Sequence[Prefix], engine: EngineFirewall) -> Ruleset:
    """Compile the policy for one host.

    ``own`` are the subnets of the host's declared networks that are not internal. Unsupported where this engine cannot
    do what the policy asks.
    """
    _check(policy, engine)
    tables = [
        Table(policy, family, [subnet for subnet in own if subnet.version == family.version]).text()
        for family in policy.families
    ]
    accepts = {family.version: _iptables(policy, family, engine) for family in policy.families}
    return Ruleset(
        nft="".join(tables),
        iptables=accepts.get(4, ""),
        ip6tables=accepts.get(6, ""),
        sysctl="# Written by fleetnet.docker: hosts of the fleet route between their bridges and to each other.\n"
        + "".join(_SYSCTL[family.version] for family in policy.families),
        firewalld=policy_file(policy, own),
        firewalld_own4=ipset_file(4, own),
        firewalld_own6=ipset_file(6, own),
    )


def _check(policy: Policy, engine: EngineFirewall) -> None:
    """Unsupported where this engine cannot do what the policy asks."""
    if engine.firewall == "iptables":
        return
    for family in policy.families:
        if family.version in engine.forward_drops:
            program = "iptables" if family.version == 4 else "ip6tables"
            raise Unsupported(
                f"{program} drops what the host forwards (chain FORWARD has policy DROP), and an engine that writes no "
                'iptables rules leaves it at that. Where ufw is on, set DEFAULT_FORWARD_POLICY="ACCEPT" in '
                f"/etc/default/ufw and run 'ufw reload'; otherwise run '{program} -P FORWARD ACCEPT'. The policy's own "
                "rules drop what is not declared"
            )
    if engine.firewall != "nftables":
        return
    if engine.version < NFTABLES_SINCE:
        raise Unsupported(
            f"engine {'.'.join(map(str, engine.version))} has no nftables firewall backend, which came with 29.0; "
            "use its iptables backend"
        )
    for line in policy.lines:
        if _routes_to_default_bridge(line):
            raise Unsupported(
                f"{line.path} ({line}) routes to or from {DEFAULT_BRIDGE}, and an engine with the nftables firewall "
                "backend lets nothing be routed there; use user-defined networks, or the iptables backend"
            )


def _routes_to_default_bridge(line: PolicyLine) -> bool:
    """Whether docker0 is at one end, and something at the other that comes by routing (not by Docker's own NAT)."""
    return any(
        DEFAULT_BRIDGE in ends and any(other not in (HOST, WORLD) for other in others)
        for ends, others in ((line.sources, line.targets), (line.targets, line.sources))
    )


# --- iptables ---------------------------------------------------------------------------------------------------------


def _iptables(policy: Policy, family: Family, engine: EngineFirewall) -> str:
    """Our chains; the jumps into them (DOCKER-USER, raw PREROUTING) are the business of whoever loads them."""
    if engine.firewall != "iptables":
        return ""
    mark = f"{MARK:#x}/{MARK:#x}"
    lines = [
        "*filter",
        f":{FORWARD_CHAIN} - [0:0]",
        f'-A {FORWARD_CHAIN} -m mark --mark {mark} -m comment --comment "declared, see nft table {TABLE}" -j ACCEPT',
        "COMMIT",
    ]
    # From 28.2 on, raw PREROUTING drops what comes for a container from another link than its bridge, on docker0 and on
    # networks without gateway mode nat-unprotected: such as one of ours that somebody made anew by hand.
    if engine.version >= (28, 2, 0):
        supernet = family.supernet
        # A block may be that of a network which is not ours.
        ends = [(supernet, supernet)]
        for block in outside_blocks(policy, family.version):
            ends += [(block, supernet), (supernet, block)]
        judged = f'-m comment --comment "judged by nft table {TABLE}" -j ACCEPT'
        lines += ["*raw", f":{RAW_CHAIN} - [0:0]"]
        lines += [f"-A {RAW_CHAIN} -s {source} -d {target} {judged}" for source, target in ends]
        lines.append("COMMIT")
    return "\n".join(lines) + "\n"
