"""Errors with messages for the user."""

from __future__ import annotations


class FleetError(Exception):
    """An error whose message states in one line what is wrong and what to do. `detail` is the end of a log, if any."""

    def __init__(self, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.detail = detail


class ImageUnavailable(FleetError):
    """The host image of one engine generation cannot be built, so hosts of that generation cannot be created."""

    def __init__(self, generation: str, reason: str, detail: str = "") -> None:
        super().__init__(f"engine {generation}: {reason}", detail)
        self.generation = generation
