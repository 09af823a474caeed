# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The program that undoes a change, as one file: the modules that it imports, as they are in this collection."""

from __future__ import annotations

import importlib.util
import io
import re
import typing as t
import zipfile

from ansible_collections.fleetnet.docker.plugins.module_utils._host.reconciler.installation import module_source

if t.TYPE_CHECKING:  # so that Ansible ships it, with what it imports, to the host
    from ansible_collections.fleetnet.docker.plugins.module_utils._host.checkpoint import main  # noqa: F401

PACKAGE = "ansible_collections.fleetnet.docker.plugins.module_utils"
_MAIN = f"{PACKAGE}._host.checkpoint.main"
_IMPORT = re.compile(rf"^from ({re.escape(PACKAGE)}[\w.]*) import (\([^)]*\)|.*)$", re.MULTILINE)
_START = f"""import sys

from {_MAIN} import main

sys.exit(main())
"""


def undo_program() -> bytes:
    """A zip file that Python runs with its standard library only. Raises FleetnetError if a source is missing."""
    written = io.BytesIO()
    packages: dict[str, None] = {}
    with zipfile.ZipFile(written, "w") as archive:
        for module, source in sorted(_sources().items()):
            parts = module.split(".")
            packages.update(dict.fromkeys("/".join(parts[:count]) for count in range(1, len(parts))))
            _add(archive, f"{'/'.join(parts)}.py", source)
        for folder in packages:
            _add(archive, f"{folder}/__init__.py", "")
        _add(archive, "__main__.py", _START)
    return written.getvalue()


def _add(archive: zipfile.ZipFile, path: str, text: str) -> None:
    # without a time of its own, so that equal sources make equal programs
    archive.writestr(zipfile.ZipInfo(path), text)


def _sources() -> dict[str, str]:
    """The sources of the program, by module: what it imports, and so on."""
    found: dict[str, str] = {}
    new = [_MAIN]
    while new:
        module = new.pop()
        if module in found:
            continue
        found[module] = module_source(module)
        for imported, names in _IMPORT.findall(found[module]):
            new += _modules(imported, re.findall(r"\w+", re.sub(r"#.*| as \w+", "", names)))
    return found


def _modules(imported: str, names: t.Iterable[str]) -> list[str]:
    """The modules behind ``from imported import names``."""
    spec = importlib.util.find_spec(imported)
    if spec is not None and spec.submodule_search_locations is not None:
        return [f"{imported}.{name}" for name in names]
    return [imported]
