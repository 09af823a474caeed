"""Repeat what fails because the engine has not finished the requests of a killed command, or of another command."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from . import console
from .errors import FleetError
from .process import ProgramFailed

Result = TypeVar("Result")

ATTEMPTS = 4
PAUSE = 0.5


class Unsettled(FleetError):
    """The engine's objects changed while a command worked on them."""


def converge(work: Callable[[], Result]) -> Result:
    """Return the result of `work`, which observes the engine before it acts, so that each attempt starts afresh."""
    for attempt in range(1, ATTEMPTS):
        try:
            return work()
        except (ProgramFailed, Unsettled) as error:
            console.say(f"{error}. Trying again")
            time.sleep(PAUSE * attempt)
    return work()
