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
    kept_elements,
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

    def run(self, commands: str, *, elements: bool = False) -> str: ...


class OwnedTables:
    """The tables of a file, and the elements of their sets, which ``derive`` returns for the contents of tables.

    As long as ``derive`` returns None, the sets keep the elements that the kernel has. Tables that it does not have get
    the ``saved`` ones.

    ``ownership`` are the flags that the tables have: "owner,persist", "owner" or "". None if no table was loaded.
    """

    def __init__(
        self,
        nft: Nft,
        path: str,
        derive: t.Callable[[t.Mapping[str, str]], Elements | None],
        saved: Elements = NO_ELEMENTS,
    ) -> None:
        self.ownership: str | None = None
        self._nft = nft
        self._path = path
        self._text = ""
        self._loaded: dict[str, str] = {}
        self._derive = derive
        self._saved = saved
        self._elements = NO_ELEMENTS

    def load(self) -> None:
        """Load the file in one transaction. Tables that it no longer contains are deleted. Raises NftablesError."""
        flags = OWNERSHIPS if self.ownership is None else (self.ownership,)
        try:
            self._replace(self._read(), flags)
        except NftablesError:
            if self._saved == NO_ELEMENTS:
                raise
            # whatever the file of the saved elements contains, the tables are loaded
            self._saved = NO_ELEMENTS
            self._replace(self._read(), flags)

    def disown(self) -> None:
        """Give the ownership up in one transaction: the tables stay when this process ends. Raises NftablesError."""
        if self.ownership:
            self._replace(self._text, ("",))

    def own(self) -> None:
        """Own tables again that were disowned. Raises NftablesError."""
        self._replace(self._text, OWNERSHIPS)

    def release(self) -> None:
        """Disown the tables until the next load. Raises NftablesError."""
        self.disown()
        self.ownership, self._loaded = None, {}

    def refresh(self) -> Elements | None:
        """Set the elements of the sets that the loaded tables have, and return them. Raises NftablesError.

        None as long as ``derive`` returns None, and if no table is loaded.
        """
        elements = self._derive(self._loaded)
        if elements is not None and elements != self._elements:
            self._nft.run(_elements_text(self._loaded, elements))
            self._elements = elements
        return elements if self._loaded else None

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
        elements = self._derive(tables)
        present = self._present(tables, elements=elements is None)
        if elements is None:
            elements = kept_elements(present, tables, self._saved)
        flagged = {table: ownership(block) for table, block in present.items()}
        for each in flags:
            try:
                self._nft.run(removed + owned_text(text, each, flagged) + _elements_text(tables, elements))
            except NftablesError:  # noqa: PERF203 (three rounds)
                if each == flags[-1]:
                    raise
            else:
                self.ownership = each if tables else None
                self._text, self._loaded, self._elements = text, tables, elements
                return

    def _present(self, tables: t.Iterable[str], *, elements: bool) -> dict[str, str]:
        """The contents of those tables that the kernel has."""
        found = {}
        for table in tables:
            try:
                listed = table_blocks(self._nft.run(f"list table {table}\n", elements=elements))
            except NftablesError:  # no such table
                continue
            found[table] = listed.get(table, "")
        return found


def _elements_text(tables: t.Mapping[str, str], elements: Elements) -> str:
    return "".join(elements_text(table, block, elements) for table, block in tables.items())
