# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read the host's state from files: kernel settings, name servers, control path, the daemon's command line."""

from __future__ import annotations

import json
import os
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.host import (
    ControlPath,
    DaemonRouting,
    direct_routing,
    manages_firewall,
    parse_control_path,
    parse_name_servers,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.readable import number_or_none

RESOLV_CONF = "/etc/resolv.conf"
SYSTEMD_RESOLV_CONF = "/run/systemd/resolve/resolv.conf"
DAEMON_JSON = "/etc/docker/daemon.json"
DAEMON_PID = "/run/docker.pid"


class Forwarding(t.TypedDict):
    """Kernel settings; None if the kernel does not have one (IPv6 disabled, br_netfilter not loaded)."""

    ipv4: bool | None
    ipv6: bool | None
    bridge_nf_call_iptables: bool | None
    bridge_nf_call_ip6tables: bool | None
    rp_filter: dict[str, int]


def read_forwarding(root: str = "/") -> Forwarding:
    net = os.path.join(root, "proc/sys/net")
    configuration = os.path.join(net, "ipv4/conf")
    return {
        "ipv4": _switch(os.path.join(net, "ipv4/ip_forward")),
        "ipv6": _switch(os.path.join(net, "ipv6/conf/all/forwarding")),
        "bridge_nf_call_iptables": _switch(os.path.join(net, "bridge/bridge-nf-call-iptables")),
        "bridge_nf_call_ip6tables": _switch(os.path.join(net, "bridge/bridge-nf-call-ip6tables")),
        "rp_filter": {
            name: _number(os.path.join(configuration, name, "rp_filter")) or 0 for name in _interfaces(configuration)
        },
    }


def read_bridges(root: str = "/") -> list[str]:
    """The names of the host's bridges."""
    folder = os.path.join(root, "sys/class/net")
    return [name for name in _interfaces(folder) if os.path.isdir(os.path.join(folder, name, "bridge"))]


def _interfaces(configuration: str) -> list[str]:
    try:
        return sorted(os.listdir(configuration))
    except OSError:
        return []


def _number(path: str) -> int | None:
    return number_or_none(_text(path))


def _switch(path: str) -> bool | None:
    number = _number(path)
    return None if number is None else number != 0


def _text(path: str) -> str:
    """A file's text, empty if it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def read_resolver(root: str = "/") -> list[str]:
    """The name servers' addresses, including those behind the stub of systemd-resolved (127.0.0.53)."""
    servers = parse_name_servers(_text(os.path.join(root, RESOLV_CONF.lstrip("/"))))
    if "127.0.0.53" in servers:
        servers += parse_name_servers(_text(os.path.join(root, SYSTEMD_RESOLV_CONF.lstrip("/"))))
    return list(dict.fromkeys(servers))


def read_control_path(root: str = "/") -> ControlPath | None:
    """The two ends of the SSH connection that runs this module.

    sudo removes SSH_CONNECTION from the environment, so the environments of parent processes are read too.
    """
    environment: t.Mapping[str, str] = os.environ
    pid = os.getpid()
    while pid > 1:
        found = parse_control_path(environment.get("SSH_CONNECTION"))
        if found is not None:
            return found
        pid = _parent(root, pid)
        environment = _environment(root, pid)
    return None


def _parent(root: str, pid: int) -> int:
    """The parent's process id, 0 without one. The program's name in stat may contain blanks and parentheses."""
    words = _text(os.path.join(root, "proc", str(pid), "stat")).rpartition(")")[2].split()
    return (number_or_none(words[1]) or 0) if len(words) > 1 else 0


def _environment(root: str, pid: int) -> dict[str, str]:
    entries = _text(os.path.join(root, "proc", str(pid), "environ")).split("\0")
    return dict(entry.split("=", 1) for entry in entries if "=" in entry)


def read_manages_firewall(root: str = "/") -> bool | None:
    """Whether the host's dockerd writes firewall rules; None if its command line or daemon.json cannot be read."""
    found = _read_daemon(root)
    return None if found is None else manages_firewall(*found)


def read_direct_routing(root: str = "/") -> DaemonRouting:
    """What the host's dockerd accepts for containers; nothing if its command line or daemon.json cannot be read."""
    found = _read_daemon(root)
    return DaemonRouting() if found is None else direct_routing(*found)


def _read_daemon(root: str) -> tuple[list[str], dict[str, t.Any]] | None:
    """The command line and daemon.json of the host's dockerd, None if they cannot be read."""
    pid = _text(os.path.join(root, DAEMON_PID.lstrip("/"))).strip()
    argv = _text(os.path.join(root, "proc", pid, "cmdline")).split("\0") if pid.isdigit() else []
    if not argv:
        return None
    configuration = _text(os.path.join(root, configuration_file(argv).lstrip("/")))
    try:
        parsed = json.loads(configuration) if configuration.strip() else {}
    except ValueError:
        return None
    return (argv, parsed) if isinstance(parsed, dict) else None


def configuration_file(argv: t.Sequence[str]) -> str:
    """The path of daemon.json, which the command line of dockerd may set."""
    for position, argument in enumerate(argv):
        if argument.startswith("--config-file="):
            return argument[len("--config-file=") :]
        if argument == "--config-file" and position + 1 < len(argv):
            return argv[position + 1]
    return DAEMON_JSON
