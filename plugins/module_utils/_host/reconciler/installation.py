# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The reconciler as it is to be installed on this host."""

from __future__ import annotations

import importlib.util
import os
import re
import sys
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError, Unsupported
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.persistence.part import RECONCILER_UNIT
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.persistence.reconciler import (
    MODULES,
    PACKAGE,
    ReconcilerFiles,
    reconciler_files,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.programs.commands import CommandFailed, Commands

if t.TYPE_CHECKING:  # so that Ansible ships it, with what it imports, to the host
    from ansible_collections.fleetnet.docker.plugins.module_utils._host.reconciler import main  # noqa: F401

# The distribution's, which stays when virtual environments are removed.
PYTHON = "/usr/bin/python3"
OLDEST_PYTHON = (3, 8)
_ENGINE = "/run/docker.sock"
_UNIX = "unix://"


def planned_reconciler(docker_host: str | None, commands: Commands) -> ReconcilerFiles:
    """The files for this host. ``docker_host`` is the engine's address, which matters if it is a Unix socket."""
    engine = docker_host[len(_UNIX) :] if docker_host and docker_host.startswith(_UNIX) else _ENGINE
    sources = {name: module_source(f"{PACKAGE}.{name}") for name in MODULES}
    return reconciler_files(sources, python_program(commands, PYTHON, sys.executable), engine)


def python_program(commands: Commands, *candidates: str) -> str:
    """The first of these interpreters that the reconciler can run with. Raises Unsupported without one."""
    found = []
    for path in candidates:
        version = _python_version(commands, path)
        if version >= OLDEST_PYTHON:
            return path
        if version:
            found.append(f"{path}: Python {version[0]}.{version[1]}")
    oldest = ".".join(map(str, OLDEST_PYTHON))
    raise Unsupported(
        f"{', '.join(found) or 'no Python found'}: {RECONCILER_UNIT} requires Python {oldest} or newer. Install it, "
        "and set ansible_python_interpreter to it."
    )


def _python_version(commands: Commands, path: str) -> tuple[int, ...]:
    """Empty if the interpreter does not run. Usually its name has its version, which is faster than to start it."""
    named = re.search(r"/[^/]*python(\d)\.(\d+)$", os.path.realpath(path))
    if named and os.access(path, os.X_OK):
        return int(named[1]), int(named[2])
    try:
        shown = commands.run(path, "-ISc", "import sys; print(*sys.version_info[:2])")
        return tuple(map(int, shown.split()))
    except (CommandFailed, OSError, ValueError):
        return ()


def module_source(module: str) -> str:
    """The source of a module of this collection. Raises FleetnetError if it is missing."""
    found = importlib.util.find_spec(module)
    source = getattr(found.loader, "get_source", lambda _name: None)(module) if found else None
    if source is None:
        raise FleetnetError(f"{module}: its source is missing. Install the collection again.")
    return str(source)
