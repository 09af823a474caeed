# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Record the answers and rules of an engine, without and with firewalld, as the files of this folder hold them.

Runs on a host, after ``example.sh``: ``script/fleet exec h1 -- python3 -c "$(cat record.py)"``.
"""

from __future__ import annotations

import json
import subprocess
import time

import docker


def output(*argv):
    done = subprocess.run(argv, check=False, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return done.stdout


def rules():
    """The rules as each program lists them, without counters and times."""
    return {
        "nft -a": output("nft", "-s", "-a", "list", "ruleset").splitlines(),
        "nft -j": json.loads(output("nft", "-s", "-j", "list", "ruleset"))["nftables"],
        "iptables -S": output("iptables", "-t", "nat", "-S").splitlines(),
        "ip6tables -S": output("ip6tables", "-t", "nat", "-S").splitlines(),
        "iptables-save": [line for line in output("iptables-save").splitlines() if line[:1] != "#"],
        "ip6tables-save": [line for line in output("ip6tables-save").splitlines() if line[:1] != "#"],
    }


def answers():
    client = docker.APIClient(version="auto")
    return {
        "version": {name: client.version().get(name) for name in ("Version", "ApiVersion", "MinAPIVersion")},
        "info": {"FirewallBackend": client.info().get("FirewallBackend")},
        "networks": client.networks(),
        "inspected": client.inspect_network("dual"),
        "containers": client.containers(),
    }


def firewall():
    """What shows which firewall an engine uses: its answer, and the tables."""
    backend = docker.APIClient(version="auto").info().get("FirewallBackend")
    return {"info": {"FirewallBackend": backend}, "tables": output("nft", "list", "tables").splitlines()}


def lines(part):
    """JSON with one line per element of a list."""
    texts = []
    for name, value in sorted(part.items()):
        if isinstance(value, list):
            elements = ",\n  ".join(json.dumps(each, sort_keys=True) for each in value)
            texts.append(f"{json.dumps(name)}: [\n  {elements}]")
        else:
            texts.append(f"{json.dumps(name)}: {json.dumps(value, sort_keys=True)}")
    return ",\n ".join(texts)


recorded = {"answers": answers(), "rules": rules()}
subprocess.run(["systemctl", "start", "firewalld"], check=True)
time.sleep(3)
subprocess.run(["systemctl", "reset-failed", "docker"], check=True)  # it restarts only a few times per minute
subprocess.run(["systemctl", "restart", "docker"], check=True)
recorded["firewalld"] = firewall()
print("{" + ",\n".join(f"{json.dumps(name)}: {{{lines(part)}}}" for name, part in sorted(recorded.items())) + "}")
