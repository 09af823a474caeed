# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The file of the elements that are kept over a boot."""

from __future__ import annotations

import os

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.filled_sets import (
    NO_ELEMENTS,
    Elements,
    parse_saved,
    saved_text,
)


class SavedElements:
    """Reads and writes the file at ``path``."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._text = ""

    def read(self) -> Elements:
        """The elements; none without a valid file."""
        try:
            with open(self._path, encoding="ascii", errors="replace") as file:
                self._text = file.read()
        except OSError:
            return NO_ELEMENTS
        return parse_saved(self._text)

    def write(self, elements: Elements | None) -> str:
        """Replace the file if the elements differ from its own, or it was removed; return the error, or nothing.

        Without the module for files, whose imports would cost this process a megabyte of memory.
        """
        if elements is None:
            return ""
        text = saved_text(elements)
        if text == self._text and os.path.exists(self._path):
            return ""
        new = f"{self._path}.new"
        try:
            os.makedirs(os.path.dirname(self._path), mode=0o700, exist_ok=True)
            with open(new, "w", encoding="ascii") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.replace(new, self._path)
        except OSError as error:
            return str(error)
        self._text = text
        return ""
