# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a module ships to a host and loads there: both cost time on each run."""

from __future__ import annotations

import ast
import os
import pathlib
import subprocess
import sys
import typing as t

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._host.engine import connection

COLLECTION = "ansible_collections.fleetnet.docker.plugins"
LOOK = f"import {COLLECTION}.modules.%s, sys; print(*sys.modules)"
PLUGINS = pathlib.Path(str(connection.__file__)).parents[3]

DECLARATION = ("_domain.declaration.fleet", "_domain.leases.", "_domain.plan.")
COMPILER = ("_domain.firewall.compiler", "_domain.firewall.policy", "_domain.firewall.nft_table")
PARTS = ("_host.parts.",)
ENGINE = ("_host.engine.connection", "_host.engine.sdk")


class Shipped(t.NamedTuple):
    """The most files of module_utils that Ansible may ship with a module, and those that it must not ship."""

    most: int
    never: tuple[str, ...]


# Each module that changes a host excludes an undo: five files. host_slice applies all parts of a host, so it ships the
# compiler, networks, daemon and routes. bridge_routing and host_routes install the reconciler, which finishes
# interrupted changes of networks, but plans none.
NETWORK_PLANS = (
    "_domain.networks.plan.",
    "_domain.networks.survey.",
    "_domain.networks.items.",
    "_domain.networks.endpoint_plan.",
    "_host.networks.executor.",
    "_host.networks.reader.",
)
SHIPPED = {
    "bridge_routing": Shipped(114, (*DECLARATION, *NETWORK_PLANS, "_domain.daemon.", "_host.daemon.")),
    "default_bridge": Shipped(49, (*DECLARATION, *COMPILER, "_domain.networks.", "_host.networks.")),
    "host_routes": Shipped(85, (*DECLARATION, *COMPILER, *ENGINE, *NETWORK_PLANS, "_domain.daemon.")),
    "generation_info": Shipped(13, (*COMPILER, *PARTS, *ENGINE, "_domain.daemon.", "_domain.networks.")),
    # host_slice and network_checkpoint also ship the program that undoes a change on the host.
    "host_slice": Shipped(171, (*DECLARATION, "_domain.verify.", "_domain.topology.", "_host.probes.")),
    "network_endpoint": Shipped(53, (*DECLARATION, *COMPILER, *PARTS)),
    "network_info": Shipped(
        39, (*DECLARATION, *COMPILER, *PARTS, "_domain.networks.", "_host.networks.", "_host.daemon.")
    ),
    "network_checkpoint": Shipped(106, (*DECLARATION, *COMPILER, *PARTS, *ENGINE, *NETWORK_PLANS)),
    "networks": Shipped(60, (*DECLARATION, *COMPILER, "_domain.daemon.", "_host.daemon.", "_host.persistence")),
    "packet_trace": Shipped(51, (*DECLARATION, *COMPILER, *PARTS, "_host.daemon.", "_host.networks.")),
    "probe_observer": Shipped(28, (*DECLARATION, *COMPILER, *PARTS, "_host.observe.", "_host.probes.sender")),
    "reachability_info": Shipped(33, (*DECLARATION, *COMPILER, *PARTS, "_host.observe.")),
    "run_lock": Shipped(9, (*DECLARATION, *COMPILER, *PARTS, *ENGINE, "_domain.networks.", "_host.networks.")),
    "remote_api": Shipped(47, (*DECLARATION, *COMPILER, *PARTS, "_domain.networks.", "_host.networks.")),
}


def imported(path: pathlib.Path) -> set[str]:
    """Files of module_utils that a file imports anywhere, also in functions: Ansible ships them all."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"{COLLECTION}.module_utils"):
            name = str(node.module)[len(f"{COLLECTION}.module_utils") :].lstrip(".")
            names = [name, *(f"{name}.{alias.name}" for alias in node.names)]
            found.update(each for each in names if file_of(each).is_file())
    return found


def file_of(name: str) -> pathlib.Path:
    return PLUGINS / "module_utils" / f"{name.replace('.', '/')}.py"


def shipped(module: str) -> set[str]:
    """The transitive closure of a module's imports."""
    found: set[str] = set()
    new = imported(PLUGINS / "modules" / f"{module}.py")
    while new:
        found |= new
        new = {name for each in new for name in imported(file_of(each))} - found
    return found


def test_each_module_that_ships_code_has_a_limit() -> None:
    modules = [path.stem for path in (PLUGINS / "modules").glob("*.py")]
    assert {module for module in modules if shipped(module)} == set(SHIPPED)


@pytest.mark.parametrize("module", SHIPPED)
def test_a_module_ships_what_it_runs(module: str) -> None:
    most, never = SHIPPED[module]
    files = sorted(shipped(module))
    listing = "\n".join(files)
    assert not [name for name in files if f"{name}.".startswith(never)], f"{module} must not ship these"
    assert len(files) <= most, f"{module} ships {len(files)} files, at most {most} are allowed:\n{listing}"


@pytest.mark.parametrize(
    ("module", "spared"),
    [
        ("host_slice", ()),
        ("network_info", ("_host.parts", "_domain.firewall.policy")),
        ("probe_observer", ("_host.parts", "_domain.firewall.policy", "_host.observe.survey", "_host.probes.sender")),
        ("reachability_info", ("_host.parts", "_domain.firewall.policy", "_host.observe.survey")),
    ],
)
def test_a_module_loads_at_start_only_what_each_run_needs(module: str, spared: tuple[str, ...]) -> None:
    # The folder that contains the collection: only Ansible's loader looks for collections elsewhere.
    environment = {**os.environ, "PYTHONPATH": str(PLUGINS.parents[3])}
    command = [sys.executable, "-c", LOOK % module]
    loaded = subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout.split()
    assert f"{COLLECTION}.module_utils._host.engine.connection" in loaded
    # Not every run needs the engine's adapter.
    adapters = ("_host.engine.sdk", "_host.engine.unix_socket")
    unwanted = tuple(f"{COLLECTION}.module_utils.{each}" for each in (*adapters, *spared))
    assert not [name for name in loaded if name.startswith(unwanted)]
