# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Confirm a change of a host over a new connection, or find out what the host undid."""

from __future__ import annotations

import contextlib
import time
import typing as t

from ansible.errors import AnsibleConnectionFailure

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.checkpoint.report import (
    UndoReport,
    undone_message,
)
from ansible_collections.fleetnet.docker.plugins.plugin_utils.host_action import Result
from ansible_collections.fleetnet.docker.plugins.plugin_utils.identified_action import IdentifiedAction
from ansible_collections.fleetnet.docker.plugins.plugin_utils.run_identity import run_identity

_MODULE = "network_checkpoint"
_PAUSE = 1.0  # seconds between attempts
# How long the host may take until it is reachable again after its time is over, in seconds: it may restart its engine
# twice, or boot.
_GRACE = 300.0
# The same if it is not known whether the host has changed anything.
_SHORT_GRACE = 90.0
# What OpenSSH prints if it has no connection yet.
_NO_CONNECTION = ("ssh: connect to host", "kex_exchange_identification")


class ConfirmingAction(IdentifiedAction):
    """An action whose module changes a host that undoes the change unless it is confirmed."""

    def confirmed(
        self,
        checkpoint_id: str | None,
        seconds: float,
        task_vars: Result,
        lost: Exception | None = None,
        sure: bool = False,
    ) -> Result:
        """Confirm over a new connection until the host has undone the change, and return the answer.

        ``seconds`` is the host's time, which began before. ``lost`` is the error if the connection was lost before the
        module answered. ``sure``: the host has or may have a checkpoint, so any failure is tried again, not only
        that of a busy host. If the host stays unreachable, or was so from the start, raises AnsibleConnectionFailure.
        """
        if lost is not None and any(text in str(lost) for text in _NO_CONNECTION):
            raise lost
        end = time.monotonic() + seconds + (_GRACE if lost is None else _SHORT_GRACE)
        run = run_identity()["run"]
        arguments = {"state": "confirmed", "run": run, **({"id": checkpoint_id} if checkpoint_id else {})}
        while True:
            self._close_connection()
            try:
                answer = self.answer_of(_MODULE, arguments, task_vars)
            except AnsibleConnectionFailure:
                if time.monotonic() > end:
                    raise
            else:
                again = bool(answer.get("failed")) and (sure or answer.get("busy") is True)
                if not again or time.monotonic() > end:
                    return answer
            time.sleep(_PAUSE)

    def _close_connection(self) -> None:
        """Close the connection, and one that its program keeps open in the background: the next one is new."""
        with contextlib.suppress(Exception):  # a connection that is cut cannot be closed in an orderly way
            self._connection.reset()
        with contextlib.suppress(Exception):
            self._connection.close()


def undone_failure(answer: Result) -> str | None:
    """The message about what the host undid; None if its answer has no valid report."""
    try:
        return undone_message(UndoReport.from_data(answer["undone"]))
    except (KeyError, OverflowError, TypeError, ValueError):
        return None


def summary(answer: Result, lost: str | None) -> dict[str, t.Any]:
    """The keys that the answer adds to the result of the task. ``lost``: why the result of the module is missing."""
    if answer.get("confirmed") is True:
        if lost is None:
            return {}
        return {
            "failed": True,
            "msg": f"the connection was lost ({lost}), and its result with it. The changes are complete, and confirmed "
            "over a new connection. Run again.",
        }
    message = undone_failure(answer)
    if message is not None:
        return {"failed": True, "msg": message, "undone": answer["undone"]}
    if answer.get("failed"):
        return {"failed": True, "msg": f"the changes are not confirmed: {answer.get('msg')}"}
    if lost is not None:
        return {"failed": True, "unreachable": True, "msg": f"{lost} The host has nothing to confirm."}
    return {
        "failed": True,
        "msg": "the changes are not confirmed, because the host no longer has its saved state. Run again, and check "
        "whether another program deletes /var/lib/fleetnet/checkpoint.",
    }
