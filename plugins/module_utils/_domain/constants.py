# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Constants of more than one room: marks of this collection, names that Docker gives, the limits of an MTU (bytes)."""

from __future__ import annotations

import re

# The label that marks a network as created by this collection.
OWNER_LABEL = "io.fleetnet.managed"
OWNER_VALUE = "true"
# Marks its routes. Not in /etc/iproute2/rt_protos and not used by bird (12), FRR (186 to 196), babel (42), openr (99).
ROUTE_PROTOCOL = 213
# The folder of its files that describe running processes.
RUN_FOLDER = "/run/fleetnet"

BRIDGE_PREFIX = "com.docker.network.bridge."
DRIVER_PREFIX = "com.docker.network.driver."
BRIDGE_NAME = BRIDGE_PREFIX + "name"
MTU = DRIVER_PREFIX + "mtu"
# The tables of engines with the nftables backend, in the families ip and ip6.
ENGINE_TABLE = "docker-bridges"
# The source address of packets to the outside, by IP version.
HOST_ADDRESSES = {4: "com.docker.network.host_ipv4", 6: "com.docker.network.host_ipv6"}
# In place of a source address: packets keep that of the container.
OWN_ADDRESS = "container"

# The engine's default.
MTU_DEFAULT = 1500
# RFC 791.
MTU_MIN = 68
# Below this the kernel has no IPv6 on an interface (RFC 8200).
MTU_MIN_V6 = 1280
MTU_MAX = 65535
# The values that an engine accepts for the option of a bridge.
MTU_OPTION = re.compile(r"\+?[0-9]{1,10}\Z")
