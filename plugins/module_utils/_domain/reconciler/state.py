# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the reconciler reports about itself, as warnings for users. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.drift.difference import parse_lines, sentence
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.persistence.part import RECONCILER_UNIT

_JOURNAL = f"See 'journalctl --unit {RECONCILER_UNIT}'."


def state_warnings(state: t.Mapping[str, t.Any]) -> list[str]:
    """The warnings for the state that the reconciler wrote, which is empty if none runs."""
    found = []
    if state.get("error"):
        found.append(f"{RECONCILER_UNIT}: the policy's tables could not be loaded: {state['error']}. {_JOURNAL}")
    elif state.get("standby"):
        found.append(
            f"{RECONCILER_UNIT}: the policy's tables have no owner, because the second process, which keeps them if "
            f"the first one is killed, does not run: {state['standby']}. Another program can remove them, until it is "
            f"started again. {_JOURNAL}"
        )
    elif state.get("ownership") == "":
        found.append(
            f"{RECONCILER_UNIT}: the policy's tables have no owner, because nft (from 1.0 on) or the kernel (from 5.12 "
            "on) does not support it. Another program can remove them, until they are loaded again."
        )
    found += [f"{RECONCILER_UNIT}: {line}" for line in state.get("interrupted_run") or ()]
    for name, part in sorted((state.get("parts") or {}).items()):
        if part.get("pause"):
            found.append(
                f"{RECONCILER_UNIT}: another program undoes its repairs of the {name} ({part['repairs']} so far, the "
                f"last of: {_sentences(part['last'])}). Find that program, and stop it. {_JOURNAL}"
            )
    return found


def _sentences(lines: t.Sequence[str]) -> str:
    try:
        return ", ".join(map(sentence, parse_lines("\n".join(lines))))
    except ValueError:  # what a program of the script printed
        return ", ".join(lines)
