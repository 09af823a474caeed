"""Run operations in parallel, and complete all of them even if some fail."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from . import console
from .errors import FleetError, ImageUnavailable

Item = TypeVar("Item")
Result = TypeVar("Result")


def run_parallel(work: Callable[[Item], Result], items: Sequence[Item], workers: int) -> list[Result]:
    """Return the results in order. After all operations, report all failures and raise the last one."""
    results, failures = attempt(work, items, workers)
    raise_last(failures)
    return results


def attempt(
    work: Callable[[Item], Result], items: Sequence[Item], workers: int
) -> tuple[list[Result], list[FleetError]]:
    """Return results and failures."""
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
    """Report all failures except the last, and raise the last."""
    if failures:
        for failure in failures[:-1]:
            console.failure(failure)
        raise failures[-1]


def tolerate_missing_images(failures: Sequence[FleetError], allowed: bool) -> set[str]:
    """Warn about engines without an image and return them. Raises the failures unless `allowed`."""
    missing = [failure for failure in failures if isinstance(failure, ImageUnavailable)]
    if not allowed or len(missing) < len(failures):
        raise_last(failures)
    for failure in missing:
        console.warn(f"NO HOSTS WITH ENGINE {failure.generation}, because of --allow-missing. {failure}")
        console.detail(failure)
    return {failure.generation for failure in missing}
