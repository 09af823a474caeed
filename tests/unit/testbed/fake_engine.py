# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An engine that keeps its objects in a file, so that they outlive a killed command, as those of a real engine do."""

from __future__ import annotations

import io
import itertools
import json
import subprocess
import tarfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fleetbed import process
from fleetbed.docker import Docker

KINDS = ("container", "network", "volume")


class Refused(Exception):
    """The engine refuses a request, or a program that it ran failed."""

    def __init__(self, message: str, status: int = 1) -> None:
        super().__init__(message)
        self.status = status


class FakeEngine(Docker):
    """The commands of `docker` that the test bed runs."""

    def __init__(self, file: Path, before_change: Callable[[], None] = lambda: None) -> None:
        super().__init__()
        self._file = file
        self._before_change = before_change
        self._lock = threading.Lock()
        self._answer = ("", 0)

    def images(self) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = self._read()["image"]
        return found

    def answer_start(self, output: str, status: int) -> None:
        """Set what an attached container prints, and its exit status."""
        self._answer = output, status

    def refuse_changes(self) -> None:
        """Fail at the next change."""

        def fail() -> None:
            raise AssertionError(self._current)

        self._before_change = fail

    def objects(self, kind: str) -> list[dict[str, Any]]:
        return list(self._read()[kind].values())

    def run(
        self, *arguments: str, data: bytes | None = None, timeout: float = 120, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        del timeout
        with self._lock:
            self._carry_out_late()
            try:
                output, status = self._request(list(arguments), data or b""), 0
            except Refused as refusal:
                output, status = str(refusal), refusal.status
        if status and check:
            raise process.ProgramFailed(["docker", *arguments], status, output)
        return subprocess.CompletedProcess(arguments, status, *(("", output) if status else (output, "")))

    def add_late(self, after: int) -> None:
        """Record that the engine carries out the current request after this number of further requests."""
        state = self._read()
        arguments, data = self._current
        self._write({**state, "late": {"arguments": arguments, "data": data.hex(), "after": after}})

    def change_all(self, **values: Any) -> None:
        """Change all containers, as a restart of the machine does."""
        state = self._read()
        for container in state["container"].values():
            container.update(values)
        self._write(state)

    def _carry_out_late(self) -> None:
        state = self._read()
        if late := state.get("late"):
            late["after"] -= 1
            if late["after"] <= 0:
                del state["late"]
            self._write(state)
            if late["after"] <= 0:
                try:
                    self._change(late["arguments"], bytes.fromhex(late["data"]))
                except Refused:
                    return

    def _request(self, arguments: list[str], data: bytes) -> str:
        match arguments:
            case [kind, "ls", *options]:
                return "\n".join(
                    key for key, entry in self._read()[kind].items() if _matches(entry, _values(options, "--filter"))
                )
            case ["image", "inspect", "--format", template, name]:
                if name not in self._read()["image"]:
                    raise Refused(f"No such image: {name}")
                labels: dict[str, str] = self._read()["image"][name].get("Labels", {})
                return next((value for label, value in labels.items() if f'"{label}"' in template), ".")
            case [kind, "inspect", *names]:
                return json.dumps([entry for key, entry in self._read()[kind].items() if key in names])
            case ["exec", name, program, *_]:
                entry = self._container(name)
                ready = entry["State"]["Status"] == "running" and program.endswith("/ready")
                return "sshd=yes\nengine=28.5.2\nworkload=yes\n" if ready else ""
            case ["image", "prune", *_] | ["logs", *_]:
                return ""
        self._current = arguments, data
        self._before_change()
        return self._change(arguments, data)

    def _change(self, arguments: list[str], data: bytes) -> str:
        state = self._read()
        result = ""
        match arguments:
            case ["import", *_, reference]:
                state["image"][reference] = {}
            case ["network", "create", *options, name]:
                result = _create(state, "network", name, options)
                (subnet,) = _values(options, "--subnet")
                if any(
                    subnet == other["IPAM"]["Config"][0]["Subnet"]
                    for other in state["network"].values()
                    if "IPAM" in other
                ):
                    raise Refused("Pool overlaps with other one on this address space")
                state["network"][result]["IPAM"] = {"Config": [{"Subnet": subnet}]}
            case ["volume", "create", *options, name]:
                if name not in state["volume"]:
                    _create(state, "volume", name, options, name)
            case ["container", "create", *options, "--network=none", image, "sh", "-c", _, program, argument]:
                if image not in state["image"]:
                    raise Refused(f"No such image: {image}")
                result = _create(state, "container", f"temporary{state['next']}", options)
                state["container"][result].update(
                    State={"Status": "created"}, Networks={}, Volumes=[], Files={}, Arguments=[program, argument]
                )
            case ["cp", "--follow-link", file, target]:
                container, _separator, path = target.partition(":")
                state["container"][container]["Files"][path] = Path(file).read_text()
            case ["container", "start", "--attach", container]:
                output, status = self._answer
                if status:
                    raise Refused(output, status)
                text = output or state["container"][container]["Files"]["/opt/dockerd"]
                result = output or f"Docker version {text.split()[0]}, build 1234567"
            case ["container", "commit", *options, container, reference]:
                entry = state["container"][container]
                labels = dict(text[6:].split("=", 1) for text in _values(options, "--change") if text[:6] == "LABEL ")
                state["image"][reference] = {
                    "Labels": entry["Labels"] | labels,
                    "Files": entry["Files"],
                    "Arguments": entry["Arguments"],
                }
            case ["container", "create", *options, image, _]:
                (name,), (network,) = _values(options, "--name"), _values(options, "--network")
                if image not in state["image"] or network not in state["network"]:
                    raise Refused(f"No such image or network: {image} {network}")
                result = _create(state, "container", name, options)
                volumes = [text.split(":")[0] for text in _values(options, "--volume")]
                (address,) = _values(options, "--ip")
                state["container"][result].update(
                    State={"Status": "created"}, Networks={network: address}, Volumes=volumes, Files={}
                )
            case ["network", "connect", address, network, container]:
                if container not in state["container"] or network not in state["network"]:
                    raise Refused(f"No such container or network: {container} {network}")
                state["container"][container]["Networks"][network] = address.partition("=")[2]
            case ["cp", "-", target]:
                if target[:-2] not in state["container"]:
                    raise Refused(f"No such container: {target}")
                with tarfile.open(fileobj=io.BytesIO(data)) as archive:
                    texts = {entry.name: archive.extractfile(entry) for entry in archive if entry.isfile()}
                    state["container"][target[:-2]]["Files"] = {
                        name: file.read().decode() for name, file in texts.items() if file
                    }
            case ["container", "start" | "unpause", container]:
                if container not in state["container"]:
                    raise Refused(f"No such container: {container}")
                state["container"][container]["State"]["Status"] = "running"
            case ["container", "rm", *containers]:
                for container in [name for name in containers if not name.startswith("--")]:
                    state["container"].pop(container, None)
            case ["volume", "rm", *names]:
                if any(name in entry["Volumes"] for name in names for entry in state["container"].values()):
                    raise Refused("volume is in use")
                for name in names:
                    state["volume"].pop(name, None)
            case ["network", "rm", network]:
                if any(network in entry["Networks"] for entry in state["container"].values()):
                    raise Refused("network has active endpoints")
                if not state["network"].pop(network, None):
                    raise Refused("No such network")
            case _:
                raise AssertionError(arguments)
        self._write(state)
        return result

    def _container(self, name: str) -> dict[str, Any]:
        for key, entry in self._read()["container"].items():
            if name in (key, entry["Name"]):
                found: dict[str, Any] = entry
                return found
        raise Refused(f"No such container: {name}")

    def _read(self) -> dict[str, Any]:
        if not self._file.exists():
            return {kind: {} for kind in (*KINDS, "image")} | {"next": 1}
        state: dict[str, Any] = json.loads(self._file.read_text())
        return state

    def _write(self, state: dict[str, Any]) -> None:
        draft = self._file.with_suffix(".new")
        draft.write_text(json.dumps(state))
        draft.replace(self._file)


def _create(state: dict[str, Any], kind: str, name: str, options: list[str], key: str = "") -> str:
    if any(entry["Name"] == name for entry in state[kind].values()):
        raise Refused(f"Conflict: {name} exists already")
    key = key or f"{kind}{state['next']}"
    state["next"] += 1
    labels = dict(pair.split("=", 1) for pair in _values(options, "--label"))
    state[kind][key] = {"Id": key, "Name": name, "Labels": labels, "Config": {"Labels": labels}}
    return key


def _values(options: list[str], name: str) -> list[str]:
    """The values of an option, which follow it as an argument or after `=`."""
    found = [text.partition("=")[2] for text in options if text.startswith(f"{name}=")]
    return found + [value for option, value in itertools.pairwise(options) if option == name]


def _matches(entry: dict[str, Any], filters: list[str]) -> bool:
    for text in filters:
        key, _separator, value = text.removeprefix("label=").partition("=")
        if key not in entry["Labels"] or (value and entry["Labels"][key] != value):
            return False
    return True
