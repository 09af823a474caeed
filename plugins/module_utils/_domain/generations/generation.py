# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Generations: the states that runs applied to a host, each as the options that the run gave. Pure.

A generation holds the options of ``host_slice``. Returning to one applies these again: the plan, check mode, the diff
and the consents are those of any other run.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.readable import UNEXPECTED_FORM
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.persistence.part import STATE_FOLDER

Options = t.Dict[str, t.Any]

FOLDER = f"{STATE_FOLDER}/generations"
#: How many generations a host keeps.
KEPT = 5

# A consent is given for one run.
_CONSENTS = ("allow_restart", "allow_disconnect")
_RELEVANCE = ("networks", "default_bridge", "host_routes")
# Options whose items have an identity, with the key that holds it.
_IDENTITY = {"networks": "name", "peers": "host"}


class Origin(t.NamedTuple):
    """The run that applied a generation.

    ``id`` is the same on all hosts of the run. ``started`` is when the run began, in seconds since 1970 by the clock of
    the controller. ``controller`` and ``user`` are for people.
    """

    id: str
    started: float
    controller: str
    user: str


@dataclasses.dataclass(frozen=True)
class Generation:
    """``options`` are those of each part, by the name of its module, without consents.

    ``daemon`` are the keys of daemon.json that this collection manages, as options, after the run. ``complete`` is
    false if the run failed after it had changed something. ``restores`` is the run whose generation this one repeats.
    """

    number: int
    origin: Origin
    options: t.Mapping[str, Options]
    daemon: Options
    complete: bool = True
    restores: str | None = None


def run_id(run: str) -> str:
    """The short form of a run's identity, for people to type."""
    return hashlib.sha256(run.encode()).hexdigest()[:8]


def without_consents(options: t.Mapping[str, t.Any]) -> dict[str, Options]:
    """The options of the parts that are given, as a generation records them."""
    return {
        part: {key: value for key, value in given.items() if key not in _CONSENTS and value is not None}
        for part, given in options.items()
        if given is not None
    }


def generation_text(generation: Generation) -> str:
    """The generation as text, for :func:`parse_generation`."""
    data = {
        "run": generation.origin._asdict(),
        "complete": generation.complete,
        "restores": generation.restores,
        "options": generation.options,
        "daemon": generation.daemon,
    }
    return json.dumps(data) + "\n"  # in the order of the declaration, which the files on the host have


def parse_generation(number: int, text: str) -> Generation | None:
    """Parse the text of a generation. Returns None for a text that is not one."""
    try:
        data = json.loads(text)
        run = data["run"]
        return Generation(
            number,
            Origin(str(run["id"]), float(run["started"]), str(run["controller"]), str(run["user"])),
            {str(part): dict(options) for part, options in data["options"].items()},
            dict(data["daemon"]),
            bool(data["complete"]),
            None if data["restores"] is None else str(data["restores"]),
        )
    except UNEXPECTED_FORM:
        return None


def is_current(generation: Generation, options: t.Mapping[str, Options], daemon: t.Mapping[str, t.Any]) -> bool:
    """Whether a run with these options would record the same generation again."""
    return generation.complete and generation.options == options and generation.daemon == daemon


def surplus(numbers: t.Iterable[int]) -> list[int]:
    """The generations that are deleted when these exist."""
    return sorted(numbers)[:-KEPT]


def changed_options(before: Generation | None, after: Generation) -> list[str]:
    """The options in which two generations differ: ``part.option``, or ``part.option[name]`` for items with a name.

    Those that a user declares come first; rules and routes follow from them. Empty without a generation before.
    """
    found: list[str] = []
    if before is None:
        return found
    for part in sorted({*before.options, *after.options}, key=_by_relevance):
        ours, theirs = after.options.get(part, {}), before.options.get(part, {})
        for key in sorted({*ours, *theirs}):
            if ours.get(key) != theirs.get(key):
                found += [f"{part}.{key}{name}" for name in _differing(key, theirs.get(key), ours.get(key))]
    return found


def _by_relevance(part: str) -> tuple[int, str]:
    return (_RELEVANCE.index(part) if part in _RELEVANCE else len(_RELEVANCE), part)


def _differing(key: str, before: t.Any, after: t.Any) -> list[str]:
    """The items of an option that differ, as ``[name]``; one empty text if its items have no names."""
    if key not in _IDENTITY:
        return [""]
    ours, theirs = (_by_identity(_IDENTITY[key], items) for items in (after, before))
    names = [name for name in sorted({*ours, *theirs}) if ours.get(name) != theirs.get(name)]
    return [f"[{name}]" for name in names] or [""]


def _by_identity(key: str, items: t.Any) -> dict[str, t.Any]:
    return {str(item.get(key)): item for item in items or () if isinstance(item, t.Mapping)}
