# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules of the collection that the runner's folder contains."""

from __future__ import annotations

from module_run import Modules

_PLUGINS = "ansible_collections.fleetnet.docker.plugins"


def collection_modules() -> Modules:
    """The collection's modules. They import the engine's adapter when they connect."""
    return Modules(f"{_PLUGINS}.modules", (f"{_PLUGINS}.module_utils._host.engine.unix_socket",))
