# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The path from a living fleet to a declared one. Each test takes the next step."""

from __future__ import annotations

import ipaddress
import re

import yaml

from .conftest import LivingFleet, proposed_steps

# The lines of a preview that are no change of what other programs have.
OWN = re.compile(
    r"(create|update|enable and start|change) (unit fleetnet-|rule |/etc/(fleetnet/|systemd/system/fleetnet-)|sysctl )"
    r"|adopt network (back|shop_default)\Z"
)


def previewed(output: str) -> list[str]:
    """The lines of the changes that a playbook shows."""
    changes = output.partition("\nChanges\n")[2].partition("\nok: ")[0]
    return [line.strip() for line in changes.splitlines() if line.startswith("    ")]


def test_the_import_changes_nothing(fleet: LivingFleet) -> None:
    before = fleet.state()
    output = fleet.run("import")
    assert fleet.state() == before
    lines = previewed(output)
    assert "adopt network shop_default" in lines
    assert [line for line in lines if not OWN.match(line)] == []


def test_the_declaration_is_what_the_hosts_have(fleet: LivingFleet) -> None:
    declared = fleet.declared()
    networks = {network["name"]: network for network in declared["docker_fleet_networks"]}
    assert list(networks) == ["back", "shop_default"]
    shop = networks["shop_default"]
    numbers = {host: number for number, host in enumerate(fleet.addresses, 1)}
    assert shop["subnets"] == {host: f"172.2{number}.0.0/16" for host, number in numbers.items()}
    assert shop["labels"]["com.docker.compose.project"] == "shop"
    assert shop["attachable"] is shop["local"] is shop["adopt"] is True
    assert networks["back"]["gateway"] == -2
    assert declared["docker_fleet_policy"] == [{"from": "any", "to": "shop_default", "protocol": "tcp", "ports": [80]}]
    text = fleet.file.read_text(encoding="utf-8")
    assert "db 172.21.0.10 on h1, job 172.21.0.99 on h1" in text
    assert "Host h1: ufw active." in text
    steps = proposed_steps(text)
    assert [step.network for step in steps] == ["blog_default"] * len(numbers)
    assert steps[-1].host == "h1"  # all have as many containers


def test_the_plan_and_check_mode_change_nothing(fleet: LivingFleet) -> None:
    before, lock = fleet.state(), fleet.lock.read_text(encoding="utf-8")
    lines = previewed(fleet.run("plan"))
    assert [line for line in lines if not OWN.match(line)] == []
    checked = fleet.run("site", "--check")
    assert "failed=0" in checked
    assert fleet.state() == before
    assert fleet.lock.read_text(encoding="utf-8") == lock


def test_a_run_for_one_host_leaves_the_others_what_they_have(fleet: LivingFleet, wait_until) -> None:
    """It names them. Containers of the host reach no container there that they did not reach before."""
    before = fleet.state()
    fleet.start_flows()
    wait_until("all flows pass", lambda: [*fleet.flow("same").values(), *fleet.flow("cross").values()], _all_pass)
    first, *others = fleet.addresses
    targets = [f"172.2{number}.0.10" for number in range(2, len(others) + 2)]
    assert not any(fleet.connects(first, "blog", target, 80) for target in targets)
    for check in (("--check",), ()):
        output = " ".join(fleet.run("site", "--limit", first, *check).split())
        assert f"{', '.join(others)}: not in this run. A host on which site.yml has not run answers no cont" in output
        assert "shop_default -> shop_default: tcp/80" in output
    assert f"NOT PROBED, so not proven: {', '.join(others)} (not in this run: excluded by --limit)" in output
    assert fleet.state() == before
    counts = {host: len(results) for host, results in fleet.flow("cross").items() if host in others}
    wait_until(
        "the flows of the other hosts pass",
        lambda: [fleet.flow("cross")[host][count:][:5] for host, count in counts.items()],
        lambda last: all(results == ["0"] * 5 for results in last),
    )
    assert not any(fleet.connects(first, kind, target, 80) for kind in ("blog", "plain") for target in targets)
    assert all(fleet.connects(other, "shop", fleet.addresses[first], 8080) for other in others)


def test_the_first_run_interrupts_no_container(fleet: LivingFleet, wait_until) -> None:
    before = fleet.state()
    fleet.run("site")
    assert fleet.state() == before
    counts = {host: len(results) for host, results in fleet.flow("cross").items()}
    wait_until(
        "the flows to other hosts pass",
        lambda: [results[counts[host] :][-3:] for host, results in fleet.flow("cross").items()],
        lambda last: all(results == ["0"] * 3 for results in last),
    )
    assert {result for results in fleet.flow("same").values() for result in results} == {"0"}
    recap = fleet.run("site").partition("PLAY RECAP")[2]
    assert recap.count("changed=0") == len(counts)


def test_the_proposed_renumbering(fleet: LivingFleet) -> None:
    before = fleet.state()
    declared = fleet.declared()
    quiet = ("-e", "docker_fleet_verify=false")
    for step in proposed_steps(fleet.file.read_text(encoding="utf-8")):
        lines = [item for item in step.items if "from" in item]
        items = [item for item in step.items if "from" not in item]
        for item in items:
            _declare(fleet, declared, item, lines)
            if len(items) == 1:
                continue
            consent = ("-e", "docker_fleet_allow_disconnect=true") if item is items[-1] else ()
            taken = fleet.run("site", "--limit", step.host, *consent, *quiet)
            assert "changed=0" not in taken.partition("PLAY RECAP")[2]
        fleet.run("site", *quiet)
    fleet.run("verify")
    (blog,) = [each for each in declared["docker_fleet_networks"] if each["name"] == "blog_default"]
    for host, lines_of_host in fleet.state().items():
        assert _others(lines_of_host) == _others(before[host])
        (endpoint,) = [line.split() for line in lines_of_host if line.startswith("endpoint blog_default ")]
        assert ipaddress.ip_address(endpoint[-1]) in ipaddress.ip_network(blog["subnets"][host])
        assert endpoint[-1].startswith("172.18.") is (host == "h1")
    assert {result for results in fleet.flow("same").values() for result in results} == {"0"}


def _all_pass(flows: list[list[str]]) -> bool:
    return all(results[-3:] == ["0"] * 3 for results in flows)


def _declare(fleet: LivingFleet, declared: dict, item: dict, lines: list[dict]) -> None:
    """Put an item, and the lines to it, in place of those with the same name."""
    networks = [each for each in declared["docker_fleet_networks"] if each["name"] != item["name"]]
    declared["docker_fleet_networks"] = [*networks, item]
    policy = [each for each in declared["docker_fleet_policy"] if each["to"] != item["name"]]
    declared["docker_fleet_policy"] = [*policy, *lines]
    fleet.file.write_text(yaml.safe_dump({"docker_fleet": {"vars": declared}}), encoding="utf-8")


def _others(lines: list[str]) -> list[str]:
    """The lines about anything but the endpoints and the network that are renumbered."""
    return [line for line in lines if "blog_default" not in line]
