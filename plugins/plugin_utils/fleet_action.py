# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the fleet_* actions share: reading the inventory, and converting expected errors to failures."""

from __future__ import annotations

import contextlib
import gc
import typing as t

from ansible import constants
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.answer import CAUSE
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.printable import short
from ansible_collections.fleetnet.docker.plugins.plugin_utils.files import check_not_inventory
from ansible_collections.fleetnet.docker.plugins.plugin_utils.fleet_group import host_group
from ansible_collections.fleetnet.docker.plugins.plugin_utils.inventory import Inventory

Result = t.Dict[str, t.Any]


@contextlib.contextmanager
def of_host(host: str) -> t.Iterator[None]:
    """Convert an error in reading what a host returned to a FleetnetError that names the host.

    The answers of hosts are checked when they arrive. This is for what these checks do not find.
    """
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise FleetnetError(
            f"host {host}: its answer cannot be used: {type(error).__name__}: {short(str(error))}. {CAUSE} Examine the "
            "host, and leave it out until then: --limit '!HOST'."
        ) from error


class FleetAction(ActionBase):  # type: ignore[misc]
    """An action on the controller for all hosts of the fleet. Subclasses implement ``work``."""

    _requires_connection = False
    _supports_check_mode = True
    ARGUMENT_SPEC: t.ClassVar[Result]
    #: Arguments that are paths of files or folders that the action writes.
    WRITES: t.ClassVar[tuple[str, ...]] = ()

    def run(self, tmp: str | None = None, task_vars: Result | None = None) -> Result:
        result: Result = super().run(tmp, task_vars)
        # Python's garbage collector would scan the growing result and the whole inventory again and again, so that the
        # run time grows faster than the fleet. It stays off for Ansible's processing of the result, since the process
        # ends with the task.
        gc.disable()
        _result, arguments = self.validate_argument_spec(argument_spec=self.ARGUMENT_SPEC)
        try:
            for name in self.WRITES:
                if arguments[name]:
                    sources = (task_vars or {}).get("ansible_inventory_sources") or ()
                    check_not_inventory(name, arguments[name], sources, constants.INVENTORY_IGNORE_EXTS)
            group = arguments["group"] or host_group(task_vars or {}, self._templar.template)
            inventory = Inventory(task_vars or {}, group)
            result.update(self.work(inventory, arguments))
        except (FleetnetError, OSError) as error:
            # "from None": ansible-core would print the same text again, as the cause
            raise AnsibleActionFail(str(error)) from None
        return result

    def work(self, inventory: Inventory, arguments: Result) -> Result:
        """Return the result of the action. A FleetnetError or OSError becomes its failure."""
        raise NotImplementedError
