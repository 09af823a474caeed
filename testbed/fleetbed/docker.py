"""The outer engine, seen through the docker command."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import process

#: Everything that the test bed makes carries this label, with the fleet's name as value.
LABEL = "fleetnet.testbed"
HOST_LABEL = f"{LABEL}.host"
FINGERPRINT_LABEL = f"{LABEL}.fingerprint"
LINK_LABEL = f"{LABEL}.link"
IMAGE_LABEL = f"{LABEL}.image"


class Docker:
    """One engine: that of a socket, or without one that which the user's docker command reaches anyway."""

    def __init__(self, socket: Path | None = None) -> None:
        self.socket = socket

    def environment(self) -> dict[str, str]:
        """The environment in which `docker` reaches this engine."""
        environment = dict(os.environ)
        if self.socket:
            environment.pop("DOCKER_CONTEXT", None)
            environment["DOCKER_HOST"] = f"unix://{self.socket}"
        return environment

    def run(
        self, *arguments: str, data: bytes | None = None, timeout: float = 120, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Runs one docker command."""
        return process.run(["docker", *arguments], data=data, timeout=timeout, check=check, env=self.environment())

    def output(self, *arguments: str) -> str:
        return self.run(*arguments).stdout.strip()

    def info(self) -> Mapping[str, Any] | None:
        """What the engine says about itself, or None where none answers."""
        if not process.find("docker"):
            return None
        done = self.run("info", "--format", "{{json .}}", check=False, timeout=30)
        try:
            info: Mapping[str, Any] = json.loads(done.stdout)
        except ValueError:
            return None
        return info if info.get("ServerVersion") and not info.get("ServerErrors") else None

    def inspect(self, kind: str, *names: str) -> list[Any]:
        """Full descriptions of objects; one that vanished in the meantime is left out."""
        if not names:
            return []
        found: list[Any] = json.loads(self.run(kind, "inspect", *names, check=False).stdout or "[]")
        return found

    def ids(self, kind: str, *filters: str) -> list[str]:
        """Full ids (names of volumes) of what carries our label and passes the filters."""
        arguments = [kind, "ls", "--quiet", *_filters(f"label={LABEL}", *filters)]
        arguments += {"container": ["--all", "--no-trunc"], "network": ["--no-trunc"]}.get(kind, [])
        return self.output(*arguments).split()

    def has_image(self, name: str) -> bool:
        return self.run("image", "inspect", "--format", ".", name, check=False).returncode == 0


def of_fleet(name: str) -> str:
    """The filter for what belongs to one fleet."""
    return f"label={LABEL}={name}"


def _filters(*filters: str) -> list[str]:
    return [argument for text in filters for argument in ("--filter", text)]
