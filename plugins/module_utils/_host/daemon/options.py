# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options of the modules that restart the daemon. The action ``remote_api`` on the controller checks the same."""

from __future__ import annotations

import typing as t

RESTART_OPTIONS: dict[str, t.Any] = {
    "allow_restart": {"type": "bool", "default": False},
    "restart_timeout": {"type": "int", "default": 90},
    "service": {"type": "str", "default": "docker.service"},
}

REMOTE_API_OPTIONS: dict[str, t.Any] = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "listen": {"type": "list", "elements": "str"},
    "port": {"type": "int", "default": 2376},
    "mutual_tls": {"type": "bool", "default": True},
    "authority": {
        "type": "dict",
        "options": {
            "folder": {"type": "path", "required": True},
            "generation": {"type": "int", "default": 1},
            "clients": {"type": "list", "elements": "str", "default": []},
            "days": {"type": "int", "default": 365},
            "renew_days": {"type": "int", "default": 60},
            "ca_days": {"type": "int", "default": 3650},
        },
    },
    "names": {"type": "list", "elements": "str"},
    "ca_certificate": {"type": "str"},
    "certificate": {"type": "str"},
    "private_key": {"type": "str", "no_log": True},
    **RESTART_OPTIONS,
}
