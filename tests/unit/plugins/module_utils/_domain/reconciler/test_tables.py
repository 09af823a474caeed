# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The owner of tables, as text for nft."""

from __future__ import annotations

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.reconciler.tables import (
    owned_text,
    ownership,
    table_blocks,
)

FILE = """\
add table ip fleetnet
delete table ip fleetnet
table ip fleetnet {
\tset endpoints {
\t}
}
add table ip6 fleetnet
delete table ip6 fleetnet
table ip6 fleetnet {
}
"""


@pytest.mark.parametrize(
    ("flags", "present", "added", "defined"),
    [
        ("", {}, ["", ""], ["", ""]),
        ("owner", {}, ["", ""], ["owner", "owner"]),
        ("owner", {"ip fleetnet": ""}, ["", ""], ["owner", "owner"]),
        ("owner", {"ip fleetnet": "owner"}, ["owner", ""], ["owner", "owner"]),
        (
            "owner,persist",
            {"ip fleetnet": "owner,persist", "ip6 fleetnet": "persist"},
            ["owner,persist"] * 2,
            ["owner,persist"] * 2,
        ),
        ("", {"ip fleetnet": "owner", "ip6 fleetnet": "owner,persist"}, ["owner", "owner,persist"], ["", ""]),
    ],
    ids=["none", "new", "without owner before", "own", "left by a killed owner", "released"],
)
def test_commands(flags: str, present: dict[str, str], added: list[str], defined: list[str]) -> None:
    """A command that names an existing table must repeat its flags."""
    expected = ""
    for table, before, now, block in zip(("ip", "ip6"), added, defined, ["\tset endpoints {\n\t}\n", ""], strict=True):
        expected += f"add table {table} fleetnet" + (f" {{ flags {before}; }}\n" if before else "\n")
        expected += f"delete table {table} fleetnet\ntable {table} fleetnet {{\n"
        expected += (f"\tflags {now}\n" if now else "") + block + "}\n"
    assert owned_text(FILE, flags, present) == expected


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("", ""),
        ("\tflags owner\n\n", "owner"),
        ("\tflags owner,persist\n\n", "owner,persist"),
        ("\tflags dormant,persist\n", "persist"),
    ],
)
def test_the_flags_of_a_listed_table(line: str, found: str) -> None:
    listed = table_blocks(f"table ip fleetnet {{ # progname python3\n{line}\tchain a {{\n\t}}\n}}\n")
    assert list(listed) == ["ip fleetnet"]
    assert ownership(listed["ip fleetnet"]) == found
