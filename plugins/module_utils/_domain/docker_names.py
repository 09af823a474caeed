# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The label that marks a Docker network as created by this collection."""

from __future__ import annotations

OWNER_LABEL = "io.fleetnet.managed"
OWNER_VALUE = "true"
