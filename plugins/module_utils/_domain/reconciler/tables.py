# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The owner of tables, as text for nft. Pure.

The kernel lets a process own a table (``flags owner``, Linux 5.12, nft 1.0): others cannot flush, change or delete it.
With ``persist`` (Linux 6.9, nft 1.1) the table outlives its owner, and the next owner adopts it.
"""

from __future__ import annotations

import re
import typing as t

# From the strongest to none.
OWNERSHIPS = ("owner,persist", "owner", "")

_BLOCK = re.compile(r"^table (\S+ \S+) \{\n(.*?)^\}\n", re.MULTILINE | re.DOTALL)
_FLAGS = re.compile(r"^\tflags (.*)\n", re.MULTILINE)


def table_blocks(text: str) -> dict[str, str]:
    """The contents of each table (FAMILY NAME) in the text of a file, or of a list of tables."""
    return {found.group(1): found.group(2) for found in _BLOCK.finditer(re.sub(r" # progname .*", "", text))}


def ownership(block: str) -> str:
    """The flags of a listed table that are about its owner."""
    found = _FLAGS.search(block)
    flags = found.group(1).split(",") if found else []
    return ",".join(flag for flag in ("owner", "persist") if flag in flags)


def owned_text(text: str, flags: str, present: t.Mapping[str, str]) -> str:
    """Return the commands that load a file of tables in one transaction, each with the owner's ``flags``.

    ``text`` adds, deletes and defines each table. ``present``: the tables that the kernel has, with the flags that they
    have. A command that names an existing table must repeat these.
    """
    for table in table_blocks(text):
        had = present.get(table, "")
        if had:
            text = text.replace(f"add table {table}\n", f"add table {table} {{ flags {_adopted(had)}; }}\n", 1)
        if flags:
            text = text.replace(f"\ntable {table} {{\n", f"\ntable {table} {{\n\tflags {flags}\n", 1)
    return text


def _adopted(flags: str) -> str:
    """The flags that make this process the owner of a table that lost its owner."""
    return flags if "owner" in flags else f"owner,{flags}"
