# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The compiler from policy and engine to rules. Pure; equal input gives equal bytes.

The rules are one nftables table, replaced in one transaction. Its forward chain runs before Docker's and drops what is
not declared (a drop is final). Allowed packets get a mark. Where the engine's chains would drop them, a rule in the
hook points that Docker leaves to users (``DOCKER-USER``, ``raw PREROUTING``) accepts that mark. Without the table no
packet has the mark and Docker's isolation remains: it fails closed.

Lookups are keyed by masked addresses (the bits that identify the network), so the table does not grow with the number
of hosts.
"""

from __future__ import annotations

import dataclasses

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.policy_line import DEFAULT_BRIDGE
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import Unsupported
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.binding import Local, table_without_ipv6
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.blocks import outside_blocks
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.bridge_table import bridge_table
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.closed_targets import closed_without_ipv6
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.direct_routing import (
    DirectRouting,
    check_adopted,
    check_lines,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.firewalld import ipset_file, policy_file
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.names import (
    FORWARD_CHAIN,
    MARK,
    RAW_CHAIN,
    TABLE,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.nft_table import Table
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.policy import (
    EGRESS,
    TO_HOST,
    Family,
    Policy,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.published_chains import (
    published_chains,
    sources_without_ipv6,
)

NFTABLES_SINCE = (29, 0, 0)


@dataclasses.dataclass(frozen=True)
class EngineFirewall:
    """What the rules depend on: the engine's release and its firewall backend (iptables, nftables or none).

    ``forward_drops`` are the IP versions in which iptables' chain FORWARD has policy DROP, as ufw sets it,
    ``forwarding_off`` those in which the host does not forward. ``routing`` is read for the nftables backend only.
    """

    version: tuple[int, int, int]
    firewall: str = "iptables"
    forward_drops: tuple[int, ...] = ()
    forwarding_off: tuple[int, ...] = ()
    routing: DirectRouting = dataclasses.field(default_factory=DirectRouting)
    host_has_ipv6: bool = True


# dockerd enables forwarding, but not with ip-forward off or the nftables backend.
_FORWARDING = {4: "net.ipv4.ip_forward", 6: "net.ipv6.conf.all.forwarding"}
# With the iptables backend, forwarding that is on when dockerd starts leaves the policy of FORWARD at ACCEPT.
_EARLY = """# Written by fleetnet.docker: with the nftables backend, dockerd starts only if forwarding is enabled.
# It stays when the host leaves the fleet. Delete it if another file enables forwarding, or without Docker.
"""


@dataclasses.dataclass(frozen=True)
class Ruleset:
    """The files that a host loads. An empty text means no file.

    ``nft`` is for ``nft -f``, ``iptables`` and ``ip6tables`` are for ``iptables-restore --noflush`` and
    ``ip6tables-restore``, ``sysctl`` and ``early_sysctl`` have the format of sysctl.conf; the latter is applied before
    dockerd starts. ``firewalld`` is a firewalld policy, ``firewalld_own4`` and ``firewalld_own6`` are its address sets
    of this host's networks.
    """

    nft: str
    iptables: str
    ip6tables: str
    sysctl: str
    early_sysctl: str
    firewalld: str
    firewalld_own4: str
    firewalld_own6: str


def compile_rules(policy: Policy, local: Local, engine: EngineFirewall) -> Ruleset:
    """Compile the policy for one host. Raises Unsupported if the engine does not support the policy."""
    _check(policy, engine)
    if engine.firewall == "nftables" and engine.routing.allowed:
        undeclared = {subnet for subnets in engine.routing.networks.values() for subnet in subnets}
        local = local._replace(routed=sorted(undeclared))
    tables = [Table(policy, family, local).text() for family in policy.families]
    if engine.host_has_ipv6 and all(family.version != 6 for family in policy.families):
        closed = [
            *published_chains(policy, sources_without_ipv6(policy), local.by_network, local.adoptable),
            *closed_without_ipv6(policy, local.from_all, local.controller),
        ]
        limited = {
            direction: [
                bridge
                for name, bridges in local.by_network.items()
                if name in policy.limited.get(direction, ())
                for bridge in bridges
            ]
            for direction in (TO_HOST, EGRESS)
        }
        declared = [
            bridge for name, bridges in local.by_network.items() if name != DEFAULT_BRIDGE for bridge in bridges
        ]
        closed_out = [*declared, *limited[EGRESS]]
        tables.append(table_without_ipv6(local, limited[TO_HOST], closed_out, closed))
    if policy.isolates_spoofing:
        tables.append(bridge_table())
    accepts = {family.version: _iptables(policy, family, local, engine) for family in policy.families}
    forwarding = "".join(f"{_FORWARDING[family.version]} = 1\n" for family in policy.families)
    return Ruleset(
        nft="".join(tables),
        iptables=accepts.get(4, ""),
        ip6tables=accepts.get(6, ""),
        sysctl="# Written by fleetnet.docker: hosts of the fleet forward between their bridges and to each other.\n"
        + forwarding,
        early_sysctl=_EARLY + forwarding if engine.firewall == "nftables" else "",
        firewalld=policy_file(policy, local.subnets),
        firewalld_own4=ipset_file(4, local.subnets),
        firewalld_own6=ipset_file(6, local.subnets),
    )


def _check(policy: Policy, engine: EngineFirewall) -> None:
    """Raise Unsupported if the engine does not support the policy."""
    if engine.firewall == "iptables":
        return
    for family in policy.families:
        if family.version in engine.forward_drops:
            program = "iptables" if family.version == 4 else "ip6tables"
            raise Unsupported(
                f"{program} chain FORWARD has policy DROP, and the engine writes no iptables rules for declared "
                "traffic. With ufw, set DEFAULT_FORWARD_POLICY=\"ACCEPT\" in /etc/default/ufw and run 'ufw reload'; "
                f"otherwise run '{program} -P FORWARD ACCEPT'. The fleet's rules still drop undeclared traffic."
            )
        if family.version in engine.forwarding_off:
            setting = _FORWARDING[family.version]
            raise Unsupported(
                f"{setting} is 0, and the engine's firewall backend is {engine.firewall}. With forwarding, this host "
                "also forwards between its other networks, and Docker does not close chain FORWARD for them. If you "
                f"accept that, write '{setting} = 1' to a file in /etc/sysctl.d and run 'sysctl --system'."
            )
    if engine.firewall != "nftables":
        return
    if engine.version < NFTABLES_SINCE:
        raise Unsupported(
            f"engine {'.'.join(map(str, engine.version))} does not support the nftables firewall backend, which "
            "requires 29.0 or newer. Use the iptables backend."
        )
    check_lines(policy.lines, engine.routing)
    check_adopted(engine.routing)


# --- iptables ---------------------------------------------------------------------------------------------------------


def _iptables(policy: Policy, family: Family, local: Local, engine: EngineFirewall) -> str:
    """The chains. The host's script adds the jumps to them (DOCKER-USER, raw PREROUTING)."""
    if engine.firewall != "iptables":
        return ""
    mark = f"{MARK:#x}/{MARK:#x}"
    lines = [
        "*filter",
        f":{FORWARD_CHAIN} - [0:0]",
        f'-A {FORWARD_CHAIN} -m mark --mark {mark} -m comment --comment "declared, see nft table {TABLE}" -j ACCEPT',
        "COMMIT",
    ]
    # From 28.2 on, raw PREROUTING drops packets to a container that arrive on another interface than its bridge, on
    # docker0 and on networks without gateway mode nat-unprotected, for example one that was recreated manually.
    if engine.version >= (28, 2):
        supernet = family.supernet
        fleet, blocks = [supernet, *family.pinned], outside_blocks(policy, family.version)
        # A block may be that of an unmanaged network.
        ends = [(supernet, supernet)]
        for block in blocks:
            ends += [(block, supernet), *((source, block) for source in fleet)]
        # A network of this host that is pinned may be an adopted one, with another mode.
        own = [subnet for subnet in family.pinned if subnet in local.subnets]
        ends += [(source, subnet) for subnet in own for source in (*fleet, *blocks) if source != subnet]
        accept = f'-m comment --comment "filtered by nft table {TABLE}" -j ACCEPT'
        lines += ["*raw", f":{RAW_CHAIN} - [0:0]"]
        lines += [f"-A {RAW_CHAIN} -s {source} -d {target} {accept}" for source, target in ends]
        lines.append("COMMIT")
    return "\n".join(lines) + "\n"
