# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Draw the fleet. See plugins/modules/fleet_topology.py for its documentation."""

from __future__ import annotations

import datetime
import json
import os
import typing as t

from ansible.utils.display import Display

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError, InvalidValue
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.policy import Policy
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.printable import unattributed
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.topology import dot, mermaid, page, verified
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.topology.build import build
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.topology.model import Topology
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.topology.policy.proofs import (
    CoverageFile,
    parse_coverage,
)
from ansible_collections.fleetnet.docker.plugins.plugin_utils import graph_library
from ansible_collections.fleetnet.docker.plugins.plugin_utils.files import make_folder, write_atomically
from ansible_collections.fleetnet.docker.plugins.plugin_utils.fleet_action import FleetAction, Result
from ansible_collections.fleetnet.docker.plugins.plugin_utils.inventory import Inventory

_PAGE = os.path.join(os.path.dirname(__file__), "..", "..", "roles", "docker_topology", "files")
_SCRIPTS = ("layout.js", "drawing.js", "policy.js", "details.js", "controls.js", "paper.js")
_FILES = {"html": "topology.html", "mermaid": "topology.mmd", "dot": "topology.dot", "json": "topology.json"}


class NoPage(FleetnetError):
    """The HTML page is requested and cannot be written."""


class ActionModule(FleetAction):
    """The action."""

    WRITES = ("dest",)
    ARGUMENT_SPEC: t.ClassVar[Result] = {
        "group": {"type": "str"},
        "hosts": {"type": "dict", "required": True},
        "peers": {"type": "list", "elements": "dict", "required": True},
        "policy": {"type": "dict"},
        "observed": {"type": "list", "elements": "str", "required": True},
        "reachability_file": {"type": "path"},
        "coverage_file": {"type": "path"},
        "dest": {"type": "path", "required": True},
        "show_undeclared": {"type": "bool", "default": False},
        "formats": {"type": "list", "elements": "str", "choices": list(_FILES)},
    }

    def work(self, inventory: Inventory, arguments: Result) -> Result:
        reports = inventory.reports(*arguments["observed"], with_failures=True)
        failures: dict[str, str] = {}
        parts: dict[str, Result] = {}
        for name in arguments["observed"]:
            for host, found in inventory.registered(name, with_failures=True).items():
                if found.get("failed") or found.get("unreachable"):
                    failures.setdefault(host, unattributed(host, str(found.get("msg") or "")))
                else:
                    parts.update({host: found["parts"]} if "parts" in found else {})
        verdicts, verified_at = _read_verdicts(arguments["reachability_file"])
        coverage = _read_coverage(arguments["coverage_file"])
        policy = Policy.from_data(arguments["policy"]) if arguments["policy"] else None
        topology = build(
            arguments["hosts"], arguments["peers"], reports, verdicts, verified_at, failures, parts, coverage, policy
        )
        warnings = []
        formats = arguments["formats"] or list(_FILES)
        library: list[str] = []
        try:
            library = graph_library.scripts() if "html" in formats else []
        except graph_library.LibraryMissing as missing:
            if arguments["formats"]:
                raise NoPage(f"formats: the HTML page cannot be written: {missing}") from None
            warnings.append(f"the HTML page was not written; the other formats were: {missing}")
            formats.remove("html")
        undeclared = arguments["show_undeclared"]
        texts = {name: render(name, topology, library, undeclared) for name in formats}
        make_folder(arguments["dest"])
        files = {name: os.path.join(os.path.abspath(arguments["dest"]), _FILES[name]) for name in texts}
        for name, text in texts.items():
            write_atomically(files[name], text)
        lines = ["Topology: " + "; ".join(topology.summary()), *(f"  {path}" for path in files.values())]
        Display().display("\n" + "\n".join(lines) + "\n")
        result: Result = {"changed": False, "files": files, "summary": topology.summary()}
        if warnings:
            result["warnings"] = warnings
        return result


def _read_verdicts(path: str | None) -> tuple[list[Result] | None, str | None]:
    """Return the verdicts of the last verification and their time; None without a file."""
    if not path:
        return None, None
    try:
        with open(path, encoding="utf-8") as file:
            verdicts = verified.parse(json.load(file))
        written = datetime.datetime.fromtimestamp(os.stat(path).st_mtime, tz=datetime.timezone.utc)
    except FileNotFoundError:
        return None, None
    except ValueError as error:
        raise InvalidValue(
            "reachability_file", path, f"is not a report of fleet_report: {error}. Run playbooks/verify.yml again."
        ) from None
    return verdicts, written.strftime("%Y-%m-%d %H:%M UTC")


def _read_coverage(path: str | None) -> CoverageFile | None:
    """Return the coverage of the last verification; None without a file."""
    if not path:
        return None
    try:
        with open(path, encoding="utf-8") as file:
            return parse_coverage(json.load(file))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise InvalidValue(
            "coverage_file", path, f"is not a report of fleet_report: {error}. Run playbooks/verify.yml again."
        ) from None


def render(name: str, topology: Topology, library: list[str], show_undeclared: bool = False) -> str:
    """Return the topology in a format; the page needs the scripts of the graph library."""
    if name == "html":
        own = [_own(script) for script in _SCRIPTS]
        return page.render(
            topology, page.PageParts(_own("page.html"), _own("page.css"), library + own), show_undeclared
        )
    if name == "mermaid":
        return mermaid.render(topology)
    return dot.render(topology) if name == "dot" else json.dumps(topology.to_data(), indent=1) + "\n"


def _own(name: str) -> str:
    with open(os.path.join(_PAGE, name), encoding="utf-8") as file:
        return file.read()
