# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table of daemon.json's keys for the default bridge and the daemon's addressing: the one place that knows them.

A new key is one line here, one option in the module's documentation, and, where the engine shows its value, one line
in :mod:`.observe`.
"""

from __future__ import annotations

import typing as t

Json = t.Dict[str, t.Any]
Version = t.Tuple[int, ...]

RESTART = "restart"  # the daemon reads the key when it starts
RELOAD = "reload"  # the daemon also takes the key on SIGHUP

BRIDGE = "bridge"  # a property of docker0: ignored at a start that finds live-restored containers running
DAEMON = "daemon"  # a property of the daemon: taken at every start

OLDEST = (20, 10)


class Key(t.NamedTuple):
    """One key. ``default`` is what the engine takes where the key is missing, None where it chooses by itself."""

    option: str
    name: str
    apply: str
    scope: str
    kind: str
    default: t.Any = None
    since: Version = OLDEST


def _key(name: str, scope: str, kind: str, default: t.Any = None, since: Version = OLDEST, apply: str = RESTART) -> Key:
    return Key(name.replace("-", "_"), name, apply, scope, kind, default, since)


KEYS: tuple[Key, ...] = (
    _key("bip", BRIDGE, "str"),
    _key("bip6", BRIDGE, "str", since=(28, 0)),
    _key("fixed-cidr", BRIDGE, "str"),
    _key("fixed-cidr-v6", BRIDGE, "str"),
    _key("mtu", BRIDGE, "int", 1500),
    _key("default-gateway", BRIDGE, "str"),
    _key("default-gateway-v6", BRIDGE, "str"),
    _key("icc", BRIDGE, "bool", True),
    _key("ip", BRIDGE, "str", "0.0.0.0"),
    _key("ip-masq", BRIDGE, "bool", True),
    _key("ipv6", BRIDGE, "bool", False),
    _key("bridge", BRIDGE, "str", "docker0"),
    _key("ip-forward", DAEMON, "bool", True),
    _key("ip-forward-no-drop", DAEMON, "bool", False, since=(28, 0)),
    _key("iptables", DAEMON, "bool", True),
    _key("ip6tables", DAEMON, "bool", False),  # True from 27.0 on: see default_of
    _key("userland-proxy", DAEMON, "bool", True),
    _key("default-address-pools", DAEMON, "list", []),
    _key("default-network-opts", DAEMON, "dict", {}, since=(24, 0)),
    _key("allow-direct-routing", DAEMON, "bool", False, since=(28, 2)),
    _key("bridge-accept-fwmark", DAEMON, "str", "", since=(29, 0)),
    _key("firewall-backend", DAEMON, "str", "iptables", since=(29, 0)),
    _key("dns", DAEMON, "list", []),
    _key("dns-opts", DAEMON, "list", []),
    _key("dns-search", DAEMON, "list", []),
    _key("live-restore", DAEMON, "bool", False, apply=RELOAD),
)

BY_OPTION: dict[str, Key] = {key.option: key for key in KEYS}
BY_NAME: dict[str, Key] = {key.name: key for key in KEYS}


def default_of(key: Key, version: Version) -> t.Any:
    """What an engine of ``version`` takes where ``key`` is missing."""
    if key.name == "ip6tables":
        return version >= (27, 0)
    return key.default


# dockerd's flags whose key in daemon.json has another name; all others are the flag without its dashes.
FLAG_KEYS: dict[str, str] = {
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
    "--default-address-pool": "default-address-pools",
    "--default-network-opt": "default-network-opts",
    "--default-ulimit": "default-ulimits",
    "--dns-opt": "dns-opts",
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

# Keys that daemon.json takes although no flag of dockerd has their name.
FILE_ONLY_KEYS = frozenset(
    ("allow-nondistributable-artifacts", "builder", "debug", "deprecated-key-path", "dns-search", "features")
    + ("host-gateway-ip", "no-proxy", "http-proxy", "https-proxy", "proxies", "runtimes")
)
