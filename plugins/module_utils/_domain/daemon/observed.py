# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a host's Docker daemon reports, as records."""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.constants import BRIDGE_NAME
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.overlap import AddressesInUse
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.interface_name import DOCKER0

Json = t.Dict[str, t.Any]
Version = t.Tuple[int, ...]

VALIDATES = (23, 0)  # the first engine whose dockerd has --validate


class Unknown:
    """The type of UNKNOWN: the engine does not report the value, and daemon.json is newer than the running daemon."""

    def __repr__(self) -> str:
        return "unknown (daemon.json is newer than the running daemon)"


UNKNOWN = Unknown()


class RunningContainer(t.NamedTuple):
    """A container that runs, or that must run again. ``auto_remove``: started with ``--rm``."""

    id: str
    name: str
    auto_remove: bool = False


class ObservedDaemon(t.NamedTuple):
    """The daemon and its host.

    - ``text`` is the content of daemon.json, None if the file does not exist.
    - ``startup`` is the configuration that the running daemon read from its file, None if unknown.
    - ``info`` is the engine's answer to /info, ``bridge`` the one about its default network, None without one.
    - ``addresses`` are the bridge's in the kernel, with prefix lengths.
    - ``containers`` run; ``to_resume`` were stopped by an interrupted run of the module and not started again.
    - ``help_text`` is the output of dockerd --help, for engines without --validate.
    - ``own_unit`` is the text of the unit that creates a bridge of this collection, None without one; ``ip_program`` is
      the path of ip for it.
    """

    version: Version
    path: str
    unit: str
    text: str | None
    startup: Json | None
    argv: tuple[str, ...]
    info: Json
    bridge: Json | None
    addresses: frozenset[str]
    ip_program: str
    containers: tuple[RunningContainer, ...] = ()
    to_resume: tuple[RunningContainer, ...] = ()
    help_text: str = ""
    in_use: AddressesInUse = AddressesInUse()
    own_unit: str | None = None

    @property
    def bridge_name(self) -> str:
        return str(((self.bridge or {}).get("Options") or {}).get(BRIDGE_NAME, DOCKER0))


def in_swarm(info: Json) -> bool:
    """Whether the engine that answered /info with ``info`` is in a swarm."""
    return bool((info.get("Swarm") or {}).get("LocalNodeState", "inactive") != "inactive")


def names_of(containers: t.Sequence[RunningContainer]) -> str:
    """The first five names, and how many more there are."""
    names = ", ".join(container.name for container in containers[:5])
    return names + (f" and {len(containers) - 5} more" if len(containers) > 5 else "")


def count_of(containers: t.Sequence[RunningContainer]) -> str:
    """How many running containers, with their names."""
    return f"{len(containers)} running container{'s' if len(containers) != 1 else ''} ({names_of(containers)})"
