# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The networks and endpoints of converge.yml on each engine, and networks of other owners."""

from __future__ import annotations

from testinfra.host import Host


def test_only_the_declared_networks_and_foreign_ones_exist(host: Host) -> None:
    names = host.check_output("docker network ls --format '{{.Name}}'").split()
    assert sorted(names) == sorted(["bridge", "host", "none", "theirs", "web", "dual", "config", "made", "auto"])


def test_web_is_as_declared(host: Host, docker_network) -> None:
    web = docker_network("web")
    assert (web.subnet, web.gateway) == ("10.67.3.0/24", "10.67.3.1")
    expected = {
        "com.docker.network.bridge.enable_ip_masquerade": "false",
        "com.docker.network.bridge.name": "fn-web",
        "com.docker.network.driver.mtu": "1400",
    }
    if int(host.check_output("docker version -f '{{.Server.Version}}'").split(".")[0]) >= 28:
        expected["com.docker.network.bridge.gateway_mode_ipv4"] = "nat-unprotected"
    assert {key: value for key, value in web.options.items() if "enable_ipv" not in key} == expected
    assert web.labels == {"io.fleetnet.managed": "true"}
    assert host.interface("fn-web").addresses[0] == "10.67.3.1"
    masquerade = "(iptables-save -t nat; nft list table ip docker-bridges 2>/dev/null) | grep -i ' masquerade' || true"
    # Networks that are not managed have such a rule.
    assert "10.64" in host.check_output(masquerade) or "172." in host.check_output(masquerade)
    assert "10.67.3.0/24" not in host.check_output(masquerade)


def test_dual_and_made_are_as_declared(host: Host, docker_network) -> None:
    dual = docker_network("dual")
    assert dual.ipv6
    assert dual.internal
    assert (dual.subnet, dual.subnet_v6) == ("10.67.4.0/24", "fd00:67:4::/64")
    assert dual.labels == {"io.fleetnet.managed": "true", "team": "a"}
    assert host.check_output("docker network inspect -f '{{.ConfigFrom.Network}}' made") == "config"
    assert docker_network("made").options["com.docker.network.driver.mtu"] == "1450"


def test_endpoints_are_restored(host: Host, container) -> None:
    fixed = container("fixed")
    assert fixed.address_on("web") == "10.67.3.50"
    assert "www" in fixed.endpoint("web")["aliases"]
    dynamic = container("dynamic")
    assert dynamic.address_on("web") == "10.67.3.2"
    assert "api" in dynamic.endpoint("web")["aliases"]
    links, configured = "{{.NetworkSettings.Networks.web.Links}}", "{{.NetworkSettings.Networks.web.IPAMConfig}}"
    assert host.check_output("docker inspect -f %s dynamic", links) == "[fixed:peer]"
    assert "10.67.3.60" in host.check_output("docker inspect -f %s stopped", configured)


def test_names_resolve_and_packets_pass(host: Host) -> None:
    for name in ("www", "peer", "fixed"):
        assert host.run("docker exec dynamic ping -c1 -W2 %s", name).rc == 0
    assert host.run("docker exec fixed ping -c1 -W2 api").rc == 0


def test_a_stopped_container_starts_on_the_recreated_network(host: Host, container, network_info) -> None:
    host.check_output("docker start stopped")
    network_info.forget()
    assert container("stopped").address == "10.67.3.60"
    assert host.run("docker exec dynamic ping -c1 -W2 10.67.3.60").rc == 0


def test_connected_containers_are_connected(docker_network) -> None:
    assert docker_network("auto").has("dynamic")
