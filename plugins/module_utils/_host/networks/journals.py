# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The journals of an engine.

A file is durable before its step disconnects the first endpoint, and deleted after the last one is connected again.
"""

from __future__ import annotations

import contextlib
import os
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.journal import (
    Journal,
    journal_text,
    parse_journal,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.file_lock import open_lock, wait_for_lock
from ansible_collections.fleetnet.docker.plugins.module_utils._host.files import (
    read_text,
    remove,
    sync_folder,
    write_atomically,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.journal_folder import JournalPaths
from ansible_collections.fleetnet.docker.plugins.module_utils._host.privilege import user_name

_WAIT = 60.0  # seconds


class Journals(t.Protocol):
    """The port to the journals of one engine. ``kept`` is false if steps are executed without one."""

    kept: bool

    def locked(self) -> t.ContextManager[None]:
        """Exclude other runs on this host. Raises FleetnetError if one does not end."""

    def interrupted(self) -> bool:
        """Whether there are journals, and no run that executes their steps. Changes nothing."""

    def unfinished(self) -> list[Journal]:
        """The journals of interrupted steps. Raises FleetnetError if one cannot be read."""

    def path(self, journal: Journal) -> str:
        """The journal's file, for messages."""

    def write(self, journal: Journal) -> None:
        """Write the journal of a step, or replace it. Raises FleetnetError; then nothing has changed."""

    def end(self, journal: Journal) -> None:
        """Delete the journal of a step that is finished or undone."""


class NoJournals:
    """No journal: a user other than root cannot keep one."""

    kept = False

    def locked(self) -> t.ContextManager[None]:
        return contextlib.nullcontext()

    def interrupted(self) -> bool:
        return False

    def unfinished(self) -> list[Journal]:
        return []

    def path(self, journal: Journal) -> str:
        return journal.key

    def write(self, journal: Journal) -> None:
        """Write nothing."""

    def end(self, journal: Journal) -> None:
        """Delete nothing."""


class JournalFolder:
    """The journals of one engine in a folder."""

    kept = True

    def __init__(self, paths: JournalPaths, wait: float = _WAIT) -> None:
        self._paths = paths
        self._wait = wait

    @contextlib.contextmanager
    def locked(self) -> t.Iterator[None]:
        with open_lock(self._paths.lock) as file:
            self._await(file)
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            yield

    def _await(self, file: t.TextIO) -> None:
        if not wait_for_lock(file, self._wait):
            file.seek(0)
            raise FleetnetError(
                f"another run (process {file.read() or 'unknown'}) is changing the networks of this host. Wait until "
                "it ends."
            )

    def interrupted(self) -> bool:
        return self._paths.interrupted()

    def unfinished(self) -> list[Journal]:
        found = map(self._read, self._paths.files())
        return [journal for journal in found if journal is not None and self._is_own(journal)]

    def _is_own(self, journal: Journal) -> bool:
        return JournalPaths.of(journal.docker_host).engine == self._paths.engine

    def _read(self, path: str) -> Journal | None:
        text = read_text(path)
        try:
            return None if text is None else parse_journal(text)
        except ValueError as error:
            raise FleetnetError(
                f"{path}: is not a journal that this release can read ({error}). Reconnect the containers that it "
                "lists with the release that wrote it, or by hand, and delete it."
            ) from error

    def path(self, journal: Journal) -> str:
        return self._paths.file(journal.key)

    def write(self, journal: Journal) -> None:
        path = self.path(journal)
        try:
            self._create_folder()
            write_atomically(path, journal_text(journal), mode=0o600)
        except OSError as error:
            raise FleetnetError(
                f"{path}: cannot be written ({error.strerror or error}), and without it a run that is interrupted "
                "would leave containers without network. Make room, or repair the file system."
            ) from error

    def _create_folder(self) -> None:
        for folder in (os.path.dirname(self._paths.folder), self._paths.folder):
            if not os.path.isdir(folder):
                os.makedirs(folder, mode=0o700, exist_ok=True)
                sync_folder(os.path.dirname(folder))
        os.chmod(self._paths.folder, 0o700)

    def end(self, journal: Journal) -> None:
        remove(self.path(journal))
        sync_folder(self._paths.folder)
        for folder in (self._paths.folder, os.path.dirname(self._paths.folder)):
            with contextlib.suppress(OSError):  # other files may be there
                os.rmdir(folder)


def journals_of(docker_host: str) -> Journals:
    """The journals of an engine, which only root can keep."""
    return JournalFolder(JournalPaths.of(docker_host)) if os.geteuid() == 0 else NoJournals()


def journal_warning(what: str) -> str:
    """The warning about a change of ``what`` without a journal."""
    return (
        f"the run changes {what} as user {user_name()!r}, which cannot keep a journal. If it is killed, containers may "
        "stay disconnected. Set ansible_become: true."
    )
