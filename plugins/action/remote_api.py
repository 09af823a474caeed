# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Issue certificates on the controller, then run the module. plugins/modules/remote_api.py has the documentation."""

from __future__ import annotations

import datetime
import ipaddress
import typing as t

from ansible.errors import AnsibleActionFail
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.remote_api.certificates import (
    Lifetimes,
    check_lifetimes,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.remote_api.plan import TlsFiles, parse_listen
from ansible_collections.fleetnet.docker.plugins.module_utils._host.daemon.options import REMOTE_API_OPTIONS
from ansible_collections.fleetnet.docker.plugins.plugin_utils.authority import (
    Authority,
    Folder,
    check_provided,
    require_cryptography,
)
from ansible_collections.fleetnet.docker.plugins.plugin_utils.identified_action import IdentifiedAction

Json = t.Dict[str, t.Any]

CONTENTS = ("ca_certificate", "certificate", "private_key")
CONTROLLER_OPTIONS = ("authority", "names")  # the module does not get them


class ActionModule(IdentifiedAction):
    """The action."""

    MODULE = "remote_api"
    OWN_KEYS = ("issued",)

    def run_module(self, arguments: Json, task_vars: Json) -> Json:
        given = {name: value for name, value in arguments.items() if value is not None}
        host_args = {name: value for name, value in given.items() if name not in CONTROLLER_OPTIONS}
        host = str(task_vars["inventory_hostname"])
        try:
            issued, contents = self._contents(given, host)
        except (FleetnetError, OSError) as error:
            raise AnsibleActionFail(str(error)) from None
        result = super().run_module({**host_args, **contents}, task_vars)
        result["issued"] = issued
        result["changed"] = bool(result.get("changed") or issued)
        return result

    def _contents(self, given: Json, host: str) -> tuple[list[str], Json]:
        """Return what was issued, and the PEM texts for the host."""
        known = {name: value for name, value in given.items() if name in REMOTE_API_OPTIONS}
        validated = ArgumentSpecValidator(REMOTE_API_OPTIONS).validate(known)
        if validated.error_messages:
            raise FleetnetError("; ".join(validated.error_messages))
        options = validated.validated_parameters
        if options["state"] == "absent":
            return [], {}
        require_cryptography()
        listen = parse_listen(options["listen"] or [], options["port"], options["mutual_tls"])
        provided = [options[name] for name in CONTENTS if options[name]]
        now = datetime.datetime.now(datetime.timezone.utc)
        if options["authority"] and not provided:
            names = [*(options["names"] or [host]), *(text for text in listen if not _unspecified(text))]
            return self._issue(options["authority"], host, names, now)
        if options["authority"] or len(provided) != len(CONTENTS):
            raise FleetnetError(f"authority or {', '.join(CONTENTS)}: set either authority, or the other three.")
        check_provided(TlsFiles(*provided), now)
        return [], {}

    def _issue(self, options: Json, host: str, names: list[str], now: datetime.datetime) -> tuple[list[str], Json]:
        lifetimes = Lifetimes(options["ca_days"], options["days"], options["renew_days"])
        check_lifetimes(lifetimes)
        folder = Folder(self._loader.path_dwim(options["folder"]), write=not self._task.check_mode)
        with folder.locked():
            authority = Authority(folder, options["generation"], lifetimes, now)
            files = authority.server(host, names)
            for client in options["clients"]:
                authority.client(client)
        return authority.reasons, dict(zip(CONTENTS, files))


def _unspecified(address: str) -> bool:
    return ipaddress.ip_address(address).is_unspecified
