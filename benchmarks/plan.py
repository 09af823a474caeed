# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Measure the planner on a large fleet: script/env python benchmarks/plan.py [--hosts 10000]

Generates two inventories with ten networks in a temporary folder, one with all hosts and one with a tenth of them, and
prints the cost of planning as ratios, measured in the same run. All times are CPU seconds of a command with its
children, so that other load on the machine has little effect.

The hosts do not exist. So `playbooks/plan.yml --check` runs with `--skip-tags docker_fleet_contact`: the complete
plan, no task on any host. The reports of the hosts are generated. The line "planning and checks" includes checking the
plan against them.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time
import typing as t

ROOT = pathlib.Path(__file__).resolve().parents[1]
NETWORKS = 10
# The maximum of each ratio, and of memory in GiB.
LIMITS = {"growth": 12, "core": 0.5, "playbook": 4, "memory": 1.5}


class Cost(t.NamedTuple):
    """CPU seconds of a command with its children, and their peak memory together, in bytes."""

    cpu: float
    memory: int = 0


def address(number: int) -> str:
    return f"172.31.{number >> 8}.{number & 255}"


def write_inventory(folder: pathlib.Path, hosts: int) -> None:
    (folder / "group_vars").mkdir(parents=True)
    lines = ["---", "docker_fleet:", "  hosts:"]
    for number in range(hosts):
        lines += [f"    h{number:05d}:", f"      ansible_host: {address(number)}"]
    (folder / "hosts.yml").write_text("\n".join(lines) + "\n")
    # JSON is YAML.
    prefixed = {f"docker_fleet_{key}": value for key, value in declaration().items()}
    (folder / "group_vars" / "docker_fleet.yml").write_text(json.dumps(prefixed) + "\n")


def declaration() -> dict[str, t.Any]:
    return {
        "supernet": "10.0.0.0/8",
        "host_prefix_length": 22,
        "network_prefix_length": 27,
        "networks": [f"n{number}" for number in range(NETWORKS)],
        "policy": [
            {"from": "n0", "to": "n1", "ports": [80, 443]},
            {"from": "any", "to": "n2", "ports": 53, "protocol": "udp"},
        ],
    }


def report(slice_: dict[str, t.Any], number: int) -> dict[str, t.Any]:
    """Return what network_info returns for a provisioned host with a LAN, a VPN and a network created by compose."""
    links = [{"name": "lo", "addresses": ["127.0.0.1/8"]}, {"name": "eth0", "addresses": [f"{address(number)}/16"]}]
    routes = [
        {"destination": "0.0.0.0/0", "gateway": "172.31.255.254", "device": "eth0", "protocol": 3},
        {"destination": "172.31.0.0/16", "gateway": None, "device": "eth0", "protocol": 2},
        {"destination": "192.168.0.0/16", "gateway": "172.31.255.253", "device": "eth0", "protocol": 4},
        {"destination": "100.64.0.0/10", "gateway": None, "device": "tun0", "protocol": 4},
    ]
    networks = []
    pool = slice_["default_bridge"]["default_address_pools"][0]["base"].split("/")[0]
    for name, bridge, subnet, gateway in [
        *((i["name"], i["bridge_name"], *i["ipam_config"][0].values()) for i in slice_["networks"]),
        ("shop_default", "br-0123456789ab", f"{pool}/27", pool[:-1] + "1"),
    ]:
        networks.append({"name": name, "bridge": bridge, "managed": bridge[0] == "f", "subnets": [{"subnet": subnet}]})
        links.append({"name": bridge, "addresses": [f"{gateway}/{subnet.split('/')[1]}"]})
        routes.append({"destination": subnet, "gateway": None, "device": bridge, "protocol": 2})
    return {
        "networks": networks,
        "links": links,
        "routes": routes,
        "resolver": ["172.31.255.253", "9.9.9.9"],
        "control_path": {"client": "172.31.255.252", "server": address(number)},
    }


def core(hosts: int) -> None:
    """Plan, check the plan against reports, and print the CPU seconds. Runs in a process of its own."""
    sys.path.insert(0, os.environ["ANSIBLE_COLLECTIONS_PATH"])
    from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.fleet import (
        parse_fleet,
        parse_host,
    )
    from ansible_collections.fleetnet.docker.plugins.module_utils._domain.leases import lockfile
    from ansible_collections.fleetnet.docker.plugins.module_utils._domain.leases.leases import LeaseBook
    from ansible_collections.fleetnet.docker.plugins.module_utils._domain.plan import address_table
    from ansible_collections.fleetnet.docker.plugins.module_utils._domain.plan.conflicts import check_conflicts
    from ansible_collections.fleetnet.docker.plugins.module_utils._domain.plan.plan import make_plan
    from ansible_collections.fleetnet.docker.plugins.module_utils._domain.plan.slices import peers, slices

    def plan(held: LeaseBook) -> t.Any:
        fleet = parse_fleet(declaration(), held.host_length, held.slot_length)
        parsed = [parse_host(f"h{number:05d}", {}, address(number)) for number in range(hosts)]
        return make_plan(fleet, parsed, {}, held)

    first = plan(LeaseBook())
    lock = lockfile.render(first.leases)
    reports = {f"h{number:05d}": report(found, number) for number, found in enumerate(slices(first).values())}

    started = time.process_time()
    gc.disable()  # as the action does
    second = plan(lockfile.parse(lock, "lock"))
    check_conflicts(second, reports)
    result = slices(second), peers(second), second.policy.to_data(), address_table.address_plan(second)
    same = lockfile.render(second.leases) == lock
    spent = time.process_time() - started
    if not same or len(result[0]) != hosts:
        raise SystemExit("the second plan differs from the first, or conflicts with a report")
    print(spent)


