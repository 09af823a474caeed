# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which checks of script/test a change can affect.

    git diff --name-only REVISION | python tests/affected.py CHECK ...

prints those of the checks that depend on one of the files. A check depends on its own files, and on everything that
these use: files that Python imports, and roles, playbooks and plugins that a text names as ``fleetnet.docker.NAME``.
"""

from __future__ import annotations

import ast
import functools
import pathlib
import re
import sys
from collections.abc import Iterable, Iterator

ROOT = pathlib.Path(__file__).resolve().parents[1]
COLLECTION = "ansible_collections.fleetnet.docker."

# Files that every check depends on.
EVERYWHERE = (
    "script/test",
    "script/schedule.sh",
    "script/coverage.sh",
    "script/lib.sh",
    "script/bootstrap",
    "requirements/",
)
# What all scenarios share.
SCENARIO = ("molecule/shared/", "molecule/conftest.py", ".config/molecule/", "testbed/", "script/fleet")
# Files of a check, by its name or its part; "" are all files.
FILES: dict[str, tuple[str, ...]] = {
    "lint": ("",),
    "sanity": ("plugins/", "tests/", "meta/", "changelogs/", "galaxy.yml", "roles/", "playbooks/"),
    "units": (
        "tests/unit/",
        "plugins/",
        "roles/",
        "meta/",
        "testbed/",
        "molecule/shared/case_runner/",
        "tests/affected.py",
        "tests/mut",
        "pyproject.toml",
    ),
    "browser": ("tests/browser/", "roles/docker_topology/files/"),
    "build": (
        "plugins/",
        "roles/",
        "playbooks/",
        "meta/",
        "changelogs/",
        "docs/",
        "examples/",
        "galaxy.yml",
        "README.md",
    ),
    "testbed": ("testbed/", "script/fleet", "tests/testbed/"),
    "molecule/images": ("testbed/", "script/fleet"),
    "molecule/installed": ("examples/", "galaxy.yml", *SCENARIO),
}
# The fixtures run these modules by name.
FIXTURES = "plugins/plugin_utils/testing.py"
FIXTURE_MODULES = ("network_info", "reachability_info", "probe_observer")

_NAMED = re.compile(r"\bfleetnet\.docker\.(\w+)")
_EXAMPLES = re.compile(r"\bexamples/")


def affected(checks: Iterable[str], changed: Iterable[str], root: pathlib.Path = ROOT) -> list[str]:
    """The checks that depend on a changed file (paths relative to ``root``; deleted files count)."""
    files = set(changed)
    if any(name.startswith(EVERYWHERE) for name in files):
        return list(checks)
    return [
        check
        for check in checks
        for scenario in [check.replace("engine/", "molecule/")]
        if any(name.startswith(roots(scenario)) for name in files) or _uses(scenario, files, root)
    ]


def roots(check: str) -> tuple[str, ...]:
    """Prefixes of the check's own files."""
    part = check.partition("/")[0]
    found = FILES.get(check) or FILES.get(part)
    return found or (f"{check}/", *SCENARIO)


def _uses(check: str, files: set[str], root: pathlib.Path) -> bool:
    return not files.isdisjoint(closure(_existing(roots(check), root), root))


def _existing(prefixes: Iterable[str], root: pathlib.Path) -> set[str]:
    found = set()
    for prefix in prefixes:
        path = root / prefix
        paths = path.rglob("*") if path.is_dir() else [path]
        found |= {str(each.relative_to(root)) for each in paths if each.is_file() and "__pycache__" not in each.parts}
    return {name for name in found if not name.startswith(".git/")}


def closure(names: Iterable[str], root: pathlib.Path = ROOT) -> set[str]:
    """The files, and all that they use."""
    found: set[str] = set()
    new = set(names)
    while new:
        found |= new
        new = {used for name in new for used in uses(name, root)} - found
    return found


@functools.cache
def uses(name: str, root: pathlib.Path = ROOT) -> set[str]:
    """The files of the project that a file imports or names."""
    path = root / name
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return set()
    found: set[str] = set()
    for named in _NAMED.findall(text):
        found |= _existing([f"roles/{named}/"], root)
        candidates = [
            f"playbooks/{named}.yml",
            *(f"plugins/{kind}/{named}.py" for kind in ("modules", "action", "lookup")),
        ]
        found |= {each for each in candidates if (root / each).is_file()}
    if _EXAMPLES.search(text) and path.suffix in (".yml", ".sh"):
        found |= _existing(["examples/"], root)
    if path.suffix == ".py":
        found |= {each for module in _imports(name, text) for each in _files_of(module, root)}
    if name == FIXTURES:
        found |= {f"plugins/modules/{module}.py" for module in FIXTURE_MODULES}
    return found - {name}


def _imports(name: str, text: str) -> Iterator[str]:
    """Dotted names below the root of the project."""
    package = name.split("/")[:-1]
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*above, *([node.module] if node.module else [])])
            modules = [module, *(f"{module}.{alias.name}" for alias in node.names)]
        else:
            continue
        yield from (module.removeprefix(COLLECTION) for module in modules)


def _files_of(module: str, root: pathlib.Path) -> Iterator[str]:
    path = module.replace(".", "/")
    yield from (each for each in (f"{path}.py", f"testbed/{path}.py") if (root / each).is_file())


if __name__ == "__main__":
    print(*affected(sys.argv[1:], sys.stdin.read().split()), sep="\n")
