"""The underlay: one internal network of the outer engine per segment of a fleet."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Network
from pathlib import Path

from . import address, locks, process
from .docker import LABEL, SEGMENT_LABEL, Docker, of_fleet
from .members import Segment
from .paths import Paths


def ensure_segments(docker: Docker, paths: Paths, fleet: str, count: int) -> list[Segment]:
    """Return the segments of a fleet. Create missing ones."""
    wanted = [f"l{index + 1}" for index in range(count)]
    present = existing_segments(docker, fleet)
    if not all(name in present for name in wanted):
        with locks.held(paths.machine_lock, "choosing addresses"):
            taken = [*address.parse(_routes()), *address.parse(_name_servers()), *_subnets(docker)]
            for name in wanted:
                if name not in present:
                    subnet = address.choose(taken)
                    taken.append(subnet)
                    _create(docker, fleet, name, subnet)
        present = existing_segments(docker, fleet)
    return [present[name] for name in wanted]


def existing_segments(docker: Docker, fleet: str) -> dict[str, Segment]:
    """Return the existing segments by name."""
    found = docker.inspect("network", *docker.ids("network", of_fleet(fleet)))
    return {
        network["Labels"][SEGMENT_LABEL]: Segment(
            network["Labels"][SEGMENT_LABEL], network["Id"], IPv4Network(network["IPAM"]["Config"][0]["Subnet"])
        )
        for network in found
    }


def remove_others(docker: Docker, fleet: str, segments: Sequence[Segment]) -> None:
    """Remove all other segments of the fleet."""
    keep = {segment.network for segment in segments}
    for network in docker.ids("network", of_fleet(fleet)):
        if network not in keep:
            docker.run("network", "rm", network)


def _create(docker: Docker, fleet: str, name: str, subnet: IPv4Network) -> None:
    docker.run(
        *("network", "create", "--driver=bridge", "--internal"),
        *(f"--subnet={subnet}", f"--gateway={address.machine(subnet)}"),
        *(f"--label={LABEL}={fleet}", f"--label={SEGMENT_LABEL}={name}"),
        f"{fleet}-{name}",
    )


def _routes() -> Iterator[str]:
    """Yield the destinations of all routes of this machine, including those of its interfaces."""
    for route in json.loads(process.run(["ip", "-4", "-json", "route", "show", "table", "all"]).stdout or "[]"):
        yield route["dst"]


def _name_servers() -> list[str]:
    try:
        return re.findall(r"^nameserver\s+(\S+)", Path("/etc/resolv.conf").read_text(), re.MULTILINE)
    except OSError:
        return []


def _subnets(docker: Docker) -> Iterator[IPv4Network]:
    """Yield the subnets of all networks of the engine, in use or not."""
    for network in docker.inspect("network", *docker.output("network", "ls", "--quiet").split()):
        yield from address.parse(part["Subnet"] for part in network["IPAM"]["Config"] or () if "Subnet" in part)
