# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two network namespaces with a router between them, created and removed by the tests; no packet leaves them.

::

    here 10.1.0.2 --- 10.1.0.1 router 10.2.0.1 --- 10.2.0.2 there
         fd01::2       fd01::1         fd02::1      fd02::2        the second link has an MTU of 1400
"""

from __future__ import annotations

import contextlib
import functools
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import typing as t

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._host.netns.namespace import Namespace
from ansible_collections.fleetnet.docker.plugins.plugin_utils._testing.waiting import wait_until

from .bridges import Host, rules
from .reconcilers import Running

SCRIPT = """
link add eth0 netns {here} type veth peer name left netns {router}
link add eth0 netns {there} mtu 1400 type veth peer name right mtu 1400 netns {router}
"""

ADDRESSES = {
    "here": ("addr add 10.1.0.2/24 dev eth0", "addr add fd01::2/64 dev eth0 nodad", "link set eth0 up"),
    "there": ("addr add 10.2.0.2/24 dev eth0", "addr add fd02::2/64 dev eth0 nodad", "link set eth0 up"),
    "router": (
        "addr add 10.1.0.1/24 dev left",
        "addr add fd01::1/64 dev left nodad",
        "link set left up",
        "addr add 10.2.0.1/24 dev right",
        "addr add fd02::1/64 dev right nodad",
        "link set right up",
        "route add blackhole 10.3.0.0/16",
        "route add prohibit 10.4.0.0/16",
        "route add blackhole fd03::/16",
        "route add prohibit fd04::/16",
    ),
}

ROUTES = {
    "here": ("route add default via 10.1.0.1", "route add default via fd01::1", "route add blackhole 10.5.0.0/16"),
    "there": ("route add default via 10.2.0.1", "route add default via fd02::1"),
}


# IPv6 addresses are usable at once; the router forwards, and sends ICMP errors without a rate limit.
SWITCHES = {
    "net/ipv6/conf/default/accept_dad": "0",
    "net/ipv6/conf/all/accept_dad": "0",
    "net/ipv4/ip_forward": "1",
    "net/ipv6/conf/all/forwarding": "1",
    "net/ipv4/icmp_ratelimit": "0",
    "net/ipv6/icmp/ratelimit": "0",
}


@pytest.fixture(scope="session")
def bed() -> t.Iterator[Host]:
    if os.geteuid() != 0 or shutil.which("ip") is None or shutil.which("nft") is None:
        pytest.skip("namespaces need root, iproute2 and nftables")
    host = Host(f"fleetnet-{os.getpid()}")
    try:
        host.create()
        yield host
    finally:
        host.remove()


@pytest.fixture
def host(bed: Host) -> Host:
    """The host of bridges.py, without rules."""
    bed.bridge_nf(on=False)
    return bed


@pytest.fixture(params=[False, True], ids=["", "br_netfilter"])
def ruled(bed: Host, request: pytest.FixtureRequest) -> Host:
    """The host with its rules."""
    bed.bridge_nf(on=request.param)
    bed.load(rules())
    return bed


class Path(t.NamedTuple):
    here: Namespace
    there: Namespace


def ip(*arguments: str, commands: t.Iterable[str] = ()) -> None:
    subprocess.run(["ip", *arguments], input="\n".join(commands), text=True, check=True)


def answers(source: Namespace, address: str) -> str:
    """``refused`` if an address answers, else the error."""
    with source.entered():
        probe = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    with probe:
        probe.settimeout(0.2)
        try:
            probe.connect((address, 1))
        except ConnectionRefusedError:
            return "refused"
        except OSError as error:
            return repr(error)
    return "connected"


@pytest.fixture(scope="session")
def path() -> t.Iterator[Path]:
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("namespaces need root and iproute2")
    names = {role: f"fleetnet-{os.getpid()}-{role}" for role in ("here", "router", "there")}
    try:
        for name in names.values():
            ip("netns", "add", name)
            with contextlib.closing(Namespace(f"/run/netns/{name}")) as namespace, namespace.entered():
                for switch, value in SWITCHES.items():
                    pathlib.Path("/proc/sys", switch).write_text(value)
        ip("-batch", "-", commands=[line.format(**names) for line in SCRIPT.split("\n")])
        for commands in (ADDRESSES, ROUTES):
            for role, lines in commands.items():
                ip("-n", names[role], "-batch", "-", commands=["link set lo up", *lines])
        here, there = (Namespace(f"/run/netns/{names[role]}") for role in ("here", "there"))
        for address in ("10.2.0.2", "fd02::2"):
            # on new interfaces, IPv6 takes up to a second
            wait_until(
                f"{address} answers in the tests' namespaces",
                functools.partial(answers, here, address),
                lambda state: state == "refused",
            )
        yield Path(here, there)
        here.close()
        there.close()
    finally:
        for name in names.values():
            subprocess.run(["ip", "netns", "delete", name], check=False)


@pytest.fixture
def apart() -> t.Iterator[t.Callable[[str], int]]:
    """``apart(text)``: the PID of a process in a network namespace of its own, with ``text`` among its arguments."""
    with contextlib.ExitStack() as stack:

        def start(text: str) -> int:
            process = stack.enter_context(
                subprocess.Popen(
                    ["unshare", "--net", "sh", "-c", "echo in; read ended", text],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                )
            )
            stack.callback(process.communicate)
            assert process.stdout
            process.stdout.readline()
            return process.pid

        yield start


@pytest.fixture
def running(tmp_path: pathlib.Path) -> t.Iterator[Running]:
    if os.geteuid() != 0 or shutil.which("ip") is None or shutil.which("nft") is None:
        pytest.skip("namespaces need root, iproute2 and nftables")
    (tmp_path / "run").mkdir()
    (tmp_path / "firewall.nft").write_text(rules())
    script = tmp_path / "apply-firewall"
    script.write_text(f"#!/bin/sh\necho >> {tmp_path}/checks\ncat {tmp_path}/differences 2>/dev/null\ntrue\n")
    script.chmod(0o755)
    name = f"fleetnet-{os.getpid()}-own"
    subprocess.run(["ip", "netns", "add", name], check=True)
    found = None
    try:
        found = Running(tmp_path, name)
        yield found
        if found.process.poll() is None:
            found.end(signal.SIGTERM)
    finally:
        if found is not None:
            found.release()
        subprocess.run(["ip", "netns", "delete", name], check=False)
