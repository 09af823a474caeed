# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A container for tests: its entry in network_info, and probes from its network namespace."""

from __future__ import annotations

import ipaddress
import itertools
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.probe import NAME_SERVER

Json = t.Dict[str, t.Any]

# Probes that are otherwise equal need different tokens, because the kernel may still track the last one's flow.
_tokens = itertools.cycle(range(40000))
# Two seconds at reachability_info's default interval, since a busy machine may answer late. Each denied probe takes
# this time, because the fixtures do not know what is expected.
_ATTEMPTS = 4


class ContainerFinder(t.Protocol):
    """Finds the container that has an address."""

    def owner(self, address: str) -> Container | None: ...


class ProbeHost(t.Protocol):
    """What a container uses of its host."""

    @property
    def name(self) -> str: ...

    @property
    def fleet(self) -> ContainerFinder: ...

    @property
    def info(self) -> Json: ...

    def container(self, name: str) -> Container: ...

    def run(self, module: str, answer: str, **options: t.Any) -> Json: ...

    def entry(self, part: str, what: str, name: str) -> Json: ...


def _bare(address: str | None) -> str | None:
    """An address without its prefix length."""
    return address.split("/")[0] if address else None


class Container:
    """A container of a host. If it is not running, everything but ``is_running`` raises AssertionError."""

    def __init__(self, host: ProbeHost, name: str) -> None:
        self.host = host
        self.name = name

    @property
    def is_running(self) -> bool:
        return any(entry["name"] == self.name for entry in self.host.info["containers"])

    @property
    def entry(self) -> Json:
        """The container's entry in network_info."""
        return self.host.entry("containers", "running container", self.name)

    @property
    def mode(self) -> str:
        """bridge, user-defined, none, host, or container:NAME."""
        return str(self.entry["mode"])

    @property
    def pid(self) -> int:
        return int(self.entry["pid"])

    @property
    def networks(self) -> list[str]:
        """The names of the networks to which it is attached."""
        return [endpoint["network"] for endpoint in self._endpoints()]

    @property
    def address(self) -> str:
        """Its IPv4 address, if it is attached to one network. Use ``address_on`` for several."""
        return self.address_on(self._only_network())

    @property
    def address_v6(self) -> str:
        return self.address_on(self._only_network(), version=6)

    @property
    def addresses(self) -> list[str]:
        """All its addresses on Docker's networks."""
        found = (_bare(endpoint[family]) for endpoint in self._endpoints() for family in ("ipv4", "ipv6"))
        return [address for address in found if address]

    def address_on(self, network: str, version: int = 4) -> str:
        address = _bare(self.endpoint(network)[f"ipv{version}"])
        if not address:
            raise AssertionError(f"{self} has no IPv{version} address on network {network}")
        return address

    def endpoint(self, network: str) -> Json:
        """Its attachment to a network in network_info: addresses, gateway, MAC, aliases."""
        for endpoint in self._endpoints():
            if endpoint["network"] == network:
                return endpoint
        names = ", ".join(self.networks) or "none"
        raise AssertionError(f"{self} is not attached to network {network!r}; it is attached to: {names}")

    def interface(self, name: str) -> Json:
        """One of the interfaces in its network namespace, as network_info returns it."""
        for interface in self.entry["interfaces"]:
            if interface["name"] == name:
                return dict(interface)
        names = ", ".join(interface["name"] for interface in self.entry["interfaces"]) or "none"
        raise AssertionError(f"{self} has no interface {name!r}; it has: {names}")

    def published(self, port: int, protocol: str = "tcp") -> list[Json]:
        """The bindings of one of its ports on the host, sorted by address."""
        return [entry for entry in self.entry["ports"] if (entry["port"], entry["protocol"]) == (port, protocol)]

    def reaches(
        self,
        target: str | Container,
        port: int | None = None,
        protocol: str | None = None,
        network: str | None = None,
        size: int | None = None,
    ) -> Reach:
        """Whether ``target`` answers. A closed port counts, because the target reports it. For UDP, arrival counts.

        ``target`` is the name of a container on the same host, a ``container(name, host=...)``, or an address.
        ``protocol`` defaults to icmp without a port and to tcp with one. ``network`` selects one of the networks to
        which both are attached. ``size`` is the size of the ICMP payload in bytes.
        """
        return self._probe(target, port, protocol, network, size, ("reply", "refused", "arrived"))

    def connects(self, target: str | Container, port: int, network: str | None = None) -> Reach:
        """Whether a TCP connection is established: packets pass, and a server listens."""
        return self._probe(target, port, "tcp", network, None, ("reply",))

    def resolves(self, name: str) -> list[str]:
        """The IPv4 addresses that Docker's name server in its network namespace returns for ``name``.

        The name server forwards names other than those of containers to the host's name servers.
        """
        probe = {"destination": NAME_SERVER, "protocol": "dns", "name": name}
        return list(self._send({"source": self.name, "token": next(_tokens), **probe})["answer"] or ())

    def _probe(
        self,
        target: str | Container,
        port: int | None,
        protocol: str | None,
        network: str | None,
        size: int | None,
        successes: t.Sequence[str],
    ) -> Reach:
        destination, address = self._destination(target, network)
        probe: Json = {
            "source": self.name,
            "destination": address,
            "protocol": protocol or ("icmp" if port is None else "tcp"),
            "token": next(_tokens),
        }
        probe.update({key: value for key, value in (("port", port), ("size", size)) if value is not None})
        result = self._send_observed(probe, destination) if probe["protocol"] == "udp" else self._send(probe)
        return Reach(self, target if destination is None else destination, result, result["outcome"] in successes)

    def _send(self, probe: Json) -> Json:
        if probe["protocol"] != "udp":  # UDP is rarely answered, and each attempt would wait for an answer
            probe = {"attempts": _ATTEMPTS, **probe}
        result: Json = self.host.run("reachability_info", "results", probes=[probe])["results"][0]
        if result["outcome"] == "error":
            raise AssertionError(f"{self} cannot probe {probe['destination']}: {result['detail']}")
        return result

    def _send_observed(self, probe: Json, destination: Container | None) -> Json:
        """Send a datagram and observe its arrival, because servers need not answer datagrams."""
        destination = destination or self.host.fleet.owner(probe["destination"])
        if destination is None:
            result = self._send(probe)
            if result["outcome"] == "timeout":
                raise AssertionError(
                    f"cannot determine whether {self} reaches {probe['destination']} by UDP: no answer arrived, and no "
                    "container of the fleet has this address to observe"
                )
            return result
        destination.host.run("probe_observer", "observed", state="started")
        try:
            result = self._send(probe)
        finally:
            seen = destination.host.run("probe_observer", "arrivals", state="stopped")
        if any(arrival["token"] == probe["token"] for arrival in seen["arrivals"]):
            result.update(outcome="arrived", detail="")
        elif not seen["complete"] or destination.name in seen["overflowed"]:
            raise AssertionError(
                f"cannot determine whether {self} reaches {destination} by UDP: the observer there did not record "
                "everything"
            )
        return result

    def _destination(self, target: str | Container, network: str | None) -> tuple[Container | None, str]:
        if isinstance(target, str):
            try:
                return None, str(ipaddress.ip_address(target))
            except ValueError:
                target = self.host.container(target)
        return target, target.address_for(self, network)

    def address_for(self, source: Container, network: str | None = None) -> str:
        """The address for ``source``: on a network that both are attached to, else on any; IPv4 if it has one."""
        endpoints = self._endpoints()
        if not endpoints:
            raise AssertionError(f"{self} (mode {self.mode}) has no address of its own. Pass the address to probe.")
        if network is not None:
            endpoints = [self.endpoint(network)]
        else:
            endpoints = sorted(endpoints, key=lambda endpoint: endpoint["network"] not in source.networks)
        address = _bare(endpoints[0]["ipv4"] or endpoints[0]["ipv6"])
        if not address:
            raise AssertionError(f"{self} has no address on network {endpoints[0]['network']}")
        return address

    def _endpoints(self) -> list[Json]:
        """Its attachments: those of another container if it shares that container's namespace."""
        kind, _colon, other = self.mode.partition(":")
        owner = self.host.entry("containers", "running container", other) if kind == "container" else self.entry
        return list(owner["networks"])

    def _only_network(self) -> str:
        if len(self.networks) != 1:
            raise AssertionError(
                f"{self} (mode {self.mode}) is attached to {len(self.networks)} networks ({', '.join(self.networks)}). "
                "Use address_on(network)."
            )
        return self.networks[0]

    def __repr__(self) -> str:
        return f"container {self.name} on {self.host.name}"


class Reach:
    """The result of a probe; true if it succeeded. Its text has the outcome and a hint."""

    def __init__(self, source: Container, target: str | Container, result: Json, success: bool) -> None:
        self.source = source
        self.target = target
        self.result = result  # one of reachability_info's results; outcome may also be arrived
        self._success = success

    @property
    def outcome(self) -> str:
        return str(self.result["outcome"])

    def __bool__(self) -> bool:
        return self._success

    def __repr__(self) -> str:
        result = self.result
        there = f"{self.target!r} ({result['destination']})" if isinstance(self.target, Container) else self.target
        port = f"/{result['port']}" if result["port"] else ""
        how = ", ".join(text for text in (self.outcome, result["detail"], self._hint()) if text)
        return f"{self.source!r} -> {there} by {result['protocol']}{port}: {how}"

    def _hint(self) -> str:
        if self._success:
            return ""
        if self.outcome == "refused":
            return "packets pass in both directions, but nothing listens on the port"
        if self.source.mode == "none":
            return f"{self.source.name} has mode none and no network"
        if self.outcome == "timeout":
            return "packets are dropped in one direction, or no host has the address"
        return ""