def slice_cost(hosts: int) -> None:
    """Print the CPU seconds to template one host's networks from the plan, like roles. Runs in a process of its own."""
    from ansible.parsing.dataloader import DataLoader
    from ansible.plugins.loader import init_plugin_loader
    from ansible.template import Templar, trust_as_template

    init_plugin_loader()
    items = [{"name": f"n{n}", "ipam_config": [{"subnet": "10.0.0.0/27"}]} for n in range(NETWORKS)]
    plan = {"hosts": {f"h{number:05d}": {"networks": [dict(item) for item in items]} for number in range(hosts)}}
    template = trust_as_template("{{ query('fleetnet.docker.fleet_slice', 'networks') | first }}")
    started = time.process_time()
    for number in range(0, hosts, hosts // 100):
        variables = {"docker_fleet_plan": plan, "inventory_hostname": f"h{number:05d}"}
        if len(Templar(DataLoader(), variables=variables).template(template)) != NETWORKS:
            raise SystemExit(f"host h{number:05d}: unexpected number of networks in its slice")
    print((time.process_time() - started) / 100)


def own(*arguments: str) -> float:
    command = [sys.executable, __file__, *arguments]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def measure(folder: pathlib.Path, *command: str) -> Cost:
    """Run a command and return its cost. Raises RuntimeError with its output if it fails."""
    with (folder / "output").open("w+b") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
        peak = [0]
        done = threading.Event()
        watcher = threading.Thread(target=watch, args=(process.pid, done, peak))
        watcher.start()
        _pid, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        done.set()
        watcher.join()
        if process.returncode:
            output.seek(0)
            raise RuntimeError(f"{' '.join(command)}: {output.read()[-2000:].decode()}")
    return Cost(usage.ru_utime + usage.ru_stime, peak[0])


def watch(session: int, done: threading.Event, peak: list[int]) -> None:
    """Sample the memory of all processes of a session. Shared memory counts once (PSS)."""
    while not done.wait(1):
        total = 0
        for entry in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                if os.getsid(int(entry.name)) == session:
                    rollup = (entry / "smaps_rollup").read_text()
                    total += 1024 * int(rollup.split("\nPss:", 1)[1].split()[0])
            except (OSError, IndexError):  # the process has ended, or is ending
                continue
        peak[0] = max(peak[0], total)


def measure_fleet(folder: pathlib.Path, hosts: int) -> dict[str, Cost]:
    write_inventory(folder, hosts)
    playbook = (str(ROOT / "playbooks" / "plan.yml"), "--check", "--skip-tags", "docker_fleet_contact")
    listing = ("ansible-inventory", "-i", str(folder), "--list")
    before = measure(folder, *listing)
    planned = measure(folder, "ansible-playbook", "-i", str(folder), *playbook)
    after = measure(folder, *listing)
    return {
        "ansible-inventory --list": Cost((before.cpu + after.cpu) / 2, before.memory),
        "planning and checks": Cost(own("--core", str(hosts))),
        "plan.yml --check": planned,
        "templating one host's slice": Cost(own("--slice", str(hosts))),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hosts", type=int, default=10_000)
    parser.add_argument("--core", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--slice", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.core:
        core(arguments.core)
        return 0
    if arguments.slice:
        slice_cost(arguments.slice)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        few = measure_fleet(pathlib.Path(folder) / "few", arguments.hosts // 10)
        many = measure_fleet(pathlib.Path(folder) / "many", arguments.hosts)
    print(f"{'CPU seconds':34}{arguments.hosts // 10:>8} hosts{arguments.hosts:>8} hosts   growth   peak memory")
    for name, cost in many.items():
        memory = f"{cost.memory / 2**30:8.2f} GiB" if cost.memory else ""
        print(f"{name:34}{few[name].cpu:>14.3f}{cost.cpu:>14.3f}{cost.cpu / few[name].cpu:>9.1f}   {memory}")
    listing = many["ansible-inventory --list"].cpu
    ratios = [
        ("growth of planning and checks", many["planning and checks"].cpu / few["planning and checks"].cpu, "growth"),
        ("growth of plan.yml --check", many["plan.yml --check"].cpu / few["plan.yml --check"].cpu, "growth"),
        ("planning and checks / ansible-inventory --list", many["planning and checks"].cpu / listing, "core"),
        ("plan.yml --check / ansible-inventory --list", many["plan.yml --check"].cpu / listing, "playbook"),
        ("peak memory of plan.yml --check, GiB", many["plan.yml --check"].memory / 2**30, "memory"),
    ]
    print()
    for name, found, limit in ratios:
        verdict = "met" if found <= LIMITS[limit] else "MISSED"
        print(f"{name:48}{found:>8.2f}   at most {LIMITS[limit]:<5} {verdict}")
    return int(any(found > LIMITS[limit] for _name, found, limit in ratios))


if __name__ == "__main__":
    sys.exit(main())
