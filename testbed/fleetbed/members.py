"""The containers of a fleet: its hosts and the world, with their arguments of `docker create`. Pure."""

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

#: The capabilities that systemd, dockerd and network tools in a host require. Not --privileged: it requests all
#: capabilities, and fails if the machine lacks one. Not SYS_TIME: hosts share the clock of the machine.
CAPABILITIES = (
    "AUDIT_CONTROL AUDIT_WRITE DAC_READ_SEARCH IPC_LOCK IPC_OWNER LEASE LINUX_IMMUTABLE MAC_ADMIN MAC_OVERRIDE MKNOD "
    "NET_ADMIN NET_BIND_SERVICE NET_BROADCAST NET_RAW SETFCAP SETPCAP SYSLOG SYS_ADMIN SYS_BOOT SYS_CHROOT SYS_MODULE "
    "SYS_NICE SYS_PTRACE SYS_TTY_CONFIG"
)

#: Folders of a host that must not be on an overlay, because overlays do not nest.
VOLUMES = {"docker": "/var/lib/docker", "containerd": "/var/lib/containerd"}


@dataclass(frozen=True)
class Segment:
    """An L2 segment of the underlay: an internal network of the outer engine."""

    name: str
    network: str  # the id, because a recreated network has the same name
    subnet: IPv4Network


@dataclass(frozen=True)
class Machine:
    """What this machine can share with its hosts."""

    modules: bool  # the folder of kernel modules exists
    tun: bool  # the TUN device exists


@dataclass(frozen=True)
class Member:
    """One container of the fleet."""

    fleet: str
    name: str
    engine: str
    segment: Segment
    address: str
    arguments: tuple[str, ...]  # of docker create, up to the fingerprint
    image: str
    command: str
    volumes: tuple[str, ...] = ()
    extra: tuple[tuple[Segment, str], ...] = ()  # additional segments to connect to, with addresses
    keys: tuple[str, ...] = ()  # public keys of the identity that is copied into the container

    @property
    def container(self) -> str:
        return f"{self.fleet}-{self.name}"

    @property
    def fingerprint(self) -> str:
        """A hash of everything that cannot be changed in a running container."""
        extra = [(segment.network, own) for segment, own in self.extra]
        text = json.dumps([self.arguments, self.image, self.command, extra, self.keys])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def create(self) -> list[str]:
        """Return the docker command that creates the container."""
        label = f"{FINGERPRINT_LABEL}={self.fingerprint}"
        return ["container", "create", *self.arguments, "--label", label, self.image, self.command]


def members(
    spec: Spec, segments: Sequence[Segment], images: Mapping[str, str], machine: Machine
) -> tuple[Member, list[Member]]:
    """Return the world and the hosts of a fleet, without hosts whose engine has no image."""
    hosts = [
        _host(spec, number, segments[spec.segment(number)], images[spec.engine(number)], machine)
        for number in range(1, spec.hosts + 1)
        if spec.engine(number) in images
    ]
    generation, image = next(iter(images.items()))
    return _world(spec, segments, generation, image), hosts


def _host(spec: Spec, number: int, segment: Segment, image: str, machine: Machine) -> Member:
    name, own = host_name(number), str(address.host(segment.subnet, number))
    volumes = {f"{spec.name}-{name}-{volume}": path for volume, path in VOLUMES.items()}
    arguments = [
        *_common(spec, name, segment, own),
        *(f"--cap-add={capability}" for capability in CAPABILITIES.split()),
        # The host writes to /proc/sys and other paths that Docker masks by default.
        *("--security-opt=seccomp=unconfined", "--security-opt=apparmor=unconfined"),
        "--security-opt=systempaths=unconfined",
        # A private namespace, with either version of control groups, is removed together with the container.
        "--cgroupns=private",
        *("--tmpfs=/run:exec", "--tmpfs=/run/lock", "--tmpfs=/tmp:exec"),
        *(f"--volume={volume}:{path}" for volume, path in volumes.items()),
        "--env=container=docker",
        # systemd 256 and later boot with control groups of version 1 only if forced.
        "--env=SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1",
        f"--env=FLEETNET_TESTBED_GATEWAY={address.world(segment.subnet)}",
        # systemd's signal for halt, so that `docker restart` is a reboot and not a kill after ten seconds.
        "--stop-signal=SIGRTMIN+3",
        # A reboot from inside ends the container.
        "--restart=on-failure",
    ]
    if machine.modules:
        arguments.append("--volume=/lib/modules:/lib/modules:ro")
    if machine.tun:
        arguments.append("--device=/dev/net/tun")
    command = f"{LIBRARY}/init"
    return Member(spec.name, name, spec.engine(number), segment, own, tuple(arguments), image, command, tuple(volumes))


def _world(spec: Spec, segments: Sequence[Segment], generation: str, image: str) -> Member:
    first, *others = segments
    own = str(address.world(first.subnet))
    arguments = [
        *_common(spec, WORLD, first, own),
        "--cap-add=NET_ADMIN",
        # The world routes between segments.
        "--sysctl=net.ipv4.ip_forward=1",
        "--restart=on-failure",
    ]
    extra = tuple((segment, str(address.world(segment.subnet))) for segment in others)
    return Member(spec.name, WORLD, generation, first, own, tuple(arguments), image, f"{LIBRARY}/world", (), extra)


def _common(spec: Spec, name: str, segment: Segment, own: str) -> list[str]:
    forwarding = [] if name == WORLD else ["--sysctl=net.ipv4.ip_forward=0"]  # as on a new machine
    return [
        f"--name={spec.name}-{name}",
        f"--hostname={name}",
        f"--label={LABEL}={spec.name}",
        f"--label={HOST_LABEL}={name}",
        f"--network={segment.network}",
        f"--ip={own}",
        *forwarding,
    ]
