# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What converge.yml has declared, as each engine has it: networks, endpoints, and everybody else's networks."""

from __future__ import annotations

import json
import typing as t

from testinfra.host import Host


def network(host: Host, name: str) -> dict[str, t.Any]:
    (found,) = json.loads(host.check_output("docker network inspect %s", name))
    return dict(found)


def endpoint(host: Host, container: str, name: str) -> dict[str, t.Any]:
    (found,) = json.loads(host.check_output("docker container inspect %s", container))
    return dict(found["NetworkSettings"]["Networks"][name])


def test_the_declared_networks_and_foreign_ones_are_there_and_no_other(host: Host) -> None:
    names = host.check_output("docker network ls --format '{{.Name}}'").split()
    assert sorted(names) == sorted(["bridge", "host", "none", "theirs", "web", "dual", "config", "made", "auto"])


def test_web_is_as_declared(host: Host) -> None:
    web = network(host, "web")
    assert web["IPAM"]["Config"] == [{"Subnet": "10.67.3.0/24", "Gateway": "10.67.3.1"}]
    expected = {
        "com.docker.network.bridge.enable_ip_masquerade": "false",
        "com.docker.network.bridge.name": "fn-web",
        "com.docker.network.driver.mtu": "1400",
    }
    if int(host.check_output("docker version -f '{{.Server.Version}}'").split(".")[0]) >= 28:
        expected["com.docker.network.bridge.gateway_mode_ipv4"] = "nat-unprotected"
    assert {key: value for key, value in web["Options"].items() if "enable_ipv" not in key} == expected
    assert web["Labels"] == {"io.fleetnet.managed": "true"}
    assert host.interface("fn-web").addresses[0] == "10.67.3.1"
    assert "10.67.3.0/24" not in host.check_output("iptables-save -t nat | grep MASQUERADE || true")


def test_dual_and_made_are_as_declared(host: Host) -> None:
    dual = network(host, "dual")
    assert dual["EnableIPv6"]
    assert dual["Internal"]
    assert sorted(block["Subnet"] for block in dual["IPAM"]["Config"]) == ["10.67.4.0/24", "fd00:67:4::/64"]
    assert dual["Labels"] == {"io.fleetnet.managed": "true", "team": "a"}
    made = network(host, "made")
    assert made["ConfigFrom"] == {"Network": "config"}
    assert made["Options"]["com.docker.network.driver.mtu"] == "1450"


def test_endpoints_came_back_as_they_were(host: Host) -> None:
    fixed = endpoint(host, "fixed", "web")
    assert fixed["IPAddress"] == "10.67.3.50"
    assert "www" in fixed["Aliases"]
    dynamic = endpoint(host, "dynamic", "web")
    assert dynamic["IPAddress"] == "10.67.3.2"
    assert "api" in dynamic["Aliases"]
    assert dynamic["Links"] == ["fixed:peer"]
    assert endpoint(host, "stopped", "web")["IPAMConfig"]["IPv4Address"] == "10.67.3.60"


def test_names_resolve_and_packets_pass(host: Host) -> None:
    for name in ("www", "peer", "fixed"):
        assert host.run("docker exec dynamic ping -c1 -W2 %s", name).rc == 0
    assert host.run("docker exec fixed ping -c1 -W2 api").rc == 0


def test_a_stopped_container_starts_on_the_network_made_anew(host: Host) -> None:
    host.check_output("docker start stopped")
    assert endpoint(host, "stopped", "web")["IPAddress"] == "10.67.3.60"
    assert host.run("docker exec dynamic ping -c1 -W2 10.67.3.60").rc == 0


def test_connected_is_done(host: Host) -> None:
    assert endpoint(host, "dynamic", "auto")["IPAddress"]
