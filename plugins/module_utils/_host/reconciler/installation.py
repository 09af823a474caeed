# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The reconciler as it is to be installed on this host."""

from __future__ import annotations

import importlib.util
import os
import sys
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.persistence.reconciler import (
    MODULES,
    PACKAGE,
    ReconcilerFiles,
    reconciler_files,
)

if t.TYPE_CHECKING:  # so that Ansible ships it, with what it imports, to the host
    from ansible_collections.fleetnet.docker.plugins.module_utils._host.reconciler import main  # noqa: F401

_PYTHON = "/usr/bin/python3"
_ENGINE = "/run/docker.sock"
_UNIX = "unix://"


def planned_reconciler(docker_host: str | None) -> ReconcilerFiles:
    """The files for this host. ``docker_host`` is the engine's address, which matters if it is a Unix socket."""
    engine = docker_host[len(_UNIX) :] if docker_host and docker_host.startswith(_UNIX) else _ENGINE
    python = _PYTHON if os.access(_PYTHON, os.X_OK) else sys.executable
    return reconciler_files({name: _source(f"{PACKAGE}.{name}") for name in MODULES}, python, engine)


def _source(module: str) -> str:
    found = importlib.util.find_spec(module)
    source = getattr(found.loader, "get_source", lambda _name: None)(module) if found else None
    if source is None:
        raise FleetnetError(f"{module}: its source is missing. Install the collection again.")
    return str(source)
