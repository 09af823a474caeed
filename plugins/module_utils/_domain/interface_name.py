# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of network interfaces."""

from __future__ import annotations

import re

# IFNAMSIZ - 1.
INTERFACE_NAME_MAX = 15
# The engine's bridge for containers without a declared network.
DOCKER0 = "docker0"
# The engine's own bridges and the loopback interface: each exists before any declared bridge.
_TAKEN = (DOCKER0, "docker_gwbridge", "lo")
# The kernel allows more. These characters have no meaning of their own in nft, iptables, sysctl and sysfs.
_FORBIDDEN = re.compile(r"[/:\s]")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*\Z")


def interface_name_problem(name: str) -> str | None:
    """Why an interface cannot have this name; None if it can."""
    if len(name) > INTERFACE_NAME_MAX:
        return f"is not a valid interface name: it has {len(name)} characters. Use at most {INTERFACE_NAME_MAX}."
    if not _NAME.match(name):
        return "is not a valid interface name. Use letters, digits, '_', '.' and '-', and start with a letter or digit."
    return None


def is_kernel_name(name: str) -> bool:
    """Whether the kernel accepts the name. It accepts more than what the collection gives to interfaces."""
    return 0 < len(name) <= INTERFACE_NAME_MAX and name not in (".", "..") and not _FORBIDDEN.search(name)


def bridge_name_problem(name: str) -> str | None:
    """Why a new bridge cannot have this name; None if it can."""
    if name in _TAKEN:
        return "is the name of an interface that exists already. Choose another name."
    return interface_name_problem(name)
