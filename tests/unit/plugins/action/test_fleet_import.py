# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of an import: real ansible-playbook runs that contact no host."""

from __future__ import annotations

import pytest
import yaml

from ..module_utils._domain.importing.observed_hosts import report
from .controller import words

SHOP = {
    "networks": [{"name": "shop", "subnets": ["172.18.0.0/16"], "labels": {"x": "{{ 1 + 1 }}", "y": "no"}}],
    "links": [{"name": "eth0", "addresses": ["192.0.2.1/24"]}],
}
BLOG = {"networks": [{"name": "blog", "subnets": ["172.19.0.0/16"]}]}


@pytest.fixture
def importing(controller):
    """Run the action for two hosts. Returns its output."""
    reports = {"h1": report("h1", SHOP), "h2": report("h2", BLOG)}
    hosts = {name: {"seen": {"network_info": each}} for name, each in reports.items()}
    options = {
        "observed": "seen",
        "dest": "{{ dest }}",
        "lock_file": f"{{{{ lock | default('{controller.lock}') }}}}",
    }
    task = {"fleetnet.docker.fleet_import": options, "run_once": True}
    playbook = controller.folder / "import.yml"
    playbook.write_text(yaml.safe_dump([{"hosts": "docker_fleet", "gather_facts": False, "tasks": [task]}]))
    controller.declare(hosts, {"docker_fleet_backend": "host_gw"})

    def run(*arguments, dest="docker_fleet.import.yml", **more):
        path = controller.folder / dest
        return words(controller.run("-e", f"dest={path}", *arguments, playbook=str(playbook), **more))

    run.file = controller.folder / "docker_fleet.import.yml"
    return run


def test_the_file_is_an_inventory_whose_plan_changes_no_lease(controller, importing):
    output = importing()
    assert "network shop: h1 172.18.0.0/16" in output
    assert "changed=1" in output
    held = controller.lock.read_text()
    planned = words(controller.run("-i", str(importing.file)))
    assert "changed=0" in planned
    assert "h1 192.0.2.1 10.64.0.0/20 as it is - 172.18.0.0/16 as it is" in planned
    assert controller.lock.read_text() == held


def test_a_file_in_group_vars_has_variables(controller, importing):
    (controller.folder / "group_vars").mkdir()
    importing(dest="group_vars/docker_fleet.yml")
    declared = yaml.safe_load((controller.folder / "group_vars" / "docker_fleet.yml").read_text())
    assert [each["name"] for each in declared["docker_fleet_networks"]] == ["blog", "shop"]
    assert declared["docker_fleet_networks"][1]["labels"] == {"y": "no"}
    assert "changed=0" in words(controller.run())


def test_check_mode_writes_no_file(controller, importing):
    output = importing("--check", "--diff")
    assert "+ docker_fleet_supernet: 10.64.0.0/12" in output
    assert "changed=1" in output
    assert not importing.file.exists()
    assert not controller.lock.exists()


@pytest.mark.parametrize("text", ["mine: 1\n", "a: 2024-13-45\n", "[", "docker_fleet: {vars: 1}\n", "- {}\n"])
def test_no_file_is_overwritten(controller, importing, text):
    importing.file.write_text(text)
    output = importing(fails=True)
    assert "docker_fleet.import.yml: exists with another content, and the import does not overwrite it. " in output
    assert "Move it away, or set docker_fleet_import_file to another path." in output
    assert importing.file.read_text() == text
    assert not controller.lock.exists()
    importing.file.rename(controller.folder / "moved")
    importing()
    assert "changed=0" in importing()


def test_the_error_names_the_networks_that_differ(controller, importing):
    importing()
    imported = importing.file.read_text()
    lock = controller.lock.read_text()
    other = imported.replace("172.18.0.0/16", "172.28.0.0/16")
    for text in (other, other.replace("# Written by", "# Edited by"), imported + "    a: 2024-13-45\n"):
        importing.file.write_text(text)
        output = importing(fails=True)
        assert ("does not overwrite it; different: shop. Move it away" in output) == (text is other)
        assert "does not overwrite it" in output
        assert importing.file.read_text() == text
    assert controller.lock.read_text() == lock


