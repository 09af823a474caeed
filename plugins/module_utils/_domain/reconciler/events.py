# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which messages of the kernel mean that a part of the host may differ from its files. Pure.

Only these start a check, which costs some 50 ms of a core. A container that starts causes dozens of other messages.
"""

from __future__ import annotations

import struct
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.constants import ROUTE_PROTOCOL
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.names import (
    CHAIN_PREFIX,
    TABLE,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.netlink import as_name, attributes
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.persistence.part import FIREWALL_PART, ROUTES_PART

# linux/rtnetlink.h
_NEW_LINK, _DELETE_LINK = 16, 17
_ADDRESS_KINDS = (20, 21)
_ROUTE_KINDS = (24, 25)
_NETCONF = 80
RTNETLINK_GROUPS = sum(1 << (group - 1) for group in (1, 5, 7, 9, 11, 24, 25))
# linux/netfilter/nfnetlink.h, nf_tables.h
NFTABLES_GROUPS = 1 << (7 - 1)
_NFTABLES = 10
_TABLE_KINDS = (0, 2)
_CHAIN_KINDS = (3, 5)
_RULE_KINDS = (6, 8)
_SET_KINDS = (9, 11)

_LINK = struct.Struct("=BxHiII")
_ADDRESS = struct.Struct("=BBBBi")
_ROUTE = struct.Struct("=BBBBBBBBI")
_FAMILY_SIZE = 4  # struct nfgenmsg, and rtgenmsg with padding
_SCOPE_LINK = 253
_ALL_INTERFACES = -1

# Chains of iptables with rules or jumps of this collection.
_HOOKS = {"filter": ("FORWARD", "DOCKER-USER"), "raw": ("PREROUTING",)}


def nftables_parts(kind: int, body: bytes) -> t.Iterable[str]:
    """The parts that a message of nf_tables concerns. iptables-nft causes such messages as well."""
    if kind >> 8 != _NFTABLES:
        return ()
    what, found = kind & 0xFF, attributes(body[_FAMILY_SIZE:])
    table = as_name(found.get(1))
    if table == TABLE:
        # Elements of sets are not in this list: the reconciler changes them itself.
        concerned = what in (*_TABLE_KINDS, *_CHAIN_KINDS, *_RULE_KINDS, *_SET_KINDS)
    elif table not in _HOOKS:
        concerned = False
    elif what in _TABLE_KINDS:
        concerned = True
    else:
        chain = as_name(found.get(2 if what in _RULE_KINDS else 3))
        listed = chain in _HOOKS[table] or chain.startswith(CHAIN_PREFIX)
        concerned = what in (*_CHAIN_KINDS, *_RULE_KINDS) and listed
    return (FIREWALL_PART.name,) if concerned else ()


def rtnetlink_parts(kind: int, body: bytes) -> t.Iterable[str]:
    """The parts that a message about links, addresses, routes or forwarding concerns."""
    concerned = False
    if kind in _ROUTE_KINDS and len(body) >= _ROUTE.size:
        concerned = _ROUTE.unpack_from(body)[5] == ROUTE_PROTOCOL
    elif kind in _ADDRESS_KINDS and len(body) >= _ADDRESS.size:
        concerned = _ADDRESS.unpack_from(body)[3] < _SCOPE_LINK
    elif kind in (_NEW_LINK, _DELETE_LINK) and len(body) >= _LINK.size:
        # IPv4 routes of an interface that goes down are removed without a message.
        concerned = not as_name(attributes(body[_LINK.size :]).get(3)).startswith("veth")
    elif kind == _NETCONF:
        index = attributes(body[_FAMILY_SIZE:]).get(1, b"")
        if index == struct.pack("=i", _ALL_INTERFACES):
            return (FIREWALL_PART.name,)
    return (ROUTES_PART.name,) if concerned else ()
