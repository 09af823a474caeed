"""Does several things at a time, and all of them whatever fails."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from . import console
from .errors import FleetError, ImageUnavailable

Item = TypeVar("Item")
Result = TypeVar("Result")


def together(work: Callable[[Item], Result], items: Sequence[Item], workers: int) -> list[Result]:
    """The results in order; the failures are told once all is done, and the last of them is raised."""
    results, failures = attempt(work, items, workers)
    raise_last(failures)
    return results


def attempt(
    work: Callable[[Item], Result], items: Sequence[Item], workers: int
) -> tuple[list[Result], list[FleetError]]:
    """Results and failures."""
    results: list[Result] = []
    failures: list[FleetError] = []
    if items:
        with ThreadPoolExecutor(workers) as pool:
            for future in [pool.submit(work, item) for item in items]:
                try:
                    results.append(future.result())
                except FleetError as error:
                    failures.append(error)
    return results, failures


def raise_last(failures: Sequence[FleetError]) -> None:
    """Tells all failures but the last and raises that one."""
    if failures:
        for failure in failures[:-1]:
            console.failure(failure)
        raise failures[-1]


def tolerate_missing_images(failures: Sequence[FleetError], allowed: bool) -> set[str]:
    """Says aloud which engines there are no images of and returns them; raises what may not be."""
    missing = [failure for failure in failures if isinstance(failure, ImageUnavailable)]
    if not allowed or len(missing) < len(failures):
        raise_last(failures)
    for failure in missing:
        console.warn(f"NO HOSTS WITH ENGINE {failure.generation}, for --allow-missing was given. {failure}")
        console.detail(failure)
    return {failure.generation for failure in missing}
