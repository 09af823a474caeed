# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults on hosts, and the time until their containers reach each other as declared again.

Each fault happens on all engines at once. Probes use ping and nc in the containers, and share no code with the
collection. Denied flows are probed, too; the table at the end marks faults during which they passed.

A clock that is set back is not one of the faults: hosts of the test bed share their machine's clock. A unit test checks
that the timers count monotonic time (persistence/test_files.py).
"""

from __future__ import annotations

import concurrent.futures
import time
import typing as t

import pytest

from .conftest import DEADLINE, HOSTS, Round

RESTART = "systemctl reset-failed docker; systemctl restart docker"
# Engines from 28 on detect firewalld only at start. Until then it removes their rules.
FIREWALLD_OFF = f"systemctl stop firewalld; {RESTART}"
# networkd takes over the uplink with its addresses, and removes all other routes on it.
NETWORKD = """
set -e
cat > /etc/systemd/network/10-uplink.network << END
[Match]
Name=eth0
[Network]
Address=$(ip -4 -o address show dev eth0 | awk '{ print $4 }')
Gateway=$(ip route show default | awk '{ print $3; exit }')
END
systemctl restart systemd-networkd
"""
# ufw would otherwise block the test's SSH connections.
UFW = "ufw allow ssh; ufw --force enable"
NETWORKD_OFF = "systemctl stop systemd-networkd systemd-networkd.socket; rm /etc/systemd/network/10-uplink.network"


class Fault(t.NamedTuple):
    """A shell command, whether denied flows may pass until the rules are restored, and what repairs Docker afterwards.

    After a flush of all nftables rules, the host denies nothing until the timer restores the rules. Docker restores its
    own rules only after a restart.
    """

    command: str
    may_leak: bool = False
    repair: str = "true"


FAULTS = {
    "docker restarted": Fault(RESTART),
    "nft flush ruleset": Fault("nft flush ruleset", may_leak=True, repair=RESTART),
    "nftables restarted": Fault(
        "systemctl restart nftables", may_leak=True, repair=f"systemctl stop nftables; {RESTART}"
    ),
    "fleetnet table deleted": Fault("nft delete table ip fleetnet", may_leak=True),
    "iptables -F": Fault("iptables -F; iptables -t nat -F; iptables -t raw -F", repair=RESTART),
    "iptables-restore": Fault("printf '*filter\\n:FORWARD DROP\\nCOMMIT\\n' | iptables-restore", repair=RESTART),
    "fleet routes flushed": Fault("ip route flush proto 213"),
    "a stale route": Fault("ip route add 10.79.0.0/20 dev eth0 proto 213"),
    "forwarding off": Fault("sysctl -qw net.ipv4.ip_forward=0"),
    "network recreated": Fault(
        "set -e; subnet=$(docker network inspect -f '{{(index .IPAM.Config 0).Subnet}}' web); "
        "address=$(docker inspect -f '{{(index .NetworkSettings.Networks \"web\").IPAddress}}' web); "
        "docker network disconnect web web; docker network rm web; "
        "docker network create --subnet $subnet -o com.docker.network.bridge.name=fn-web web; "
        "docker network connect --ip $address web web"
    ),
    "firewalld started": Fault("systemctl start firewalld", repair=RESTART),
    "firewall-cmd --reload": Fault("firewall-cmd --reload"),
    "firewalld restarted": Fault("systemctl restart firewalld", repair=FIREWALLD_OFF),
    "ufw enable": Fault(UFW),
    "ufw reload": Fault("ufw reload", repair="ufw --force disable"),
    "networkd restarted": Fault(NETWORKD, repair=NETWORKD_OFF),
    "two at once": Fault("ip route flush proto 213; nft flush ruleset", may_leak=True, repair=RESTART),
    "ufw and networkd": Fault(f"{UFW}; {NETWORKD}", repair=f"ufw --force disable; {NETWORKD_OFF}"),
    "host rebooted": Fault("systemctl reboot"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_everything_is_as_declared_again_within_a_minute(fleet, table, fault):
    with concurrent.futures.ThreadPoolExecutor(len(HOSTS)) as pool:
        before = list(pool.map(lambda name: recover(fleet, name, time.monotonic()), HOSTS))
        assert all(seconds is not None for seconds, leaked, last in before), (
            f"not as declared before the fault: {before}"
        )
        list(pool.map(lambda name: fleet.run(name, FAULTS[fault].command), HOSTS))
        begun = time.monotonic()
        recovered = list(pool.map(lambda name: recover(fleet, name, begun), HOSTS))
        list(pool.map(lambda name: fleet.run(name, FAULTS[fault].repair), HOSTS))
    table[fault] = dict(zip(HOSTS, recovered, strict=True))
    for name, (seconds, leaked, last) in zip(HOSTS, recovered, strict=True):
        assert seconds is not None, f"{name} is not as declared after {DEADLINE} s: {last}"
        assert FAULTS[fault].may_leak or not leaked, f"{name}: denied flows passed: {leaked}"


def recover(fleet, name: str, begun: float) -> tuple[float | None, list[str], Round]:
    """Probe until all is as declared: seconds (None: too long), denied flows that passed, the last round."""
    leaked: set[str] = set()
    while True:
        found = fleet.probe(name)
        passed = time.monotonic() - begun
        if found.good:
            return passed, sorted(leaked), found
        leaked.update(found.leaked)
        if passed > DEADLINE:
            return None, sorted(leaked), found
