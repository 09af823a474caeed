# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Policy lines for docker0 and undeclared networks, on engines with the nftables firewall backend. Pure.

Such an engine drops packets from other interfaces to containers of these networks, also replies, unless
``allow-direct-routing`` is on. Then it still drops new connections to ports that are not published, unless packets have
the mark ``bridge-accept-fwmark``. The rules of this collection set its mark on packets that a line allows.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.addressing import Prefix
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.constants import BRIDGE_PREFIX
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.policy_line import (
    DEFAULT_BRIDGE,
    HOST,
    WORLD,
    PolicyLine,
    is_block,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import Unsupported
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.names import CHAIN_PREFIX, MARK

_MARK = f"{MARK:#x}/{MARK:#x}"


@dataclasses.dataclass(frozen=True)
class DirectRouting:
    """What the engine lets in besides published ports.

    ``allowed``: packets from other interfaces; ``marked``: packets with the mark of this collection. ``networks`` are
    the subnets of the host's undeclared networks by name, ``adopted`` the names of those that are declared and adopted.
    """

    allowed: bool = False
    marked: bool = False
    networks: t.Mapping[str, t.Sequence[Prefix]] = dataclasses.field(default_factory=dict)
    adopted: t.Collection[str] = ()


def needs_direct_routing(options: t.Mapping[str, str], version: int) -> bool:
    """Whether the engine drops packets from other interfaces to a bridge network with these driver options."""
    return options.get(f"{BRIDGE_PREFIX}gateway_mode_ipv{version}") != "nat-unprotected"


def accepts_mark(setting: str) -> bool:
    """Whether an engine with this ``bridge-accept-fwmark`` (MARK or MARK/MASK) accepts packets with the mark MARK."""
    value, _separator, mask = setting.partition("/")
    try:
        number, bits = int(value, 0), int(mask, 0) if mask else 0xFFFFFFFF
    except ValueError:
        return False
    return number == MARK & bits and number != 0


def dockers_drop(rules: t.Sequence[str]) -> bool:
    """Whether Docker set the policy DROP of the chain FORWARD, given the rules of table filter as ``-S`` prints them.

    A switch to the nftables backend leaves the policy and an empty chain DOCKER-USER until the next boot. A rule that
    jumps to another chain shows that another program uses the chain, which may have set the policy.
    """
    jumps = [rule.rpartition(" -j ")[2] for rule in rules if rule.startswith("-A FORWARD ")]
    own = all(jump.startswith(("DOCKER", CHAIN_PREFIX)) for jump in jumps)
    return "-P FORWARD DROP" in rules and "-N DOCKER-USER" in rules and own


def check_adopted(routing: DirectRouting) -> None:
    """Raise Unsupported for the first adopted network that the engine does not let other hosts reach."""
    missing = _missing(routing, marked=True)
    for name in sorted(routing.adopted):
        if missing:
            raise Unsupported(
                f"network {name}: adopt: with the nftables firewall backend, the engine drops packets between this "
                "network, whose gateway mode is not nat-unprotected, and other networks. Set "
                f"{' and '.join(missing)} in docker_fleet_default_bridge (in docker_fleet_host_default_bridge for this "
                f"host alone), remove the network with 'docker network rm {name}', so that the run creates it with "
                "this mode, or use the iptables backend."
            )


def _missing(routing: DirectRouting, marked: bool) -> list[str]:
    """The options of the daemon that are missing. ``marked``: the engine must accept the mark, too."""
    missing = [] if routing.allowed else ["allow_direct_routing: true"]
    return missing + ([] if routing.marked or not marked else [f'bridge_accept_fwmark: "{_MARK}"'])


def check_lines(lines: t.Iterable[PolicyLine], routing: DirectRouting) -> None:
    """Raise Unsupported for the first line that the engine does not serve."""
    for line in lines:
        into = _undeclared(line.targets, line.sources, routing)
        out_of = _undeclared(line.sources, line.targets, routing)
        missing = _missing(routing, marked=bool(into)) if into or out_of else []
        if missing:
            raise Unsupported(
                f"{line.path} ({line}): with the nftables firewall backend, the engine drops packets between "
                f"{into or out_of} and other networks. Set {' and '.join(missing)} in docker_fleet_default_bridge (in "
                "docker_fleet_host_default_bridge for this host alone), use declared networks, or use the iptables "
                "backend."
            )


def _undeclared(ends: t.Sequence[str], others: t.Sequence[str], routing: DirectRouting) -> str | None:
    """The first of the ends that is docker0 or in an undeclared network, if its packets are routed to the other end."""
    if all(other in (HOST, WORLD) for other in others):
        return None  # Docker's own NAT
    for end in ends:
        if end == DEFAULT_BRIDGE:
            return DEFAULT_BRIDGE
        if not is_block(end):
            continue
        block = Prefix.parse(end)
        for name, subnets in routing.networks.items():
            if any(block.overlaps(subnet) for subnet in subnets if block.version == subnet.version):
                return f"the undeclared network {name}"
    return None
