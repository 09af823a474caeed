# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the domain's tests share: a declaration as a person writes it, to a plan; golden files of messages."""

from __future__ import annotations

import os
import pathlib
import typing as t

import yaml

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.addressing import Prefix
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.fleet import parse_fleet, parse_host
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.leases.leases import LeaseBook
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.plan.plan import FleetPlan, make_plan

GOLDEN = pathlib.Path(__file__).parents[3] / "golden"


def plan_of(
    fleet: dict[str, t.Any],
    hosts: dict[str, dict[str, t.Any]],
    groups: dict[str, list[str]] | None = None,
    held: LeaseBook | None = None,
    renumber: bool = False,
    avoid: t.Collection[Prefix] = (),
) -> FleetPlan:
    """``fleet`` and ``hosts`` are variables without their prefix; a host's ``ansible_host`` is among its own."""
    book = held or LeaseBook()
    declared = parse_fleet(fleet, book.host_length, book.slot_length)
    parsed = []
    for name, variables in hosts.items():
        own = {key: value for key, value in variables.items() if key != "ansible_host"}
        parsed.append(parse_host(name, own, variables.get("ansible_host", name)))
    return make_plan(declared, parsed, groups or {}, held, renumber, avoid)


def message_of(function: t.Callable[..., object], *arguments: object) -> str:
    """The message of the error that a call raises."""
    try:
        function(*arguments)
    except FleetnetError as error:
        return str(error)
    raise AssertionError(f"no error: {arguments!r}")


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as such."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _represent_text)


def assert_golden(name: str, content: t.Any) -> None:
    """Compare data with a golden file. ``FLEETNET_RECORD=1`` records it; read the difference before you commit it."""
    path = GOLDEN / name
    if os.environ.get("FLEETNET_RECORD"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"---\n{yaml.dump(content, Dumper=_Dumper, sort_keys=False, width=116)}", encoding="utf-8")
    assert content == yaml.safe_load(path.read_text(encoding="utf-8"))
