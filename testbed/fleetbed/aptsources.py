"""Derives a Debian suite's package sources from those of this machine, so that no mirror has to be named. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

#: How the paths of the two Debian archives end, on whatever mirror.
ARCHIVES = ("debian", "debian-security")


@dataclass(frozen=True)
class Source:
    """One archive that apt on this machine takes binary packages from."""

    uri: str
    suites: tuple[str, ...]
    components: tuple[str, ...]


def derive(files: Mapping[str, str], own: str, wanted: str) -> tuple[str, ...]:
    """One-line sources of the `wanted` suite, from the machine's files (by name) and its `own` suite.

    Nothing comes back when the machine's sources do not show where Debian's main archive is; mmdebstrap then has a
    default of its own.
    """
    lines = [
        f"deb {source.uri} {wanted}{suite[len(own) :]} main"
        for name, text in sorted(files.items())
        for source in (_parse_deb822(text) if name.endswith(".sources") else _parse_lines(text))
        if "main" in source.components and _is_archive(source.uri)
        for suite in source.suites
        if suite in (own, f"{own}-updates", f"{own}-security")
    ]
    unique = tuple(dict.fromkeys(lines))
    return unique if any(f" {wanted} main" in line for line in unique) else ()


def _is_archive(uri: str) -> bool:
    """Whether this is Debian's own: third parties use the suites' names too."""
    return urlsplit(uri).path.rstrip("/").rpartition("/")[2] in ARCHIVES


def _parse_lines(text: str) -> Iterator[Source]:
    """The one-line style of sources.list(5)."""
    for line in text.splitlines():
        match = re.match(r"\s*deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)\s*([^#]*)", line)
        if match:
            yield Source(match[1], (match[2],), tuple(match[3].split()))


def _parse_deb822(text: str) -> Iterator[Source]:
    """The deb822 style of sources.list(5): stanzas of fields, a field goes on in lines that begin with a space."""
    for stanza in re.split(r"\n\s*\n", "\n".join(_without_remarks(text.splitlines()))):
        fields: dict[str, str] = {}
        name = ""
        for line in stanza.splitlines():
            if line[:1].isspace():
                fields[name] = f"{fields.get(name, '')} {line.strip()}"
            else:
                name, _, value = line.partition(":")
                name = name.strip().lower()
                fields[name] = value.strip()
        if "deb" in fields.get("types", "").split() and fields.get("enabled", "yes").lower() not in ("no", "false"):
            for uri in fields.get("uris", "").split():
                yield Source(uri, tuple(fields.get("suites", "").split()), tuple(fields.get("components", "").split()))


def _without_remarks(lines: Iterable[str]) -> Iterator[str]:
    return (line for line in lines if not line.startswith("#"))
