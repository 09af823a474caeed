"""The containers that make up a fleet: its hosts and the world, down to the arguments of `docker create`. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network

from . import address
from .docker import FINGERPRINT_LABEL, HOST_LABEL, LABEL
from .spec import WORLD, Spec, host_name

LIBRARY = "/usr/lib/fleetnet-testbed"

#: What systemd, dockerd and network tools in a host need. Not --privileged: that asks for all there are, also those
#: that the machine itself may lack, and fails then. No SYS_TIME: the clock is the machine's.
CAPABILITIES = (
    "AUDIT_CONTROL AUDIT_WRITE DAC_READ_SEARCH IPC_LOCK IPC_OWNER LEASE LINUX_IMMUTABLE MAC_ADMIN MAC_OVERRIDE MKNOD "
    "NET_ADMIN NET_BIND_SERVICE NET_BROADCAST NET_RAW SETFCAP SETPCAP SYSLOG SYS_ADMIN SYS_BOOT SYS_CHROOT SYS_MODULE "
    "SYS_NICE SYS_PTRACE SYS_TTY_CONFIG"
)

#: A host's folders that must not be on an overlay, for overlays do not nest.
VOLUMES = {"docker": "/var/lib/docker", "containerd": "/var/lib/containerd"}


@dataclass(frozen=True)
class Segment:
    """An L2 segment of the underlay: an internal network of the outer engine."""

    name: str
    network: str  # the id: a network made anew under the same name is another one
    subnet: IPv4Network


@dataclass(frozen=True)
class Machine:
    """What this machine can lend to its hosts."""

    modules: bool  # it has a folder of kernel modules
    tun: bool  # it has the device for tunnels in user space


@dataclass(frozen=True)
class Member:
    """One container of the fleet."""

    fleet: str
    name: str
    engine: str
    link: Segment
    address: str
    arguments: tuple[str, ...]  # of docker create, up to the fingerprint
    image: str
    command: str
    volumes: tuple[str, ...] = ()
    further: tuple[tuple[Segment, str], ...] = ()  # more links to connect, with addresses

    @property
    def container(self) -> str:
        return f"{self.fleet}-{self.name}"

    @property
    def fingerprint(self) -> str:
        """Changes with everything that a running container cannot change about itself."""
        further = [(link.network, own) for link, own in self.further]
        text = json.dumps([self.arguments, self.image, self.command, further])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def create(self) -> list[str]:
        """The docker command that makes the container."""
        label = f"{FINGERPRINT_LABEL}={self.fingerprint}"
        return ["container", "create", *self.arguments, "--label", label, self.image, self.command]


def members(
    spec: Spec, links: Sequence[Segment], images: Mapping[str, str], machine: Machine
) -> tuple[Member, list[Member]]:
    """The world and the hosts of a fleet, without hosts whose engine there is no image of."""
    hosts = [
        _host(spec, number, links[spec.link(number)], images[spec.engine(number)], machine)
        for number in range(1, spec.hosts + 1)
        if spec.engine(number) in images
    ]
    generation, image = next(iter(images.items()))
    return _world(spec, links, generation, image), hosts


def _host(spec: Spec, number: int, link: Segment, image: str, machine: Machine) -> Member:
    name, own = host_name(number), str(address.host(link.subnet, number))
    volumes = {f"{spec.name}-{name}-{volume}": path for volume, path in VOLUMES.items()}
    arguments = [
        *_common(spec, name, link, own),
        *(f"--cap-add={capability}" for capability in CAPABILITIES.split()),
        # /proc/sys and what else is masked must be there to be written.
        *("--security-opt=seccomp=unconfined", "--security-opt=apparmor=unconfined"),
        "--security-opt=systempaths=unconfined",
        # Its own, with either version of control groups: what the host leaves in there goes with the container.
        "--cgroupns=private",
        *("--tmpfs=/run:exec", "--tmpfs=/run/lock", "--tmpfs=/tmp:exec"),
        *(f"--volume={volume}:{path}" for volume, path in volumes.items()),
        "--env=container=docker",
        # systemd 256 and later want to be asked before they boot with control groups of version 1.
        "--env=SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1",
        f"--env=FLEETNET_TESTBED_GATEWAY={address.world(link.subnet)}",
        # systemd's signal for halt, so that `docker restart` is a reboot and not ten seconds and a kill.
        "--stop-signal=SIGRTMIN+3",
        # A reboot from within ends the container.
        "--restart=on-failure",
    ]
    if machine.modules:
        arguments.append("--volume=/lib/modules:/lib/modules:ro")
    if machine.tun:
        arguments.append("--device=/dev/net/tun")
    command = f"{LIBRARY}/init"
    return Member(spec.name, name, spec.engine(number), link, own, tuple(arguments), image, command, tuple(volumes))


def _world(spec: Spec, links: Sequence[Segment], generation: str, image: str) -> Member:
    first, *others = links
    own = str(address.world(first.subnet))
    arguments = [
        *_common(spec, WORLD, first, own),
        "--cap-add=NET_ADMIN",
        # Between links it is the router.
        "--sysctl=net.ipv4.ip_forward=1",
        "--restart=on-failure",
    ]
    further = tuple((link, str(address.world(link.subnet))) for link in others)
    return Member(spec.name, WORLD, generation, first, own, tuple(arguments), image, f"{LIBRARY}/world", (), further)


def _common(spec: Spec, name: str, link: Segment, own: str) -> list[str]:
    forwarding = [] if name == WORLD else ["--sysctl=net.ipv4.ip_forward=0"]  # as on a fresh machine
    return [
        f"--name={spec.name}-{name}",
        f"--hostname={name}",
        f"--label={LABEL}={spec.name}",
        f"--label={HOST_LABEL}={name}",
        f"--network={link.network}",
        f"--ip={own}",
        *forwarding,
    ]
