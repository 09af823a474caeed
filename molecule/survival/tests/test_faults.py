# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults done to hosts by hand, and how long it takes until their containers reach each other as declared again.

Each fault is done to all engines at once. Probes are made by ping and nc in the containers, and share no code with what
is tested. In the time between, what is denied is tried too; where it passes for a while, the table at the end says so.
"""

from __future__ import annotations

import concurrent.futures
import time

import pytest

from .conftest import DEADLINE, HOSTS, Round

# fault -> shell command, and whether what is denied may pass until the rules are back: with all of nftables flushed, by
# whatever hand, there is nothing left on the host that could deny it.
FAULTS = {
    "docker restarted": ("systemctl reset-failed docker; systemctl restart docker", False),
    "nft flush ruleset": ("nft flush ruleset", True),
    "our table deleted": ("nft delete table ip fleetnet", True),
    "iptables -F": ("iptables -F; iptables -t nat -F; iptables -t raw -F", False),
    "iptables-restore": ("printf '*filter\\n:FORWARD DROP\\nCOMMIT\\n' | iptables-restore", False),
    "our routes flushed": ("ip route flush proto 213", False),
    "a stale route": (
        "ip route add 10.79.0.0/20 via $(ip route show proto 213 | awk '{print $3; exit}') proto 213",
        False,
    ),
    "forwarding off": ("sysctl -qw net.ipv4.ip_forward=0", False),
    "network made anew": (
        "set -e; subnet=$(docker network inspect -f '{{(index .IPAM.Config 0).Subnet}}' web); "
        "address=$(docker inspect -f '{{(index .NetworkSettings.Networks \"web\").IPAddress}}' web); "
        "docker network disconnect web web; docker network rm web; "
        "docker network create --subnet $subnet -o com.docker.network.bridge.name=fn-web web; "
        "docker network connect --ip $address web web",
        False,
    ),
    "two at once": ("ip route flush proto 213; nft flush ruleset", True),
    "host rebooted": ("systemctl reboot", False),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_everything_is_as_declared_again_within_a_minute(fleet, table, fault):
    command, may_leak = FAULTS[fault]
    assert all(fleet.probe(name).good for name in HOSTS), "not as declared before the fault"
    with concurrent.futures.ThreadPoolExecutor(len(HOSTS)) as pool:
        list(pool.map(lambda name: fleet.run(name, command), HOSTS))
        begun = time.monotonic()
        recovered = list(pool.map(lambda name: recover(fleet, name, begun), HOSTS))
    table[fault] = dict(zip(HOSTS, recovered, strict=True))
    for name, (seconds, leaked, last) in zip(HOSTS, recovered, strict=True):
        assert seconds is not None, f"{name} is not as declared after {DEADLINE} s: {last}"
        assert may_leak or not leaked, f"{name}: what is denied passed: {leaked}"


def recover(fleet, name: str, begun: float) -> tuple[float | None, list[str], Round]:
    """Probe until all is as declared: seconds that it took (None: too long), what leaked until then, the last round."""
    leaked: set[str] = set()
    while True:
        found = fleet.probe(name)
        passed = time.monotonic() - begun
        if found.good:
            return passed, sorted(leaked), found
        leaked.update(found.leaked)
        if passed > DEADLINE:
            return None, sorted(leaked), found
