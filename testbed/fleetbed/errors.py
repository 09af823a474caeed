"""What goes wrong in words for the person at the keyboard."""

from __future__ import annotations


class FleetError(Exception):
    """One line that says what is wrong and what to do; `detail` holds the end of a log, if there is one."""

    def __init__(self, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.detail = detail


class ImageUnavailable(FleetError):
    """A host image of one engine generation cannot be had, so hosts of that generation cannot be either."""

    def __init__(self, generation: str, reason: str, detail: str = "") -> None:
        super().__init__(f"engine {generation}: {reason}", detail)
        self.generation = generation
