# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""dockerd's command line: which keys of daemon.json its flags set, and which keys it knows."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.keys import KEYS
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.observed import Json
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError

# Flags whose key in daemon.json has another name. The name of every other key is the flag without its dashes.
FLAG_KEYS: dict[str, str] = {
    **{key.flag: key.name for key in KEYS if key.flag},
    "-D": "debug",
    "-G": "group",
    "-H": "hosts",
    "-b": "bridge",
    "-g": "data-root",
    "-l": "log-level",
    "-p": "pidfile",
    "-s": "storage-driver",
    "--add-runtime": "runtimes",
    "--authorization-plugin": "authorization-plugins",
    "--cdi-spec-dir": "cdi-spec-dirs",
    "--default-ulimit": "default-ulimits",
    "--exec-opt": "exec-opts",
    "--host": "hosts",
    "--host-gateway-ip": "host-gateway-ips",
    "--insecure-registry": "insecure-registries",
    "--label": "labels",
    "--log-opt": "log-opts",
    "--node-generic-resource": "node-generic-resources",
    "--registry-mirror": "registry-mirrors",
    "--storage-opt": "storage-opts",
}

# Keys that daemon.json may have although no flag of dockerd has their name.
FILE_ONLY_KEYS = frozenset(
    ("allow-nondistributable-artifacts", "builder", "debug", "deprecated-key-path", "dns-search", "features")
    + ("host-gateway-ip", "no-proxy", "http-proxy", "https-proxy", "proxies", "runtimes")
)

# Objects of daemon.json whose members are values, not further keys of the daemon.
_FLAT_KEYS = frozenset(
    ("builder", "cluster-store-opts", "default-network-opts", "default-ulimits", "features", "log-opts", "runtimes")
)


def keys_of_flags(argv: t.Sequence[str]) -> dict[str, str]:
    """The keys of daemon.json that dockerd's command line sets, each with its flag as written there."""
    found: dict[str, str] = {}
    for word in argv[1:]:
        if not word.startswith("-") or word == "-":
            continue
        flag = word.split("=", 1)[0]
        short = flag[:2] if not flag.startswith("--") else ""
        name = FLAG_KEYS.get(short or flag) or flag.lstrip("-")
        found.setdefault(name, word)
    return found


def check_flags(config: Json, argv: t.Sequence[str], path: str, unit: str) -> None:
    """Raise FleetnetError for a key that is in ``config`` and on dockerd's command line: dockerd would not start."""
    flags = keys_of_flags(argv)
    for name in _flatten(config):
        if name in flags and name != "runtimes":  # the only key that dockerd merges
            raise FleetnetError(
                f"{path}: {name}: {unit} sets the same key by the flag '{flags[name]}', and dockerd does not start "
                f"with both. Remove the flag from the unit (systemctl cat {unit}) or the key from the file."
            )


def check_known(config: Json, help_text: str, path: str) -> None:
    """Raise FleetnetError for a key that dockerd does not know; ``help_text`` is the output of ``dockerd --help``.

    For engines before 23.0, which lack ``--validate``.
    """
    known = {FLAG_KEYS.get(flag, flag[2:]) for flag in re.findall(r"(--[a-z0-9][a-z0-9-]*)", help_text)}
    known |= FILE_ONLY_KEYS | _FLAT_KEYS
    for name in _flatten(config):
        if name not in known:
            raise FleetnetError(
                f"{path}: {name}: this dockerd does not know the key and would not start. Remove it from the file."
            )


def _flatten(config: Json) -> t.Iterator[str]:
    """Keys as dockerd reads them: members of an object that is not a value itself count as outermost keys."""
    for name, value in config.items():
        if isinstance(value, dict) and name not in _FLAT_KEYS:
            yield from _flatten(value)
        else:
            yield name
