# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Apply one part of a host in a module of its own."""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._host.checkpoint.covering import alone
from ansible_collections.fleetnet.docker.plugins.module_utils._host.task import Result, Task


def apply_alone(apply: t.Callable[[Task], Result], task: Task) -> Result:
    """Apply one part, which changes the files, rules or routes of this host, in a module of its own."""
    with alone(task.params["run"], task.check_mode):
        return apply(task)
