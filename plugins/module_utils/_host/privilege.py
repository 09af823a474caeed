# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The user that runs a module."""

from __future__ import annotations

import os
import pwd

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError


def user_name() -> str:
    """The name of the user, its number if it has no name."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def require_root() -> None:
    """Raise FleetnetError unless the user is root.

    Files in /etc, rules, routes, raw sockets and network namespaces of containers require it.
    """
    if os.geteuid() != 0:
        raise FleetnetError(f"this module requires root, and runs as user {user_name()!r}. Set ansible_become: true.")
