# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The command line of the reconciler, which runs on hosts without Ansible."""

from __future__ import annotations

import sys
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.names import NFT_FILE
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.persistence.part import (
    FIREWALL_PART,
    NOT_RUNNING,
    RECONCILER_PROGRAM,
    RECONCILER_UNIT,
    ROUTES_PART,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.reconciler.names import (
    CONTROL,
    ENGINE_PID_FILE,
    SAVED,
    STATE,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.journal_folder import JournalPaths
from ansible_collections.fleetnet.docker.plugins.module_utils._host.reconciler.control import NotRunning, request
from ansible_collections.fleetnet.docker.plugins.module_utils._host.reconciler.reconciler import Reconciler, Settings
from ansible_collections.fleetnet.docker.plugins.module_utils._host.reconciler.standby import (
    processes_of,
    release_standby,
)


def main(arguments: t.Sequence[str]) -> int:
    """``serve VERSION ENGINE`` runs the reconciler. ``load`` and ``release`` are commands for the one that runs.

    ``load`` loads the tables from their file, ``release`` gives up their ownership until the next load.
    ``finish ENGINE`` finishes interrupted runs.
    """
    if arguments[0] == "finish":
        # The process that runs all the time does without these modules, to use less memory.
        from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.finish import finish

        return finish(arguments[1], _journals(arguments[1]))
    if arguments[0] != "serve":
        try:
            error = request(CONTROL, arguments[0])
        except NotRunning:
            release_standby(RECONCILER_UNIT)
            return NOT_RUNNING
        if error:
            sys.stderr.write(f"{error}\n")
        return 1 if error else 0
    _command, version, engine = arguments
    parts = {part.name: part.script for part in (FIREWALL_PART, ROUTES_PART)}
    files = NFT_FILE, engine, ENGINE_PID_FILE, CONTROL, STATE, SAVED
    finishing = (RECONCILER_PROGRAM, "finish", engine)
    settings = Settings(parts, *files, version, lambda: processes_of(RECONCILER_UNIT), finishing, _journals(engine))
    return Reconciler(settings).run()


def _journals(engine: str) -> JournalPaths:
    return JournalPaths.of(f"unix://{engine}")
