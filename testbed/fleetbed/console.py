"""Report progress and errors to the user on standard error. Results go to standard output."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .errors import FleetError

HEARTBEAT = 10.0

verbose = False
_started = time.monotonic()
_lock = threading.Lock()


def elapsed() -> float:
    """Return the seconds since the command started."""
    return time.monotonic() - _started


def say(text: str) -> None:
    """Print one line of progress."""
    with _lock:
        print(f"[{elapsed():6.1f} s] {text}", file=sys.stderr, flush=True)


def warn(text: str) -> None:
    """Print a warning."""
    bold, plain = ("\033[1;33m", "\033[0m") if sys.stderr.isatty() else ("", "")
    with _lock:
        print(f"{bold}WARNING: {text}{plain}", file=sys.stderr, flush=True)


def failure(error: FleetError) -> None:
    """Print an error in one line, after the end of its log."""
    red, plain = ("\033[1;31m", "\033[0m") if sys.stderr.isatty() else ("", "")
    detail(error)
    with _lock:
        print(f"{red}ERROR: {error}{plain}", file=sys.stderr, flush=True)


def detail(error: FleetError) -> None:
    """Print the end of a log, indented."""
    if error.detail:
        with _lock:
            print("".join(f"    | {line}\n" for line in error.detail.splitlines()), end="", file=sys.stderr, flush=True)


def debug(text: str) -> None:
    """Print a command that runs, with --verbose."""
    if verbose:
        say(f"+ {text}")


@contextmanager
def step(title: str, hint: Callable[[], str] = str) -> Iterator[None]:
    """Report a long operation: one line at its start and end, and its progress in between.

    `hint` returns what the operation currently does.
    """
    begun = time.monotonic()
    over = threading.Event()

    def beat() -> None:
        while not over.wait(HEARTBEAT):
            doing = hint()
            say(f"{title}: running for {time.monotonic() - begun:.0f} s" + (f" ({doing})" if doing else ""))

    say(f"{title} ...")
    heart = threading.Thread(target=beat, daemon=True)
    heart.start()
    try:
        yield
    except BaseException:
        over.set()
        say(f"{title}: failed after {time.monotonic() - begun:.1f} s")
        raise
    finally:
        over.set()
    say(f"{title}: done in {time.monotonic() - begun:.1f} s")
