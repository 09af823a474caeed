# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Code that the benchmarks share: timed tasks on a host, the collections to compare with, and the targets."""

from __future__ import annotations

import argparse
import datetime
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import typing as t
import zipfile

Task = dict[str, t.Any]
# Seconds, measured on the controller, and the result of the task.
Answer = tuple[float, dict[str, t.Any]]

_COLLECTIONS = tuple(
    f"ansible_collections/{name}/"
    for name in ("community/docker", "community/library_inventory_filtering_v1", "ansible/posix")
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options for the collections to compare with."""
    parser.add_argument("--ansible", default="12.3.0", help="the release of `ansible` that contains community.docker")
    parser.add_argument("--cache", type=pathlib.Path, default=pathlib.Path.home() / ".cache/fleetnet/benchmarks")


def collections_path(options: argparse.Namespace) -> str:
    """Return a path with this collection, and community.docker and ansible.posix from the Python package `ansible`."""
    folder = options.cache / f"ansible-{options.ansible}"
    if not folder.is_dir():
        with tempfile.TemporaryDirectory() as scratch:
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", f"ansible=={options.ansible}"]
            subprocess.run([*command, "--dest", scratch], check=True)
            (wheel,) = pathlib.Path(scratch).glob("*.whl")
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(folder, [name for name in archive.namelist() if name.startswith(_COLLECTIONS)])
    return f"{os.environ.get('ANSIBLE_COLLECTIONS_PATH', '')}:{folder}".lstrip(":")


class Host:
    """A host of an inventory, on which tasks run."""

    def __init__(self, name: str, inventory: str, collections: str, folder: pathlib.Path) -> None:
        self._name = name
        self._folder = folder
        self._environment = {
            **os.environ,
            "ANSIBLE_INVENTORY": inventory,
            "ANSIBLE_COLLECTIONS_PATH": collections,
            "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
            "ANSIBLE_PIPELINING": "1",
        }

    def play(self, *tasks: Task) -> list[Answer]:
        """Run tasks in one play. A failure ends the benchmark."""
        path = self._folder / "play.json"
        play = [{"hosts": self._name, "gather_facts": False, "tasks": list(tasks)}]
        path.write_text(json.dumps(play), encoding="utf-8")
        printed = output(["ansible-playbook", str(path)], self._environment)
        report = json.loads(printed[printed.index("{") :])
        answers = []
        for task in report["plays"][0]["tasks"]:
            duration = task["task"]["duration"]
            start, end = (datetime.datetime.fromisoformat(duration[key].rstrip("Z")) for key in ("start", "end"))
            answers.append(((end - start).total_seconds(), next(iter(task["hosts"].values()))))
        return answers

    def script(self, text: str, *arguments: str) -> t.Any:
        """Run a Python script on the host and return its last line of output, parsed as JSON."""
        path = self._folder / "script.py"
        path.write_text(text, encoding="utf-8")
        quoted = " ".join(f"'{argument}'" for argument in (str(path), *arguments))
        ((_seconds, result),) = self.play({"ansible.builtin.script": quoted, "args": {"executable": "python3"}})
        return json.loads(result["stdout"].strip().splitlines()[-1])


def output(command: t.Sequence[str], environment: t.Mapping[str, str] | None = None) -> str:
    """Run a command and return its output. A failure ends the benchmark."""
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        failures = "\n".join(line for line in done.stdout.splitlines() if line.startswith(("fatal", "failed")))
        sys.exit(f"{' '.join(command)}\n{failures or done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    return done.stdout


class Times:
    """Measured seconds by method, printed as they are recorded."""

    def __init__(self) -> None:
        self.all: dict[str, list[float]] = {}

    def note(self, what: str, *seconds: float) -> None:
        self.all.setdefault(what, []).extend(seconds)
        print(f"  {what}: {', '.join(f'{each:.2f}' for each in seconds)} s", flush=True)

    def median(self, what: str) -> float:
        """Return the median."""
        return statistics.median(self.all[what])

    def shown(self, what: str) -> str:
        """Return the median as text, with minimum and maximum if there are several values."""
        seconds = self.all[what]
        spread = f" ({min(seconds):.2f} to {max(seconds):.2f})" if len(seconds) > 1 else ""
        return f"{statistics.median(seconds):.2f}{spread}"


def report_targets(targets: t.Iterable[tuple[str, bool]]) -> int:
    """Print each target and whether it is met. Returns the exit status, 1 if one is missed."""
    print()
    missed = False
    for text, met in targets:
        print(f"{'met   ' if met else 'MISSED'} {text}")
        missed = missed or not met
    return 1 if missed else 0
