# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Apply all parts of a host, and record what was applied as a generation."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.generations.generation import (
    Origin,
    run_id,
    without_consents,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.generations.restore import (
    find,
    restoring_options,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.generations import GenerationFolder
from ansible_collections.fleetnet.docker.plugins.module_utils._host.parts import whole
from ansible_collections.fleetnet.docker.plugins.module_utils._host.task import Result, Task


def apply(task: Task, common: t.Mapping[str, t.Any]) -> Result:
    """Apply the parts that ``task`` has options for, or those of its generation. See :func:`whole.apply`."""
    folder = GenerationFolder()
    if task.params["state"] == "absent":
        result = whole.apply(task, common)
        if not task.check_mode:
            folder.delete()
        return result
    options = {part.name: task.params[part.name] for part in whole.PARTS if task.params[part.name] is not None}
    restores = None
    if task.params["generation"] is not None:
        generations = folder.read()
        target = find(task.params["generation"], generations)
        options = restoring_options(target, generations, options)
        restores = target.origin.id
        task = dataclasses.replace(task, params={**task.params, **options})
    if task.check_mode:
        return whole.apply(task, common)
    recorded, origin = without_consents(options), _origin(task.params)
    begun: list[int] = []
    result = whole.apply(task, common, lambda: begun.append(folder.begin(origin, recorded, restores)))
    daemon = result["parts"].get("default_bridge", {}).get("configured", {})
    try:
        number = folder.complete(begun[0], daemon) if begun else folder.record(origin, recorded, daemon)
    except FleetnetError as error:  # the changes are made, and wait for their confirmation
        error.result = {**result, **error.result}
        raise
    return {**result, "generation": number}


def _origin(params: t.Mapping[str, t.Any]) -> Origin:
    return Origin(
        run_id(params["run"] or ""), params["started"] or 0.0, params["controller"] or "", params["user"] or ""
    )
