# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which part of a host installs and removes the reconciler."""

from __future__ import annotations

import os

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.persistence.part import Part
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.persistence.reconciler import (
    ReconcilerFiles,
    manages_reconciler,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.reconciler.installation import planned_reconciler
from ansible_collections.fleetnet.docker.plugins.module_utils._host.task import Task


def reconciler_of(task: Task, part: Part, other: Part) -> ReconcilerFiles | None:
    """What ``part`` plans of the reconciler, which it shares with the ``other`` part. None if the other plans it."""
    manages = manages_reconciler(
        part,
        present=task.params["state"] == "present",
        other_installed=os.path.exists(other.script),
        other_handled=other in task.handled,
    )
    return planned_reconciler(task.params.get("docker_host"), task.commands) if manages else None
