# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables in plain text and in Markdown. Plain text survives logs, mail and CI."""

from __future__ import annotations

import typing as t


def table(head: t.Sequence[str], rows: t.Sequence[t.Sequence[str]], indent: str = "  ") -> list[str]:
    """Return the lines of a table whose columns are as wide as their widest cell."""
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    return [
        (indent + "  ".join(cell.ljust(width) for cell, width in zip(row, widths))).rstrip()  # equal length
        for row in [head, *rows]
    ]


def markdown_table(head: t.Sequence[str], rows: t.Sequence[t.Sequence[str]]) -> list[str]:
    """Return the lines of a table in Markdown."""
    lines = [list(head), ["---"] * len(head), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in lines]
