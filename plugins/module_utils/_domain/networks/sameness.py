# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a network that somebody else made is the one that we were about to make."""

from __future__ import annotations

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.drift import differences
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.model import (
    Definition,
    Item,
    ObservedNetwork,
)


def same_network(wanted: Definition, found: ObservedNetwork) -> bool:
    """True where nothing that ``wanted`` says differs; what the engine chose for it may be anything."""
    inherits = bool(wanted.config_from)
    item = Item(
        path=wanted.name,
        name=wanted.name,
        driver=wanted.driver,
        driver_options=None if inherits else wanted.driver_options,
        ipam_driver=None if inherits else wanted.ipam_driver,
        blocks=None if inherits else wanted.blocks,
        enable_ipv4=wanted.enable_ipv4,
        enable_ipv6=wanted.enable_ipv6,
        internal=wanted.internal,
        attachable=wanted.attachable,
        labels=None if inherits else wanted.labels,
        config_only=wanted.config_only,
        config_from=wanted.config_from or None,
    )
    return not differences(item, found, strict=False)
