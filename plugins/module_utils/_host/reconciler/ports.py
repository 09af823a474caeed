# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read the ports of bridges and the MAC addresses behind them from the kernel."""

from __future__ import annotations

import contextlib
import socket
import struct

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.netlink import messages
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.reconciler.ports import (
    NEW_LINK,
    BridgePort,
    HostInterface,
    is_last,
    links_request,
    parse_interface,
    ports_of,
)

_BUFFER = 65536
_TIMEOUT = 5.0  # seconds


def read_ports() -> list[BridgePort]:
    """The ports of all bridges that lead to other namespaces. One query per namespace."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE) as kernel:
        kernel.settimeout(_TIMEOUT)
        interfaces = _interfaces(kernel)
        namespaces = {each.namespace for each in interfaces if each.master and each.namespace is not None}
        return ports_of(interfaces, {number: _interfaces(kernel, number) for number in sorted(namespaces)})


def _interfaces(kernel: socket.socket, namespace: int | None = None) -> list[HostInterface]:
    """None for a namespace that no longer exists."""
    kernel.send(links_request(namespace))
    found: list[tuple[int, bytes]] = []
    while not found or not is_last(found[-1][0]):
        found += messages(kernel.recv(_BUFFER))
    interfaces = []
    for kind, body in found:
        if kind == NEW_LINK:
            with contextlib.suppress(struct.error):
                interfaces.append(parse_interface(body))
    return interfaces
