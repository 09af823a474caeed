# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults on hosts, after which their containers reach each other as declared again, without Ansible.

Each fault happens on all engines at once. Probes use ping and nc of the containers, and share no code with the
collection. Denied flows are probed, too, and meter.py sends 400 denied packets per second and host through each
fault: none arrives. The table at the end shows how many seconds each fault took, and the longest gap of allowed
traffic. No time is asserted, because it depends on the machine.

A clock that is set back is not one of the faults: hosts of the test bed share their machine's clock. The reconciler
measures monotonic time.
"""

from __future__ import annotations

import concurrent.futures
import time
import typing as t

import pytest

from .conftest import Recovery
from .leak_meter import HOSTS

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
$(ip -6 -o address show dev eth0 scope global | awk '{ print "Address=" $4 }')
Gateway=$(ip route show default | awk '{ print $3; exit }')
IPv6AcceptRA=no
END
systemctl restart systemd-networkd
"""
# ufw would otherwise block the test's SSH connections.
UFW = "ufw allow ssh; ufw --force enable"
REBOOT = "systemctl reboot"
# Only the first process of the unit.
KILL = "kill -KILL $(systemctl show --property MainPID --value fleetnet-reconciler.service)"
NETWORKD_OFF = "systemctl stop systemd-networkd systemd-networkd.socket; rm /etc/systemd/network/10-uplink.network"

# With all its options and labels. Docker inserts rules for the new network above all others.
RECREATE = """
set -e
options=$(docker network inspect web --format '{{range .IPAM.Config}}--subnet {{.Subnet}} --gateway {{.Gateway}} {{end
    }}{{range $key, $value := .Options}}--opt {{$key}}={{$value}} {{end
    }}{{range $key, $value := .Labels}}--label {{$key}}={{$value}} {{end}}')
ipv6=$(docker network inspect web --format '{{if .EnableIPv6}}--ipv6{{end}}')
addresses=$(docker inspect web --format '{{with index .NetworkSettings.Networks "web"}}--ip {{.IPAddress
    }}{{with .GlobalIPv6Address}} --ip6 {{.}}{{end}}{{end}}')
docker network disconnect web web
docker network rm web
docker network create $options $ipv6 web
docker network connect $addresses web web
"""


class Fault(t.NamedTuple):
    """A shell command, and what repairs Docker afterwards: it restores its own rules only after a restart.

    ``iptables``: the fault happens only on hosts whose engine uses the iptables backend. With nftables, the engine has
    no chain that accepts declared traffic before the policy of FORWARD, and a plan names it.
    """

    command: str
    repair: str = "true"
    iptables: bool = False


FAULTS = {
    "docker restarted": Fault(RESTART),
    "nft flush ruleset": Fault("for time in 1 2 3 4 5 6 7 8 9 10; do nft flush ruleset; done", repair=RESTART),
    "nftables restarted": Fault("systemctl restart nftables", repair=f"systemctl stop nftables; {RESTART}"),
    "fleetnet table deleted": Fault("! nft delete table ip fleetnet"),
    "reconciler killed": Fault(KILL),
    "reconciler restarted": Fault("systemctl restart fleetnet-reconciler.service"),
    "iptables -F": Fault("iptables -F; iptables -t nat -F; iptables -t raw -F", repair=RESTART),
    "iptables-restore": Fault(
        "printf '*filter\\n:FORWARD DROP\\nCOMMIT\\n' | iptables-restore", repair=RESTART, iptables=True
    ),
    "fleet routes flushed": Fault("ip route flush proto 213"),
    "a stale route": Fault("ip route add 10.79.0.0/20 dev eth0 proto 213"),
    "forwarding off": Fault("sysctl -qw net.ipv4.ip_forward=0"),
    "network recreated": Fault(RECREATE),
    "firewalld started": Fault("systemctl start firewalld", repair=RESTART),
    "firewall-cmd --reload": Fault("firewall-cmd --reload"),
    "firewalld restarted": Fault("systemctl restart firewalld", repair=FIREWALLD_OFF),
    "ufw enable": Fault(UFW),
    "ufw reload": Fault("ufw reload", repair="ufw --force disable"),
    "networkd restarted": Fault(NETWORKD, repair=NETWORKD_OFF),
    "two at once": Fault("ip route flush proto 213; nft flush ruleset", repair=RESTART),
    "ufw and networkd": Fault(f"{UFW}; {NETWORKD}", repair=f"ufw --force disable; {NETWORKD_OFF}"),
    "host rebooted": Fault(REBOOT),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_everything_is_as_declared_again(fleet, leak_meter, table, wait_until, fault):
    command, repair, iptables = FAULTS[fault]
    faulty = [name for name in HOSTS if not iptables or fleet.backend(name) == "iptables"]
    assert faulty

    def recover(name: str) -> tuple[float, tuple[str, ...]]:
        """Probe until all is as declared: seconds, and denied flows that passed."""
        leaked: set[str] = set()
        begun = time.monotonic()

        def read():
            found = fleet.probe(name)
            leaked.update(found.leaked)
            return found

        # A round costs as much as the recovery that it would delay on a busy machine.
        wait_until(f"{name} is as declared", read, lambda found: found.good, pause=0.5)
        return time.monotonic() - begun, tuple(sorted(leaked))

    def damage(name: str) -> None:
        if command == REBOOT:
            fleet.reboot(name, wait_until)
        else:
            fleet.run(name, command)

    with concurrent.futures.ThreadPoolExecutor(len(HOSTS)) as pool:
        list(pool.map(recover, HOSTS))
        before = {
            name: wait_until(f"the meter of {name} counts", lambda name=name: leak_meter.state(name), bool)
            for name in HOSTS
        }
        try:
            list(pool.map(damage, faulty))
            recovered = list(pool.map(recover, faulty))
            metered = {
                name: wait_until(
                    f"{name} sends denied packets", lambda name=name: leak_meter.since(before[name], name), bool
                )
                for name in HOSTS
            }
        finally:
            list(pool.map(lambda name: fleet.run(name, repair), faulty))
    table[fault] = {name: Recovery(*found, metered[name]) for name, found in zip(faulty, recovered, strict=True)}
    for name, found in table[fault].items():
        assert not found.flows, f"{name}: denied flows passed"
    assert {name: each.leaked for name, each in metered.items() if each.leaked} == {}
