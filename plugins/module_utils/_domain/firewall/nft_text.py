# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pieces of nftables rules as text: comments, ports, sets, verdict maps."""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.addressing import Prefix

# nftables stores 128 bytes of a comment, including the terminating null.
COMMENT_MAX = 127

PortRange = t.Tuple[int, int]


def comment(text: str) -> str:
    """A comment, truncated to what nftables stores."""
    return text if len(text) <= COMMENT_MAX else f"{text[: COMMENT_MAX - 3]}..."


def port_range(ports: PortRange) -> str:
    """A port, or a range of ports."""
    return str(ports[0]) if ports[0] == ports[1] else f"{ports[0]}-{ports[1]}"


def braced(texts: t.Sequence[str]) -> str:
    """A single element, or an anonymous set."""
    return texts[0] if len(texts) == 1 else "{ " + ", ".join(texts) + " }"


def prefix_set(prefixes: t.Sequence[Prefix]) -> str:
    """A set of address blocks."""
    return braced([str(prefix) for prefix in prefixes])


def verdict_map(name: str, kind: str, entries: t.Mapping[str, str], interval: bool) -> list[str]:
    """The lines of a named map of type ``kind`` that allows its ``entries`` (key to comment)."""
    elements = [f'\t\t\t{key} comment "{comment(why)}" : goto allowed,' for key, why in sorted(entries.items())]
    return [
        f"\tmap {name} {{",
        f"\t\ttype {kind} : verdict",
        *(["\t\tflags interval"] if interval else []),
        "\t\telements = {",
        *elements,
        "\t\t}",
        "\t}",
    ]


def quoted(names: t.Iterable[str]) -> str:
    """A set of interface names, sorted."""
    return "{ " + ", ".join(f'"{name}"' for name in sorted(set(names))) + " }"
