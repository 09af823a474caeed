# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which engines and hosts the collection supports, and why an engine does not answer. Pure.

Each function takes values that an adapter has read, and returns the text for the user, None without a reason to refuse.
"""

from __future__ import annotations

import errno
import re
import typing as t

Json = t.Mapping[str, t.Any]

OLDEST_ENGINE = (20, 10)
#: The Python library -> the first release that needs a newer SDK, and the first SDK release that works with it.
SDK_NEEDS = {"requests": ((2, 32), (7, 1)), "urllib3": ((2, 0), (6, 1))}


class SocketState(t.NamedTuple):
    """The engine's socket on the host, after a failed connection.

    ``code`` is the errno of a connection to it (0: it accepts connections). ``user`` is the name of the user that runs
    the module, ``group`` that of the socket's group. ``rootless`` and ``podman`` are paths of sockets of other engines.
    """

    path: str
    code: int
    user: str
    group: str
    rootless: tuple[str, ...] = ()
    podman: tuple[str, ...] = ()


class HostManager(t.NamedTuple):
    """What starts services on the host: whether systemd and OpenRC run."""

    systemd: bool
    openrc: bool


def engine_refusal(version: Json) -> str | None:
    """Why the engine that answered ``/version`` is not supported."""
    components = {str(part.get("Name", "")): part for part in _parts(version) if isinstance(part, t.Mapping)}
    release = str(version.get("Version", ""))
    if "Podman Engine" in components:
        return (
            f"the engine is Podman {release}, which only resembles the Docker API. Install Docker Engine 20.10 or "
            "newer, set docker_host to its socket, or remove the host from the fleet."
        )
    if "rootlesskit" in components:
        return ROOTLESS
    found = re.match(r"(\d+)\.(\d+)", release)
    if found and (int(found[1]), int(found[2])) < OLDEST_ENGINE:
        return f"the engine is Docker {release}. Upgrade it: the oldest supported release is 20.10."
    return None


#: A rootless engine has its bridges in a network namespace of its own, where the host routes nothing.
ROOTLESS = (
    "the engine runs in rootless mode: its networks are in a network namespace of their own, so other hosts cannot "
    "reach them and the host's rules do not apply. Use an engine that runs as root (docker_host: "
    "unix:///var/run/docker.sock), or remove the host from the fleet."
)


def info_refusal(info: Json) -> str | None:
    """Why the engine that answered ``/info`` is not supported. Engines before 23.0 report rootless mode only there."""
    options = info.get("SecurityOptions")
    return ROOTLESS if isinstance(options, list) and "name=rootless" in options else None


def _parts(version: Json) -> t.Sequence[t.Any]:
    parts = version.get("Components")
    return parts if isinstance(parts, list) else ()


def socket_hint(state: SocketState) -> str:
    """Why a local engine does not answer, and what to do."""
    if state.code == errno.EACCES:
        return (
            f"User {state.user!r} has no permission to use {state.path}. Set ansible_become: true. Members of the "
            f"group {state.group!r} have this permission, but the collection needs root for more than the engine."
        )
    if state.code in (errno.ENOENT, errno.ENOTDIR):
        if state.rootless:
            return f"{state.path} does not exist, but {state.rootless[0]} does: {ROOTLESS}"
        if state.podman:
            return (
                f"{state.path} does not exist. Podman listens at {state.podman[0]}, and it only resembles the Docker "
                "API. Install Docker Engine 20.10 or newer, or remove the host from the fleet."
            )
        return (
            f"{state.path} does not exist. Install Docker Engine 20.10 or newer and start it (systemctl start docker), "
            "or set docker_host."
        )
    if state.code == errno.ECONNREFUSED:
        return f"Nothing accepts connections at {state.path}. Start the engine (systemctl start docker)."
    if state.code:
        return f"A connection to {state.path} fails: {errno.errorcode.get(state.code, state.code)}. Set docker_host."
    return "It accepts connections and does not answer. Restart it (systemctl restart docker)."


def sdk_hint(versions: t.Mapping[str, str]) -> str | None:
    """Why this combination of Python libraries fails. ``versions``: installed versions of docker, requests, urllib3."""
    sdk = _release(versions.get("docker", ""))
    for library, (since, needed) in SDK_NEEDS.items():
        if sdk and sdk < needed and _release(versions.get(library, "")) >= since:
            at_least = ".".join(map(str, needed))
            return (
                f"The Docker SDK for Python {versions['docker']} does not work with {library} {versions[library]}. "
                f"Install docker {at_least} or newer, or {library} before {'.'.join(map(str, since))}."
            )
    return None


def _release(text: str) -> tuple[int, ...]:
    found = re.match(r"(\d+)(?:\.(\d+))?", text)
    return (int(found[1]), int(found[2] or 0)) if found else ()


def manager_refusal(manager: HostManager) -> str | None:
    """Why the host's services cannot be managed. Files, routes and rules are restored by units of systemd."""
    if manager.systemd:
        return None
    found = "OpenRC manages this host" if manager.openrc else "systemd does not run on this host"
    return (
        f"{found}. The collection restores routes and rules by units of systemd, and restarts dockerd by it. "
        "Remove the host from the fleet."
    )


class DaemonUnits(t.NamedTuple):
    """The daemon's unit by its configured name, and the unit that the running dockerd belongs to.

    ``state`` is systemd's LoadState. ``running`` and its unit file ``fragment`` are empty if dockerd does not run.
    ``own`` is the unit's Id; it differs from ``name`` if that is an alias.
    """

    name: str
    state: str
    running: str = ""
    fragment: str = ""
    own: str = ""


def unit_refusal(units: DaemonUnits) -> str | None:
    """Why the daemon's unit, which is not active, cannot be used; None if it only needs to be started."""
    missing = f"the unit {units.name} is {'not active' if units.state == 'loaded' else units.state}"
    if units.running.startswith("snap."):
        return (
            f"{missing}: Docker is installed as a snap ({units.running}), whose files are in another place. "
            "Install Docker Engine from the distribution's or from Docker's packages."
        )
    # An alias, since the units that restore rules and routes are ordered by this name.
    if units.running not in ("", units.name, units.own) and units.fragment:
        return (
            f"{missing}: dockerd runs in the unit {units.running}. Give it this alias: {_alias(units, units.fragment)}."
        )
    if units.state != "loaded":
        return f"{missing}. Install the Docker engine, or give its unit this alias: {_alias(units, 'UNIT_FILE')}."
    return None


def _alias(units: DaemonUnits, fragment: str) -> str:
    unmask = f"systemctl unmask {units.name} && " if units.state == "masked" else ""  # else, the file exists
    return f"{unmask}ln -s {fragment} /etc/systemd/system/{units.name} && systemctl daemon-reload"


def unit_of(cgroups: str) -> str:
    """Return the unit of a process from its ``/proc/PID/cgroup``, empty without one."""
    found = re.search(r"/([^/\n]+\.service)$", cgroups, re.MULTILINE)
    return found[1] if found else ""
