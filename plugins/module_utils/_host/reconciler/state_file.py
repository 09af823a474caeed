# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The state that the reconciler writes, as other programs read it."""

from __future__ import annotations

import json
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.reconciler.names import STATE


def read_state() -> dict[str, t.Any]:
    """What the reconciler that runs writes about itself; empty without one."""
    try:
        with open(STATE, encoding="utf-8") as file:
            return dict(json.load(file))
    except (OSError, ValueError, TypeError):
        return {}


def running_version() -> str | None:
    """The version of the reconciler that runs, or None."""
    return read_state().get("version")