def test_a_second_run_continues_one_that_was_killed(controller, importing):
    """Without a lock file, as if it was killed after it wrote the first file; and with both files."""
    vpn = {"destination": "10.64.0.0/12", "gateway": "192.0.2.9", "device": "tun0", "protocol": 3, "table": 254}
    hosts = {
        "h1": {"seen": {"network_info": report("h1", {**SHOP, "routes": [{**vpn, "type": "unicast", "metric": 0}]})}}
    }
    controller.declare(hosts, {"docker_fleet_backend": "host_gw"})
    importing()
    imported, lock = importing.file.read_text(), controller.lock.read_text()
    assert "10.80.0.0/12" in imported
    controller.lock.unlink()
    assert "changed=1" in importing()
    assert (importing.file.read_text(), controller.lock.read_text()) == (imported, lock)
    assert "changed=0" in importing()


def test_the_file_may_be_a_part_of_the_inventory(importing):
    importing()
    imported = importing.file.read_text()
    assert "changed=0" in importing("-i", str(importing.file))
    importing.file.write_text(imported.replace("172.18.0.0/16", "172.28.0.0/16"))
    assert "does not overwrite it; different: shop." in importing("-i", str(importing.file), fails=True)


def test_variables_of_a_file_that_is_not_of_the_import_are_the_users(controller, importing):
    """The file that the import would write is a part of the inventory, and declares a supernet."""
    text = "docker_fleet: {vars: {docker_fleet_supernet: 10.96.0.0/12}}\n"
    importing.file.write_text(text)
    output = importing("-i", str(importing.file), "--diff", dest="other.yml")
    wanted = importing.file.with_name("other.yml").read_text()
    assert "docker_fleet_supernet" not in wanted
    controller.lock.unlink()
    assert "does not overwrite it. Move it away" in importing("-i", str(importing.file), fails=True)
    assert importing.file.read_text() == text
    assert "proposed supernet" not in output


def test_hosts_that_are_not_read_have_no_networks(controller, importing):
    importing()
    imported = importing.file.read_text()
    controller.declare(
        {"h1": {"seen": {"network_info": report("h1", SHOP)}}, "h2": {}}, {"docker_fleet_backend": "host_gw"}
    )
    assert "does not overwrite it; no longer there: blog. Move it away" in importing(fails=True)
    assert importing.file.read_text() == imported
    output = importing(dest="other.yml")
    other = importing.file.with_name("other.yml")
    assert "host h2: not read, and so without networks in" in output
    assert "not read: host h2" in output
    assert [each["name"] for each in _declared(other)["docker_fleet_networks"]] == ["shop"]
    assert "# Not read, and so without networks here: host h2." in other.read_text()


def test_the_lock_file_is_not_overwritten(importing):
    output = importing("-e", f"lock={importing.file}", fails=True)
    assert "is the lock file. Set it to another path." in output
    assert not importing.file.exists()


def _declared(file):
    return yaml.safe_load(file.read_text())["docker_fleet"]["vars"]


def test_a_fleet_that_is_declared_is_not_imported(controller, importing):
    importing()
    other = controller.folder / "other.yml"
    other.write_text(importing.file.read_text())
    importing.file.unlink()
    output = importing("-i", str(other), fails=True)
    assert "docker_fleet_networks: '...': is declared already" in output


def test_what_the_command_line_declares_is_in_the_file(controller, importing):
    given = ("-e", "docker_fleet_supernet=10.96.0.0/19", "-e", '{"docker_fleet_cloud_metadata": "closed"}')
    importing(*given)
    declared = _declared(importing.file)
    assert declared["docker_fleet_supernet"] == "10.96.0.0/19"
    assert declared["docker_fleet_host_prefix_length"] == 21
    assert declared["docker_fleet_cloud_metadata"] == "closed"
    assert "changed=0" in words(controller.run("-i", str(importing.file)))
    assert "changed=0" in importing(*given)
    assert "changed=0" in importing("-i", str(importing.file))


@pytest.mark.parametrize("supernet", [["-e", "docker_fleet_supernet=10.96.0.0/19"], []])
def test_supernets_of_both_ip_versions_are_imported_once(controller, importing, supernet):
    networks = [*SHOP["networks"], {"name": "six", "subnets": ["fd00:1::/64"]}]
    hosts = {"h1": {"seen": {"network_info": report("h1", {**SHOP, "networks": networks})}}}
    controller.declare(hosts, {"docker_fleet_backend": "host_gw"})
    given = (*supernet, "-e", "docker_fleet_supernet_v6=fd00:64::/44")
    importing(*given)
    imported = importing.file.read_text()
    assert [each["name"] for each in _declared(importing.file)["docker_fleet_networks"]] == ["shop", "six"]
    for again in (given, ("-i", str(importing.file)), (*given, "-i", str(importing.file))):
        assert "changed=0" in importing(*again)
    assert importing.file.read_text() == imported
