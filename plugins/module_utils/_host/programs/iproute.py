# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read the kernel's interfaces and routes with iproute2."""

from __future__ import annotations

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.bridge_ports import ports_of_others
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.links_and_routes import (
    LinkReport,
    RouteReport,
    parse_links,
    parse_routes,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.programs.commands import Commands, run_json

_ADDRESSES = ("-json", "-details", "address", "show")


def ip_program(commands: Commands) -> str:
    """Path of ``ip``. Raises FleetnetError if the host does not have it."""
    path = commands.find("ip")
    if path is None:
        raise FleetnetError("program 'ip' not found on the host. Install iproute2 (Fedora: iproute).")
    return path


def read_links(commands: Commands) -> list[LinkReport]:
    """All interfaces of the host's own network namespace, with their addresses."""
    return parse_links(run_json(commands, ip_program(commands), *_ADDRESSES))


def read_ports_of_others(commands: Commands) -> dict[str, list[str]]:
    """The ports of the host's bridges that are not containers' interfaces, by bridge."""
    return ports_of_others(run_json(commands, ip_program(commands), *_ADDRESSES))


def read_routes(commands: Commands) -> list[RouteReport]:
    """All routes of all tables except the local one, IPv4 first."""
    program = ip_program(commands)
    routes: list[RouteReport] = []
    for family in (4, 6):
        # -N: numbers, because the names of protocols and tables differ between hosts (/etc/iproute2).
        argv = (program, "-N", "-json", "-details", f"-{family}", "route", "show", "table", "all")
        routes += parse_routes(run_json(commands, *argv), family)
    return routes
