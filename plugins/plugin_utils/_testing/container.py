# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A container as tests speak of it: what network_info tells about it, and probes from inside its network namespace."""

from __future__ import annotations

import ipaddress
import itertools
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.probe_plan import NAME_SERVER

if t.TYPE_CHECKING:
    from ansible_collections.fleetnet.docker.plugins.plugin_utils._testing.host import ObservedHost

Json = t.Dict[str, t.Any]

# Probes that differ in nothing else should have different tokens, or the kernel may still know the last one's flow.
_tokens = itertools.cycle(range(40000))
# Within two seconds, by reachability_info's default: nobody says here whether a probe should pass, so that the patience
# with a busy machine is what a denial costs.
_ATTEMPTS = 4


def _bare(address: str | None) -> str | None:
    """An address without its prefix length."""
    return address.split("/")[0] if address else None


class Container:
    """A container of a host. Where none of the name runs, all but ``is_running`` fail."""

    def __init__(self, host: ObservedHost, name: str) -> None:
        self.host = host
        self.name = name

    @property
    def is_running(self) -> bool:
        return any(entry["name"] == self.name for entry in self.host.info["containers"])

    @property
    def entry(self) -> Json:
        """All that network_info tells about it."""
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
        """The names of the networks that it is attached to."""
        return [endpoint["network"] for endpoint in self._endpoints()]

    @property
    def address(self) -> str:
        """Its IPv4 address, where it is on one network; on several, ask for ``address_on``."""
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
        """What network_info tells of its attachment to a network: addresses, gateway, MAC, aliases."""
        for endpoint in self._endpoints():
            if endpoint["network"] == network:
                return endpoint
        raise AssertionError(f"{self} is not on network {network!r}, but on: {', '.join(self.networks) or 'none'}")

    def interface(self, name: str) -> Json:
        """One of the links in its network namespace, as network_info tells."""
        for interface in self.entry["interfaces"]:
            if interface["name"] == name:
                return dict(interface)
        names = ", ".join(interface["name"] for interface in self.entry["interfaces"]) or "none"
        raise AssertionError(f"{self} has no interface {name!r}, but: {names}")

    def published(self, port: int, protocol: str = "tcp") -> list[Json]:
        """The bindings of one of its ports on the host, in the order of their addresses."""
        return [entry for entry in self.entry["ports"] if (entry["port"], entry["protocol"]) == (port, protocol)]

    def reaches(
        self,
        target: str | Container,
        port: int | None = None,
        protocol: str | None = None,
        network: str | None = None,
        size: int | None = None,
    ) -> Reach:
        """Whether packets get to ``target`` and back: true also where the port is closed, for its host has answered.

        ``target`` is a container, by name on the same host or as ``container(name, host=...)``, or an address.
        ``protocol`` is icmp without a port and tcp with one, unless given. ``network`` chooses among the networks that
        both are on. ``size`` is that of an ICMP payload in bytes. UDP is true where the datagram arrives.
        """
        return self._probe(target, port, protocol, network, size, ("reply", "refused", "arrived"))

    def connects(self, target: str | Container, port: int, network: str | None = None) -> Reach:
        """Whether a TCP connection comes about: packets pass, and a server listens."""
        return self._probe(target, port, "tcp", network, None, ("reply",))

    def resolves(self, name: str) -> list[str]:
        """The IPv4 addresses that Docker's name server in its network namespace tells for ``name``; else none.

        What is no container's name or alias, the name server asks those of the host.
        """
        probe = {"destination": NAME_SERVER, "protocol": "dns", "name": name}
        return list(self._sent({"source": self.name, "token": next(_tokens), **probe})["answer"] or ())

    def _probe(
        self,
        target: str | Container,
        port: int | None,
        protocol: str | None,
        network: str | None,
        size: int | None,
        good: t.Sequence[str],
    ) -> Reach:
        destination, address = self._destination(target, network)
        probe: Json = {
            "source": self.name,
            "destination": address,
            "protocol": protocol or ("icmp" if port is None else "tcp"),
            "token": next(_tokens),
        }
        probe.update({key: value for key, value in (("port", port), ("size", size)) if value is not None})
        result = self._observed(probe, destination) if probe["protocol"] == "udp" else self._sent(probe)
        return Reach(self, target if destination is None else destination, result, result["outcome"] in good)

    def _sent(self, probe: Json) -> Json:
        if probe["protocol"] != "udp":  # which is hardly ever answered, and would be waited for each time
            probe = {"attempts": _ATTEMPTS, **probe}
        result: Json = self.host.run("reachability_info", "results", probes=[probe])["results"][0]
        if result["outcome"] == "error":
            raise AssertionError(f"{self} cannot probe {probe['destination']}: {result['detail']}")
        return result

    def _observed(self, probe: Json, destination: Container | None) -> Json:
        """Nobody has to answer a datagram, so the far end is watched. Without a far end nothing can be told."""
        destination = destination or self.host.fleet.owner(probe["destination"])
        if destination is None:
            result = self._sent(probe)
            if result["outcome"] == "timeout":
                raise AssertionError(
                    f"whether {self} reaches {probe['destination']} by UDP cannot be told: there was no answer, which "
                    "servers need not give, and no container of the fleet has this address, where it could be seen"
                )
            return result
        destination.host.run("probe_observer", "observed", state="started")
        try:
            result = self._sent(probe)
        finally:
            seen = destination.host.run("probe_observer", "arrivals", state="stopped")
        if any(arrival["token"] == probe["token"] for arrival in seen["arrivals"]):
            result.update(outcome="arrived", detail="")
        elif not seen["complete"]:
            raise AssertionError(
                f"whether {self} reaches {destination} by UDP cannot be told: its observer was ended too early"
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
        """What ``source`` would use: an address on a network that both are on, else on any; IPv4 where there is one."""
        endpoints = self._endpoints()
        if not endpoints:
            raise AssertionError(f"{self} (mode {self.mode}) has no address of its own; give the address to probe")
        if network is not None:
            endpoints = [self.endpoint(network)]
        else:
            endpoints = sorted(endpoints, key=lambda endpoint: endpoint["network"] not in source.networks)
        address = _bare(endpoints[0]["ipv4"] or endpoints[0]["ipv6"])
        if not address:
            raise AssertionError(f"{self} has no address on network {endpoints[0]['network']}")
        return address

    def _endpoints(self) -> list[Json]:
        """Its attachments, which are those of another container where it shares that one's namespace."""
        kind, _colon, other = self.mode.partition(":")
        owner = self.host.entry("containers", "running container", other) if kind == "container" else self.entry
        return list(owner["networks"])

    def _only_network(self) -> str:
        if len(self.networks) != 1:
            raise AssertionError(
                f"{self} (mode {self.mode}) is on {len(self.networks)} networks ({', '.join(self.networks)}): "
                "ask for address_on(network)"
            )
        return self.networks[0]

    def __repr__(self) -> str:
        return f"container {self.name} on {self.host.name}"


class Reach:
    """What became of a probe; true where it reached what it was to reach. As text it says how, or why not."""

    def __init__(self, source: Container, target: str | Container, result: Json, good: bool) -> None:
        self.source = source
        self.target = target
        self.result = result  # one of reachability_info's results; outcome may be arrived, too
        self._good = good

    @property
    def outcome(self) -> str:
        return str(self.result["outcome"])

    def __bool__(self) -> bool:
        return self._good

    def __repr__(self) -> str:
        result = self.result
        there = f"{self.target!r} ({result['destination']})" if isinstance(self.target, Container) else self.target
        port = f"/{result['port']}" if result["port"] else ""
        how = ", ".join(text for text in (self.outcome, result["detail"], self._hint()) if text)
        return f"{self.source!r} -> {there} by {result['protocol']}{port}: {how}"

    def _hint(self) -> str:
        if self._good:
            return ""
        if self.outcome == "refused":
            return "so packets pass both ways, and nothing listens there"
        if self.source.mode == "none":
            return f"{self.source.name} is in mode none and has no network"
        if self.outcome == "timeout":
            return "so packets are dropped on one of their ways, or nobody has this address"
        return ""
