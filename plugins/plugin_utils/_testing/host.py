# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts and networks for tests: views of what the collection's modules return.

They connect through testinfra's ``Host`` and import neither testinfra nor pytest. If something that a test requires is
missing, such as a network, they raise AssertionError and name what exists instead.
"""

from __future__ import annotations

import ipaddress
import json
import typing as t

from ansible_collections.fleetnet.docker.plugins.plugin_utils._testing.container import Container

Json = t.Dict[str, t.Any]


class ObservedHost:
    """A host, and what network_info returned when it was first read."""

    def __init__(self, fleet: ObservedFleet, connection: t.Any) -> None:
        """``connection`` is testinfra's host."""
        self.fleet = fleet
        self.name = str(connection.backend.get_hostname())
        self._connection = connection
        self._info: Json | None = None

    @property
    def info(self) -> Json:
        """What network_info returns, all parts."""
        if self._info is None:
            self._info = self.run("network_info", "network_info")["network_info"]
        return self._info

    def forget(self) -> None:
        """Read again on next use."""
        self._info = None

    def network(self, name: str) -> DockerNetwork:
        return DockerNetwork(self, name)

    def container(self, name: str) -> Container:
        return Container(self, name)

    def run(self, module: str, answer: str, **options: t.Any) -> Json:
        """Run a module of the collection and return its result. Raises AssertionError if ``answer`` is not in it."""
        backend = self._connection.backend
        arguments = json.dumps(options) if options else None
        result: Json = backend.run_ansible(f"fleetnet.docker.{module}", arguments, check=False, become=backend.sudo)
        if answer not in result:
            raise AssertionError(f"host {self.name}: {module} failed: {result.get('msg', result)}")
        return result

    def entry(self, part: str, what: str, name: str) -> Json:
        """The entry with this name in a list of network_info."""
        found: list[Json] = [entry for entry in self.info[part] if entry["name"] == name]
        if not found:
            names = ", ".join(entry["name"] for entry in self.info[part]) or "none"
            raise AssertionError(f"host {self.name} has no {what} {name!r}; it has: {names}")
        return found[0]

    def __repr__(self) -> str:
        return f"host {self.name}"


class ObservedFleet:
    """The inventory's hosts. Each is read once; call ``forget`` after a test has changed something."""

    def __init__(self, find: t.Callable[..., t.Iterable[t.Any]], options: Json) -> None:
        """``find`` is testinfra's get_hosts, ``options`` are those of its ansible backend."""
        self._find = find
        self._options = options
        self._hosts: dict[str, ObservedHost] = {}
        self._connections: dict[str, t.Any] = {}

    def add(self, connection: t.Any) -> ObservedHost:
        """Add testinfra's host under test; the other hosts are found with the options of its connection."""
        if not connection.backend.HAS_RUN_ANSIBLE:
            raise AssertionError(
                f"{connection.backend.get_pytest_id()} is not connected through Ansible, which these fixtures require. "
                "Run pytest with --hosts=ansible://GROUP --ansible-inventory=INVENTORY."
            )
        self._options = {key: getattr(connection.backend, key) for key in self._options}
        found = ObservedHost(self, connection)
        return self._hosts.setdefault(found.name, found)

    def host(self, name: str) -> ObservedHost:
        """A host, by its name in the inventory."""
        if name not in self._hosts:
            if name not in self.names:
                raise AssertionError(f"the inventory has no host {name!r}; it has: {', '.join(self.names)}")
            self._hosts[name] = ObservedHost(self, self._connections[name])
        return self._hosts[name]

    @property
    def names(self) -> list[str]:
        """The names of all hosts of the inventory."""
        if not self._connections:
            found = self._find(["ansible://all"], **self._options)
            self._connections = {str(connection.backend.get_hostname()): connection for connection in found}
        return sorted(self._connections)

    def forget(self) -> None:
        for host in self._hosts.values():
            host.forget()

    def owner(self, address: str) -> Container | None:
        """The container that has an address, on any host; hosts that were read before come first."""
        for name in sorted(self.names, key=lambda name: name not in self._hosts):
            for entry in self.host(name).info["containers"]:
                found = self.host(name).container(entry["name"])
                if address in found.addresses:
                    return found
        return None


class DockerNetwork:
    """A Docker network of a host. If it does not exist, everything but ``exists`` raises AssertionError."""

    def __init__(self, host: ObservedHost, name: str) -> None:
        self.host = host
        self.name = name

    @property
    def exists(self) -> bool:
        return any(entry["name"] == self.name for entry in self.host.info["networks"])

    @property
    def entry(self) -> Json:
        """The network's entry in network_info."""
        return self.host.entry("networks", "network", self.name)

    @property
    def driver(self) -> str:
        return str(self.entry["driver"])

    @property
    def bridge(self) -> str | None:
        """The name of the bridge interface; None for a driver other than bridge."""
        return t.cast("str | None", self.entry["bridge"])

    @property
    def options(self) -> dict[str, str]:
        return dict(self.entry["options"])

    @property
    def labels(self) -> dict[str, str]:
        return dict(self.entry["labels"])

    @property
    def managed(self) -> bool:
        """Whether the collection manages it."""
        return bool(self.entry["managed"])

    @property
    def internal(self) -> bool:
        return bool(self.entry["internal"])

    @property
    def ipv6(self) -> bool:
        """Whether IPv6 is enabled on it."""
        return bool(self.entry["ipv6"])

    @property
    def subnet(self) -> str | None:
        """The IPv4 subnet in CIDR notation, the first one if there are several."""
        return self._subnet_value(4, "subnet")

    @property
    def subnet_v6(self) -> str | None:
        return self._subnet_value(6, "subnet")

    @property
    def gateway(self) -> str | None:
        return self._subnet_value(4, "gateway")

    @property
    def gateway_v6(self) -> str | None:
        return self._subnet_value(6, "gateway")

    @property
    def containers(self) -> list[str]:
        """The names of the running containers that are attached."""
        name = self.entry["name"]
        return [
            entry["name"]
            for entry in self.host.info["containers"]
            if any(endpoint["network"] == name for endpoint in entry["networks"])
        ]

    def has(self, container: str) -> bool:
        """Whether a container is attached."""
        return container in self.containers

    def _subnet_value(self, version: int, key: str) -> str | None:
        for subnet in self.entry["subnets"]:
            if subnet["subnet"] and ipaddress.ip_network(subnet["subnet"]).version == version:
                return t.cast("str | None", subnet[key])
        return None

    def __repr__(self) -> str:
        return f"network {self.name} on {self.host.name}"
