"""The names of fleets: by checkout, so that the fleets of two checkouts on one machine never have the same name."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

#: The checkout that this program belongs to.
ROOT = Path(__file__).resolve().parents[2]

_FULL = re.compile(r".*-[0-9a-f]{6}")


def full_name(name: str, checkout: Path = ROOT) -> str:
    """Return the full name of a fleet of a checkout. A full name stays as it is, so it can be of another checkout."""
    if _FULL.fullmatch(name):
        return name
    return f"{name}-{hashlib.sha256(str(checkout).encode()).hexdigest()[:6]}"


def exists(checkout: Path) -> bool:
    """Return whether a folder is still a checkout of the project."""
    return (checkout / "script" / "fleet").exists()
