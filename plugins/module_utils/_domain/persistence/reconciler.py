# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of the reconciler on a host: its Python modules, as they are in this collection, and its unit. Pure."""

from __future__ import annotations

import hashlib
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.constants import RUN_FOLDER
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.persistence.files import File
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.persistence.part import (
    FIREWALL_PART,
    FOLDER,
    RECONCILER_PROGRAM,
    RECONCILER_UNIT,
    UNIT_FOLDER,
    Part,
)

# What the reconciler imports, below this collection's ``plugins.module_utils``.
MODULES = (
    "_domain.constants",
    "_domain.drift.difference",
    "_domain.errors",
    "_domain.firewall.filled_sets",
    "_domain.firewall.names",
    "_domain.firewall.published_services",
    "_domain.interface_name",
    "_domain.netlink",
    "_domain.networks.conflicts",
    "_domain.networks.differences",
    "_domain.networks.endpoints",
    "_domain.networks.engine_answers",
    "_domain.networks.journal",
    "_domain.networks.model",
    "_domain.networks.options",
    "_domain.networks.recovery",
    "_domain.networks.request_body",
    "_domain.networks.steps",
    "_domain.networks.target",
    "_domain.networks.values",
    "_domain.observed.ipam_config",
    "_domain.observed.readable",
    "_domain.observed.support",
    "_domain.ownership",
    "_domain.persistence.part",
    "_domain.reconciler.endpoints",
    "_domain.reconciler.events",
    "_domain.reconciler.names",
    "_domain.reconciler.ports",
    "_domain.reconciler.schedule",
    "_domain.reconciler.tables",
    "_host.engine.networks",
    "_host.engine.port",
    "_host.engine.unix_socket",
    "_host.file_lock",
    "_host.files",
    "_host.networks.bridges",
    "_host.networks.engine_reader",
    "_host.networks.finish",
    "_host.networks.journal_folder",
    "_host.networks.journals",
    "_host.networks.operations",
    "_host.networks.recovery",
    "_host.networks.signals",
    "_host.ownership",
    "_host.privilege",
    "_host.reconciler.checks",
    "_host.reconciler.control",
    "_host.reconciler.engine_responses",
    "_host.reconciler.engine_watch",
    "_host.reconciler.interrupted_runs",
    "_host.reconciler.kernel_events",
    "_host.reconciler.libnftables",
    "_host.reconciler.main",
    "_host.reconciler.owned_tables",
    "_host.reconciler.ports",
    "_host.reconciler.reconciler",
    "_host.reconciler.saved_elements",
    "_host.reconciler.standby",
)
PACKAGE = "ansible_collections.fleetnet.docker.plugins.module_utils"
_MODULE_FOLDER = f"{FOLDER}/python"

# -I -S: only the standard library and these modules. Compiled modules start and restart faster.
_PROGRAM = """#!{python} -IS
# Written by fleetnet.docker. Do not edit: the next run of the playbook overwrites this file.
import sys

sys.pycache_prefix = "{cache}"
sys.path.insert(0, "{folder}")

from {package}._host.reconciler.main import main

sys.exit(main(sys.argv[1:]))
"""

# Before the network and Docker: no packet passes before the rules are loaded. After nftables, which flushes all rules.
_UNIT = """# Written by fleetnet.docker.
[Unit]
Description=Fleet of Docker hosts: own the rules, and reapply what another program changed
DefaultDependencies=no
RequiresMountsFor={folder} {python}
After=local-fs.target nftables.service
Before=network-pre.target docker.service shutdown.target
Wants=network-pre.target
Conflicts=shutdown.target
StartLimitIntervalSec=0

[Service]
Type=notify
ExecStart={program} serve {version} {engine}
# Its second process keeps the tables when it is killed, and a script that it runs ends before it.
KillMode=process
Restart=always
OOMScoreAdjust=-900

[Install]
WantedBy=sysinit.target
"""


class ReconcilerFiles(t.NamedTuple):
    """The files by path, and what identifies their contents."""

    files: dict[str, File]
    version: str


def reconciler_files(sources: t.Mapping[str, str], python: str, engine: str) -> ReconcilerFiles:
    """The files for ``sources``, the text of each of :data:`MODULES`.

    ``python`` is the path of the interpreter, ``engine`` that of the engine's Unix socket.
    """
    program = _PROGRAM.format(python=python, cache=f"{RUN_FOLDER}/pycache", folder=_MODULE_FOLDER, package=PACKAGE)
    modules = {_path(name): File(sources[name]) for name in MODULES}
    content = "\0".join([program, engine, *(file.text for file in modules.values())])
    version = hashlib.sha256(content.encode()).hexdigest()[:16]
    unit = _UNIT.format(folder=FOLDER, python=python, program=RECONCILER_PROGRAM, version=version, engine=engine)
    return ReconcilerFiles(
        {**modules, RECONCILER_PROGRAM: File(program, 0o755), f"{UNIT_FOLDER}/{RECONCILER_UNIT}": File(unit)}, version
    )


def manages_reconciler(part: Part, *, present: bool, other_installed: bool, other_handled: bool) -> bool:
    """Whether a part installs the reconciler, if it is to be ``present``, or removes it.

    The firewall installs it, and on a host without firewall the routes do. The part that is removed last removes it.
    ``other_handled``: the other part was planned before in this run, for the same state.
    """
    if present:
        return part == FIREWALL_PART or not (other_installed or other_handled)
    return other_handled or not other_installed


def _path(module: str) -> str:
    return f"{_MODULE_FOLDER}/{f'{PACKAGE}.{module}'.replace('.', '/')}.py"
