# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the parts of a host would change, told as data: how the host differs from its plan. Pure."""

from __future__ import annotations

import typing as t

Result = t.Mapping[str, t.Any]


class Deviation(t.TypedDict):
    """One thing that is not as declared; None is for what is not there, or shall not be."""

    what: str
    name: str
    key: str
    declared: str | None
    observed: str | None


def deviations(parts: t.Mapping[str, Result]) -> list[Deviation]:
    """From what the modules of the parts return in check mode, by the name of the module."""
    found = []
    for part, result in parts.items():
        diff = result.get("diff") or ()
        for entry in [diff] if isinstance(diff, t.Mapping) else diff:
            found += list(_of_networks(entry) if isinstance(entry["before"], t.Mapping) else _of_text(part, entry))
    return found


def refusal(reason: str) -> Deviation:
    """For a plan that cannot be carried out on the host."""
    return _deviation("plan", "host", "refused", None, reason)


def _of_networks(entry: Result) -> t.Iterator[Deviation]:
    before, after = entry["before"], entry["after"]
    for name in sorted({*before, *after}):
        was, shall = before.get(name), after.get(name)
        if not was or not shall:
            yield _deviation("network", name, "state", "present" if shall else None, "present" if was else None)
            continue
        for key in sorted({*was, *shall}):
            if was.get(key) != shall.get(key):
                yield _deviation("network", name, key, _text(shall.get(key)), _text(was.get(key)))


def _of_text(part: str, entry: Result) -> t.Iterator[Deviation]:
    header = str(entry.get("after_header") or entry.get("before_header") or part)
    before, after = str(entry["before"] or ""), str(entry["after"] or "")
    if header.startswith("/"):
        observed = None if not before else "other text" if after else "present"
        yield _deviation("file", header, "content", "present" if after else None, observed)
    elif after:
        was, shall = _by_option(before), _by_option(after)
        for option in sorted({*was, *shall}):
            if was.get(option) != shall.get(option):
                yield _deviation("daemon", option, "value", shall.get(option), was.get(option))
    else:  # what is wrong in the kernel, or does not run, in words
        for line in before.splitlines():
            yield _deviation(header, part, "state", None, line)


def _by_option(text: str) -> dict[str, str]:
    return dict(line.split(": ", maxsplit=1) for line in text.splitlines() if ": " in line)


def _deviation(what: str, name: str, key: str, declared: str | None, observed: str | None) -> Deviation:
    return {"what": what, "name": name, "key": key, "declared": declared, "observed": observed}


def _text(value: t.Any) -> str | None:
    return None if value is None else str(value)
