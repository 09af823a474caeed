"""Brings the containers of a fleet to life, and waits until hosts are what they shall be."""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping

from . import console
from .docker import FINGERPRINT_LABEL, HOST_LABEL, LABEL, LINK_LABEL, Docker, of_fleet
from .errors import FleetError
from .members import LIBRARY, Member
from .mend import ExistingContainer

PAUSE = 0.2

#: The last one needs the engine, and loads the workload image unless it is there.
SERVICES = ("ssh.service", "fleetnet-testbed-workload.service")

#: What a host says about itself (images/rootfs/usr/lib/fleetnet-testbed/ready), in words.
PARTS = {"sshd": "an SSH server", "engine": "an answer from dockerd", "workload": "the workload image"}


def observe(docker: Docker, fleet: str) -> list[ExistingContainer]:
    """The containers of a fleet as they are."""
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
    """The names of all fleets that the engine has containers, networks or volumes of."""
    found = [docker.inspect(kind, *docker.ids(kind)) for kind in ("container", "network", "volume")]
    labels = [entry.get("Labels") or entry.get("Config", {}).get("Labels") or {} for kind in found for entry in kind]
    return {label[LABEL] for label in labels if HOST_LABEL in label or LINK_LABEL in label}


def create(docker: Docker, member: Member, identity: bytes = b"") -> None:
    """Makes a container, gives it its identity and starts it. One that was never started is not complete."""
    # The engine may just have finished what a killed command asked it for.
    remove(docker, *docker.ids("container", of_fleet(member.fleet), f"label={HOST_LABEL}={member.name}"))
    remove_volumes(docker, member.fleet, member.name)
    for volume in member.volumes:
        labels = (f"--label={LABEL}={member.fleet}", f"--label={HOST_LABEL}={member.name}")
        docker.run("volume", "create", *labels, volume)
    container = docker.output(*member.create())
    for link, own in member.further:
        docker.run("network", "connect", f"--ip={own}", link.network, container)
    if identity:
        docker.run("cp", "-", f"{container}:/", data=identity)
    docker.run("container", "start", container)


def remove(docker: Docker, *containers: str) -> None:
    """Removes containers by id, running or not."""
    if containers:
        docker.run("container", "rm", "--force", "--volumes", *containers)


def remove_volumes(docker: Docker, fleet: str, name: str = "") -> None:
    """Removes the volumes of one member, or of the whole fleet."""
    filters = [of_fleet(fleet), *([f"label={HOST_LABEL}={name}"] if name else [])]
    if volumes := docker.ids("volume", *filters):
        docker.run("volume", "rm", *volumes)


def facts(docker: Docker, container: str) -> dict[str, str]:
    """What a host says it has; nothing at all while it cannot be asked."""
    done = docker.run("exec", container, f"{LIBRARY}/ready", check=False, timeout=30)
    pairs = (line.partition("=") for line in done.stdout.splitlines())
    return {key: value for key, _, value in pairs if key in PARTS}


def missing(told: Mapping[str, str], reachable: bool) -> list[str]:
    """What a host still lacks, in words. Pure."""
    lacking = [words for key, words in PARTS.items() if not told.get(key)]
    return lacking if reachable else [*lacking, "an SSH answer at its address"]


def wait_ready(docker: Docker, member: Member, deadline: float) -> str:
    """Waits until a host has all that it needs, starts what it lacks, and returns its engine's version."""
    awaited = ""
    while True:
        told = facts(docker, member.container)
        lacking = missing(told, answers_ssh(member.address))
        if not lacking:
            if awaited:
                console.say(f"{member.name}: ready, engine {told['engine']}")
            return told["engine"]
        if not awaited:
            awaited = ", ".join(lacking)
            console.say(f"{member.name}: waiting for {awaited}")
        if time.monotonic() > deadline:
            raise FleetError(
                f"host {member.name} of fleet {member.fleet} is not ready, it lacks {', '.join(lacking)}: "
                f"look with `script/fleet exec {member.name} --name {member.fleet} -- journalctl -b`",
                _last_words(docker, member.container),
            )
        _start_services(docker, member, deadline)
        time.sleep(PAUSE)


def _start_services(docker: Docker, member: Member, deadline: float) -> None:
    """Waits for the services while a host boots, and starts those that have been stopped since.

    One call that blocks is much cheaper than asking again and again, when many hosts boot on few cores.
    """
    docker.run(
        *("exec", member.container, "systemctl", "start", *SERVICES),
        check=False,
        timeout=max(1.0, deadline - time.monotonic()),
    )


def answers_ssh(address: str) -> bool:
    """Whether an SSH server greets at this address, as Ansible will reach it."""
    try:
        with socket.create_connection((address, 22), timeout=2) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def address_of(docker: Docker, container: str) -> str:
    """The underlay address of a container."""
    networks = docker.inspect("container", container)[0]["NetworkSettings"]["Networks"].values()
    return next((network["IPAMConfig"]["IPv4Address"] for network in networks if network["IPAMConfig"]), "-")


def _last_words(docker: Docker, container: str) -> str:
    """The end of a host's journal, or of its console when it has none."""
    journal = docker.run("exec", container, "journalctl", "-b", "-n", "15", "--no-pager", check=False, timeout=30)
    if journal.returncode == 0:
        return journal.stdout.strip()
    logs = docker.run("logs", "--tail", "15", container, check=False, timeout=30)
    return f"{logs.stdout}{logs.stderr}".strip()
