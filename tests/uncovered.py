# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many lines of plugins/ ran in the tests, and which did not.

    python tests/uncovered.py FOLDER

combines the files that coverage.py wrote to FOLDER/data, prints the numbers by folder of plugins/, and writes the lines
that did not run to FOLDER/missing.txt.
"""

from __future__ import annotations

import contextlib
import pathlib
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import coverage

ROOT = pathlib.Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class File:
    """A file relative to the root of the project, the number of its statements, and the lines that did not run."""

    name: str
    statements: int
    missing: tuple[int, ...]

    @property
    def room(self) -> str:
        """The folder that the table names: one of plugins/, for module_utils one of _domain or _host."""
        _plugins, *folders, _file = self.name.split("/")
        return "/".join(folders[1:3] if folders[:1] == ["module_utils"] and folders[1:] else folders[:1])


def measured(folder: pathlib.Path, root: pathlib.Path = ROOT) -> Iterator[File]:
    """All files of plugins/, including those that were never imported."""
    found = coverage.Coverage(data_file=str(folder / "lines"), config_file=str(root / "pyproject.toml"))
    found.combine([str(each) for each in _readable(folder)], keep=True)
    for path in sorted((root / "plugins").rglob("*.py")):
        _name, statements, _excluded, missing, _text = found.analysis2(str(path))
        yield File(str(path.relative_to(root)), len(statements), tuple(missing))
    found.get_data().close()


def _readable(folder: pathlib.Path) -> list[pathlib.Path]:
    """The files of data, without those of processes that were killed while they wrote them."""
    found = []
    for path in sorted(each for each in (folder / "data").iterdir() if each.stat().st_size):
        data = coverage.CoverageData(str(path))
        with contextlib.suppress(coverage.exceptions.DataError), contextlib.closing(data):
            data.read()
            found.append(path)
    return found


def table(files: Iterable[File]) -> list[str]:
    """Lines of text: the total, then each room."""
    rows: dict[str, tuple[int, int]] = {}
    for file in files:
        for room in ("plugins", file.room):
            statements, missing = rows.get(room, (0, 0))
            rows[room] = (statements + file.statements, missing + len(file.missing))
    width = max(map(len, rows), default=0)
    return [
        f"{room:{width}} {_percent(statements, missing):5.1f} % of {statements:5} lines run, {missing:4} do not"
        for room, (statements, missing) in rows.items()
        if statements
    ]


def _percent(statements: int, missing: int) -> float:
    """Rounded down to a tenth, so that only a complete room has 100."""
    return (statements - missing) * 1000 // statements / 10


def ranges(lines: Iterable[int]) -> str:
    """1, 2, 3, 7 as ``1-3, 7``."""
    found: list[list[int]] = []
    for line in sorted(lines):
        if found and found[-1][1] == line - 1:
            found[-1][1] = line
        else:
            found.append([line, line])
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in found)


def main(folder: pathlib.Path, root: pathlib.Path = ROOT) -> None:
    files = list(measured(folder, root))
    missing = folder / "missing.txt"
    missing.write_text("".join(f"{each.name}: {ranges(each.missing)}\n" for each in files if each.missing))
    print(*table(files), sep="\n")
    if ignored := len(list((folder / "data").iterdir())) - len(_readable(folder)):
        print(f"{ignored} files of processes that were killed are ignored")
    print(f"lines that do not run: {missing}")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
