"""Create and start the containers of a fleet, and wait until its hosts are ready."""

from __future__ import annotations

import socket
import time
from collections.abc import Collection, Mapping

from . import console, coverage
from .docker import FINGERPRINT_LABEL, HOST_LABEL, LABEL, SEGMENT_LABEL, Docker, of_fleet
from .errors import FleetError
from .members import LIBRARY, Member
from .repair import ExistingContainer
from .retry import Unsettled

PAUSE = 0.2

#: The last one requires the engine, and loads the workload image if it is missing.
SERVICES = ("ssh.service", "fleetnet-testbed-workload.service")

#: The facts that a host reports (images/rootfs/usr/lib/fleetnet-testbed/ready), as text.
PARTS = {"sshd": "SSH server", "engine": "response from dockerd", "workload": "workload image"}


def observe(docker: Docker, fleet: str) -> list[ExistingContainer]:
    """Return the existing containers of a fleet."""
    return [
        ExistingContainer(
            id=container["Id"],
            name=container["Config"]["Labels"].get(HOST_LABEL, ""),
            status=container["State"]["Status"],
            fingerprint=container["Config"]["Labels"].get(FINGERPRINT_LABEL, ""),
        )
        for container in docker.inspect("container", *docker.ids("container", of_fleet(fleet)))
    ]


def fleets(docker: Docker) -> set[str]:
    """Return the names of all fleets with containers, networks or volumes in the engine."""
    found = [docker.inspect(kind, *docker.ids(kind)) for kind in ("container", "network", "volume")]
    labels = [entry.get("Labels") or entry.get("Config", {}).get("Labels") or {} for kind in found for entry in kind]
    return {label[LABEL] for label in labels if HOST_LABEL in label or SEGMENT_LABEL in label}


def create(docker: Docker, member: Member, identity: bytes = b"") -> None:
    """Create a container, copy its identity into it and start it. A container that never started is incomplete."""
    # The engine may have completed a request of a command that was killed.
    remove(docker, *docker.ids("container", of_fleet(member.fleet), f"label={HOST_LABEL}={member.name}"))
    remove_volumes(docker, member.fleet, member.name)
    for volume in member.volumes:
        labels = (f"--label={LABEL}={member.fleet}", f"--label={HOST_LABEL}={member.name}")
        docker.run("volume", "create", *labels, volume)
    container = docker.output(*member.create())
    for segment, own in member.extra:
        docker.run("network", "connect", f"--ip={own}", segment.network, container)
    if identity:
        docker.run("cp", "-", f"{container}:/", data=identity)
    docker.run("container", "start", container)


def remove(docker: Docker, *containers: str) -> None:
    """Remove containers by id, running or not."""
    if containers:
        coverage.collect(docker, *containers)
        docker.run("container", "rm", "--force", "--volumes", *containers)


def remove_volumes(docker: Docker, fleet: str, name: str = "") -> None:
    """Remove the volumes of one member, or of the whole fleet."""
    filters = [of_fleet(fleet), *([f"label={HOST_LABEL}={name}"] if name else [])]
    if volumes := docker.ids("volume", *filters):
        docker.run("volume", "rm", *volumes)


def remove_other_volumes(docker: Docker, fleet: str, members: Collection[str]) -> None:
    """Remove the volumes of members that no longer belong to the fleet."""
    volumes = docker.inspect("volume", *docker.ids("volume", of_fleet(fleet)))
    if others := [volume["Name"] for volume in volumes if volume["Labels"].get(HOST_LABEL) not in members]:
        docker.run("volume", "rm", *others)


def facts(docker: Docker, container: str) -> dict[str, str]:
    """Return the facts that a host reports. Empty if it does not respond."""
    done = docker.run("exec", container, f"{LIBRARY}/ready", check=False, timeout=30)
    pairs = (line.partition("=") for line in done.stdout.splitlines())
    return {key: value for key, _, value in pairs if key in PARTS}


def missing(reported: Mapping[str, str], reachable: bool) -> list[str]:
    """Return what a host is missing, as text. Pure."""
    lacking = [text for key, text in PARTS.items() if not reported.get(key)]
    return lacking if reachable else [*lacking, "SSH response at its address"]


def wait_ready(docker: Docker, member: Member, deadline: float) -> str:
    """Wait until a host is ready, start its missing services, and return the version of its engine.

    Raises Unsettled if its container no longer exists.
    Raises FleetError if the host is not ready at `deadline`, in seconds of the monotonic clock.
    """
    awaited = ""
    while True:
        reported = facts(docker, member.container)
        lacking = missing(reported, answers_ssh(member.address))
        if not lacking:
            if awaited:
                console.say(f"{member.name}: ready, engine {reported['engine']}")
            return reported["engine"]
        if not reported and not docker.inspect("container", member.container):
            raise Unsettled(f"fleet {member.fleet}: host {member.name}: removed while it starts")
        if not awaited:
            awaited = ", ".join(lacking)
            console.say(f"{member.name}: waiting for {awaited}")
        if time.monotonic() > deadline:
            raise FleetError(
                f"fleet {member.fleet}: host {member.name}: not ready, missing: {', '.join(lacking)}. "
                f"See `script/fleet exec {member.name} --name {member.fleet} -- journalctl -b`",
                _log_end(docker, member.container),
            )
        _start_services(docker, member, deadline)
        time.sleep(PAUSE)


def _start_services(docker: Docker, member: Member, deadline: float) -> None:
    """Wait for the services while a host boots, and start those that have been stopped since.

    If many hosts boot on few cores, one blocking call is much cheaper than polling.
    """
    docker.run(
        *("exec", member.container, "systemctl", "start", *SERVICES),
        check=False,
        timeout=max(1.0, deadline - time.monotonic()),
    )


def answers_ssh(address: str) -> bool:
    """Return whether an SSH server responds at this address, which Ansible connects to."""
    try:
        with socket.create_connection((address, 22), timeout=2) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def address_of(docker: Docker, container: str) -> str:
    """Return the underlay address of a container. Another command can remove the container at any time."""
    networks = [
        network
        for found in docker.inspect("container", container)
        for network in found["NetworkSettings"]["Networks"].values()
    ]
    return next((network["IPAMConfig"]["IPv4Address"] for network in networks if network["IPAMConfig"]), "-")


def _log_end(docker: Docker, container: str) -> str:
    """Return the end of a host's journal, or of its console if it has no journal."""
    journal = docker.run("exec", container, "journalctl", "-b", "-n", "15", "--no-pager", check=False, timeout=30)
    if journal.returncode == 0:
        return journal.stdout.strip()
    logs = docker.run("logs", "--tail", "15", container, check=False, timeout=30)
    return f"{logs.stdout}{logs.stderr}".strip()
