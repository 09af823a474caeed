"""The outer engine, accessed with the docker command."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import process

#: The label of everything that the test bed creates. Its value is the name of the fleet.
LABEL = "fleetnet.testbed"
HOST_LABEL = f"{LABEL}.host"
FINGERPRINT_LABEL = f"{LABEL}.fingerprint"
SEGMENT_LABEL = f"{LABEL}.link"
IMAGE_LABEL = f"{LABEL}.image"


class Docker:
    """One engine: at a socket, or without a socket the engine that the user's docker command connects to."""

    def __init__(self, socket: Path | None = None) -> None:
        self.socket = socket

    def environment(self) -> dict[str, str]:
        """Return the environment for `docker` to connect to this engine."""
        environment = dict(os.environ)
        if self.socket:
            environment.pop("DOCKER_CONTEXT", None)
            environment["DOCKER_HOST"] = f"unix://{self.socket}"
        return environment

    def run(
        self, *arguments: str, data: bytes | None = None, timeout: float = 120, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run one docker command."""
        return process.run(["docker", *arguments], data=data, timeout=timeout, check=check, env=self.environment())

    def output(self, *arguments: str) -> str:
        return self.run(*arguments).stdout.strip()

    def info(self) -> Mapping[str, Any] | None:
        """Return the engine's `docker info`, or None if no engine responds."""
        if not process.find("docker"):
            return None
        done = self.run("info", "--format", "{{json .}}", check=False, timeout=30)
        try:
            info: Mapping[str, Any] = json.loads(done.stdout)
        except ValueError:
            return None
        return info if info.get("ServerVersion") and not info.get("ServerErrors") else None

    def inspect(self, kind: str, *names: str) -> list[Any]:
        """Return the full descriptions of objects, without objects that no longer exist."""
        if not names:
            return []
        found: list[Any] = json.loads(self.run(kind, "inspect", *names, check=False).stdout or "[]")
        return found

    def ids(self, kind: str, *filters: str) -> list[str]:
        """Return the full ids (of volumes the names) of objects that have our label and match the filters."""
        arguments = [kind, "ls", "--quiet", *_filters(f"label={LABEL}", *filters)]
        arguments += {"container": ["--all", "--no-trunc"], "network": ["--no-trunc"]}.get(kind, [])
        return self.output(*arguments).split()

    def has_image(self, name: str) -> bool:
        return self.run("image", "inspect", "--format", ".", name, check=False).returncode == 0


def of_fleet(name: str) -> str:
    """Return the filter for the objects of one fleet."""
    return f"label={LABEL}={name}"


def _filters(*filters: str) -> list[str]:
    return [argument for text in filters for argument in ("--filter", text)]
