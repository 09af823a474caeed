# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How this collection marks its routes, and the file that holds them on a host."""

from __future__ import annotations

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.persistence.part import FOLDER

# Not in /etc/iproute2/rt_protos and not used by bird (12), FRR (186 to 196), babel (42) or openr (99).
ROUTE_PROTOCOL = 213
ROUTES_FILE = f"{FOLDER}/routes"
