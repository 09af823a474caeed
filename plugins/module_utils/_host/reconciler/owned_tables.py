# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The policy's tables in the kernel, owned by this process if nft and the kernel support it."""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.filled_sets import (
    NO_ELEMENTS,
    Elements,
    elements_text,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.reconciler.tables import (
    OWNERSHIPS,
    owned_text,
    ownership,
    table_blocks,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.reconciler.libnftables import NftablesError


class Nft(t.Protocol):
    """What this needs of libnftables."""

    def run(self, commands: str) -> str: ...


class OwnedTables:
    """The tables of a file, and the elements of their sets, which ``derive`` returns for the contents of tables.

    ``ownership`` are the flags that the tables have: "owner,persist", "owner" or "". None if no table was loaded.
    """

    def __init__(self, nft: Nft, path: str, derive: t.Callable[[t.Mapping[str, str]], Elements]) -> None:
        self.ownership: str | None = None
        self._nft = nft
        self._path = path
        self._loaded: dict[str, str] = {}
        self._derive = derive
        self._elements = NO_ELEMENTS

    def load(self) -> None:
        """Load the file in one transaction. Tables that it no longer contains are deleted. Raises NftablesError."""
        self._replace(self._read(), OWNERSHIPS if self.ownership is None else (self.ownership,))

    def release(self) -> None:
        """Leave the tables to nobody in one transaction: they stay when this process ends."""
        if self.ownership:
            self._replace(self._read(), ("",))
        self.ownership, self._loaded = None, {}

    def refresh(self) -> None:
        """Set the elements of the sets that the loaded tables have. Raises NftablesError."""
        elements = self._derive(self._loaded)
        if elements != self._elements:
            self._nft.run(_elements_text(self._loaded, elements))
            self._elements = elements

    def loaded(self, table: str) -> bool:
        """Whether a table (FAMILY NAME) was loaded."""
        return table in self._loaded

    def _read(self) -> str:
        try:
            with open(self._path, encoding="utf-8") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def _replace(self, text: str, flags: t.Sequence[str]) -> None:
        """Try ``flags`` in order. An error of all is about the text, and that of the last one is raised."""
        tables = table_blocks(text)
        removed = "".join(f"delete table {table}\n" for table in self._loaded if table not in tables)
        present, elements = self._present(tables), self._derive(tables)
        for each in flags:
            try:
                self._nft.run(removed + owned_text(text, each, present) + _elements_text(tables, elements))
            except NftablesError:  # noqa: PERF203 (three rounds)
                if each == flags[-1]:
                    raise
            else:
                self.ownership = each if tables else None
                self._loaded, self._elements = tables, elements
                return

    def _present(self, tables: t.Iterable[str]) -> dict[str, str]:
        found = {}
        for table in tables:
            try:
                listed = table_blocks(self._nft.run(f"list table {table}\n"))
            except NftablesError:  # no such table
                continue
            found[table] = ownership(listed.get(table, ""))
        return found


def _elements_text(tables: t.Mapping[str, str], elements: Elements) -> str:
    return "".join(elements_text(table, block, elements) for table, block in tables.items())
