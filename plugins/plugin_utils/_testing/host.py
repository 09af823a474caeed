# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts and networks as tests speak of them: views of what the collection's modules tell.

They take testinfra's ``Host`` for the way to a host and import neither it nor pytest. What is not as a test takes for
granted, such as a network that is not there, is an AssertionError, which says what is there instead.
"""

from __future__ import annotations

import ipaddress
import json
import typing as t

from ansible_collections.fleetnet.docker.plugins.plugin_utils._testing.container import Container

Json = t.Dict[str, t.Any]


class ObservedHost:
    """A host, and what network_info told about it when it was first asked."""

    def __init__(self, fleet: ObservedFleet, way: t.Any) -> None:
        self.fleet = fleet
        self.name = str(way.backend.get_hostname())
        self._way = way
        self._info: Json | None = None

    @property
    def info(self) -> Json:
        """RETURN of network_info, all parts."""
        if self._info is None:
            self._info = self.run("network_info", "network_info")["network_info"]
        return self._info

    def forget(self) -> None:
        """Ask again when something is wanted next."""
        self._info = None

    def network(self, name: str) -> DockerNetwork:
        return DockerNetwork(self, name)

    def container(self, name: str) -> Container:
        return Container(self, name)

    def run(self, module: str, answer: str, **options: t.Any) -> Json:
        """What one of the collection's modules returns. AssertionError where it failed: ``answer`` is not in it."""
        backend = self._way.backend
        arguments = json.dumps(options) if options else None
        result: Json = backend.run_ansible(f"fleetnet.docker.{module}", arguments, check=False, become=backend.sudo)
        if answer not in result:
            raise AssertionError(f"host {self.name}: {module} failed: {result.get('msg', result)}")
        return result

    def entry(self, part: str, what: str, name: str) -> Json:
        """The entry of that name in a list of network_info."""
        found: list[Json] = [entry for entry in self.info[part] if entry["name"] == name]
        if not found:
            names = ", ".join(entry["name"] for entry in self.info[part]) or "none"
            raise AssertionError(f"host {self.name} has no {what} {name!r}; it has: {names}")
        return found[0]

    def __repr__(self) -> str:
        return f"host {self.name}"


class ObservedFleet:
    """The inventory's hosts. Each is asked once; ``forget`` has it asked again, after a test has changed something."""

    def __init__(self, find: t.Callable[..., t.Iterable[t.Any]], options: Json) -> None:
        """``find`` is testinfra's get_hosts, ``options`` are those of its ansible backend."""
        self._find = find
        self._options = options
        self._hosts: dict[str, ObservedHost] = {}
        self._ways: dict[str, t.Any] = {}

    def add(self, way: t.Any) -> ObservedHost:
        """Take up testinfra's host under test, and look for the others the way that it was found."""
        if not way.backend.HAS_RUN_ANSIBLE:
            raise AssertionError(
                f"{way.backend.get_pytest_id()} is not reached by Ansible, which these fixtures need: "
                "run pytest with --hosts=ansible://GROUP --ansible-inventory=INVENTORY"
            )
        self._options = {key: getattr(way.backend, key) for key in self._options}
        found = ObservedHost(self, way)
        return self._hosts.setdefault(found.name, found)

    def host(self, name: str) -> ObservedHost:
        """A host, by its name in the inventory."""
        if name not in self._hosts:
            if name not in self.names:
                raise AssertionError(f"the inventory has no host {name!r}; it has: {', '.join(self.names)}")
            self._hosts[name] = ObservedHost(self, self._ways[name])
        return self._hosts[name]

    @property
    def names(self) -> list[str]:
        """The names of all hosts of the inventory."""
        if not self._ways:
            found = self._find(["ansible://all"], **self._options)
            self._ways = {str(way.backend.get_hostname()): way for way in found}
        return sorted(self._ways)

    def forget(self) -> None:
        for host in self._hosts.values():
            host.forget()

    def owner(self, address: str) -> Container | None:
        """The container that has an address, on whatever host; those that were looked at come first."""
        for name in sorted(self.names, key=lambda name: name not in self._hosts):
            for entry in self.host(name).info["containers"]:
                found = self.host(name).container(entry["name"])
                if address in found.addresses:
                    return found
        return None


class DockerNetwork:
    """A Docker network of a host. Where there is none of the name, all but ``exists`` fail."""

    def __init__(self, host: ObservedHost, name: str) -> None:
        self.host = host
        self.name = name

    @property
    def exists(self) -> bool:
        return any(entry["name"] == self.name for entry in self.host.info["networks"])

    @property
    def entry(self) -> Json:
        """All that network_info tells about it."""
        return self.host.entry("networks", "network", self.name)

    @property
    def driver(self) -> str:
        return str(self.entry["driver"])

    @property
    def bridge(self) -> str | None:
        """The name of the bridge's link; None for a driver other than bridge."""
        return t.cast("str | None", self.entry["bridge"])

    @property
    def options(self) -> dict[str, str]:
        return dict(self.entry["options"])

    @property
    def labels(self) -> dict[str, str]:
        return dict(self.entry["labels"])

    @property
    def managed(self) -> bool:
        """Whether the collection owns it."""
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
        """The IPv4 range, in CIDR notation; the first one, where there are several."""
        return self._pool(4, "subnet")

    @property
    def subnet_v6(self) -> str | None:
        return self._pool(6, "subnet")

    @property
    def gateway(self) -> str | None:
        return self._pool(4, "gateway")

    @property
    def gateway_v6(self) -> str | None:
        return self._pool(6, "gateway")

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

    def _pool(self, version: int, key: str) -> str | None:
        for pool in self.entry["subnets"]:
            if pool["subnet"] and ipaddress.ip_network(pool["subnet"]).version == version:
                return t.cast("str | None", pool[key])
        return None

    def __repr__(self) -> str:
        return f"network {self.name} on {self.host.name}"
