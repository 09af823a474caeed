"""Derive the package sources of a Debian suite from those of this machine, without a configured mirror. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

#: The last part of the paths of the two Debian archives, on every mirror.
ARCHIVES = ("debian", "debian-security")


@dataclass(frozen=True)
class Source:
    """One archive of binary packages that apt uses on this machine."""

    uri: str
    suites: tuple[str, ...]
    components: tuple[str, ...]


def derive(files: Mapping[str, str], own: str, wanted: str) -> tuple[str, ...]:
    """Return one-line sources of the suite `wanted`, from the machine's files (by name) and its `own` suite.

    The result is empty if the machine's sources do not contain Debian's main archive. mmdebstrap then uses its default.
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
    """Return whether this is an archive of Debian. Third parties use the names of its suites too."""
    return urlsplit(uri).path.rstrip("/").rpartition("/")[2] in ARCHIVES


def _parse_lines(text: str) -> Iterator[Source]:
    """Parse the one-line style of sources.list(5)."""
    for line in text.splitlines():
        match = re.match(r"\s*deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)\s*([^#]*)", line)
        if match:
            yield Source(match[1], (match[2],), tuple(match[3].split()))


def _parse_deb822(text: str) -> Iterator[Source]:
    """Parse the deb822 style of sources.list(5): stanzas of fields. An indented line continues a field."""
    for stanza in re.split(r"\n\s*\n", "\n".join(_without_comments(text.splitlines()))):
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


def _without_comments(lines: Iterable[str]) -> Iterator[str]:
    return (line for line in lines if not line.startswith("#"))
