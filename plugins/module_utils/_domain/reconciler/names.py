# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The paths that the reconciler uses on a host, and its exit status."""

from __future__ import annotations

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.constants import RUN_FOLDER
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.persistence.part import (
    FIREWALL_PART,
    STATE_FOLDER,
)

CONTROL = f"{RUN_FOLDER}/reconciler.sock"
STATE = f"{RUN_FOLDER}/reconciler.json"
# The elements that are kept over a boot. It is removed with the firewall.
SAVED = f"{STATE_FOLDER}/{FIREWALL_PART.name}.published"
# Docker's default.
ENGINE_PID_FILE = "/run/docker.pid"
