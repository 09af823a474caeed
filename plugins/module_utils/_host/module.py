# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run a module of the collection: create the AnsibleModule, call the handler, turn expected errors into failures."""

from __future__ import annotations

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._host.privilege import require_root


def invoked(params: dict[str, t.Any], **short: str) -> dict[str, t.Any]:
    """The key ``invocation`` of a result, with ``short`` texts for options that would double its size."""
    return {"module_args": {name: short.get(name, value) if value else value for name, value in params.items()}}


def run_module(
    handler: t.Callable[[AnsibleModule], dict[str, t.Any]], needs_root: bool = False, **module_options: t.Any
) -> None:
    """Run ``handler`` and exit with the result it returns; ``module_options`` go to AnsibleModule.

    Every module supports check mode: a handler that changes something checks ``module.check_mode`` where it would
    execute its plan. With ``needs_root``, other users get an error before the handler runs. A FleetnetError becomes the
    module's one-line failure, with the error's ``result``, which holds what was done before. Any other exception is a
    bug and keeps its traceback.
    """
    module = AnsibleModule(supports_check_mode=True, **module_options)
    try:
        if needs_root:
            require_root()
        result = handler(module)
    except FleetnetError as error:
        module.fail_json(msg=str(error), **error.result)
    module.exit_json(**result)
