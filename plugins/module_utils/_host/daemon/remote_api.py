# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Observe a host for ``remote_api``, execute its plan, and restore the former state if that fails."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import ssl
import stat
import tempfile
import time
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.constants import RUN_FOLDER
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon import config
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.observed import VALIDATES, names_of
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.persistence.part import REMOTE_API_FOLDER
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.remote_api.plan import (
    CA_FILE,
    CERT_FILE,
    DROP_IN,
    KEY_FILE,
    DesiredRemoteApi,
    ObservedFile,
    ObservedRemoteApi,
    RemoteApiPlan,
    certificates_in,
    exec_start,
    fingerprint,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.daemon.default_bridge import (
    is_stopped,
    resume_containers,
    running_containers,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.daemon.run_records import RunRecords
from ansible_collections.fleetnet.docker.plugins.module_utils._host.daemon.unit import (
    POLL_SECONDS,
    RELOAD_SECONDS,
    Before,
    Daemon,
    before_change,
    logged_failure,
    restore_limit,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.engine.port import Engine, read_info
from ansible_collections.fleetnet.docker.plugins.module_utils._host.files import read_text, remove, write_atomically
from ansible_collections.fleetnet.docker.plugins.module_utils._host.programs.commands import Commands

HANDSHAKE_SECONDS = 10.0
# Written while live restore is enabled temporarily: path, former text and temporary texts of daemon.json.
LIVE_RESTORE_FILE = RUN_FOLDER + "/remote_api/{}.live-restore.json"


class RemoteApiExecutor:
    """One host: its daemon, its engine's API (reconnected after each restart), its files."""

    def __init__(
        self, commands: Commands, daemon: Daemon, records: RunRecords, connect: t.Callable[[], Engine], seconds: float
    ) -> None:
        self._commands = commands
        self._daemon = daemon
        self._records = records
        self._connect = connect
        self._seconds = seconds
        self._live_restore_file = LIVE_RESTORE_FILE.format(daemon.name)
        self._runs = RunRecords(daemon.name, os.path.dirname(self._live_restore_file))
        self._restarted = False
        self._drop_in = f"/etc/systemd/system/{daemon.name}.d/{DROP_IN}"

    def observe(self) -> ObservedRemoteApi:
        """Return the observed state. Raises FleetnetError if the daemon is down."""
        unit = self._daemon.unit()
        if not unit.runs:
            raise FleetnetError(f"{unit.name} is {unit.active}. Start it first (systemctl start {unit.name}).")
        engine = self._connect()
        paths = (CA_FILE, CERT_FILE, KEY_FILE, self._drop_in)
        shown = self._commands.run("systemctl", "cat", "--no-pager", unit.name)
        return ObservedRemoteApi(
            version=tuple(engine.version),
            unit=unit.name,
            drop_in=self._drop_in,
            argv=unit.argv,
            exec_start=exec_start(shown, self._drop_in),
            started=unit.started,
            files={path: file for path, file in ((path, _file(path)) for path in paths) if file},
            config_path=unit.config_file,
            config_text=read_text(unit.config_file),
            info=read_info(engine),
            containers=running_containers(engine),
        )

    def validate(self, plan: RemoteApiPlan, desired: DesiredRemoteApi, observed: ObservedRemoteApi) -> None:
        """Validate flags and certificates by the host's own dockerd, if it supports that, before they are written."""
        if observed.version < VALIDATES or not plan.changed:
            return
        with tempfile.TemporaryDirectory(prefix="fleetnet-remote-api-", dir="/run") as folder:  # mode 0700
            for path, text in zip((CA_FILE, CERT_FILE, KEY_FILE), desired.tls or ()):
                write_atomically(path.replace(REMOTE_API_FOLDER, folder), text)
            argv = [word.replace(REMOTE_API_FOLDER, folder) for word in plan.argv]
            try:
                self._daemon.validate(observed.config_text or "{}", argv)
            except FleetnetError as error:
                raise FleetnetError(str(error).replace(folder, REMOTE_API_FOLDER)) from None

    def recover(self) -> str | None:
        """Restore daemon.json and start containers if an earlier run was killed; returns what was done.

        Does not start the daemon: ``observe`` reports one that is down.
        """
        done = []
        saved = read_text(self._live_restore_file)
        if saved is not None:
            path, before, interim = json.loads(saved)
            if read_text(path) in interim:
                self._disable_live_restore(path, before)
                done.append(f"restore {path}")
            else:
                remove(self._live_restore_file)
        unfinished = self._runs.unfinished_run()
        if unfinished is not None and self._daemon.unit().runs:
            engine = self._connect()
            stopped = [container for container in unfinished.containers if is_stopped(engine, container)]
            resume_containers(engine, stopped)
            self._runs.end_run()
            if stopped:
                done.append(f"start {names_of(stopped)}")
        return f"{' and '.join(done)}: an earlier run was interrupted" if done else None

    def execute(self, plan: RemoteApiPlan, desired: DesiredRemoteApi, observed: ObservedRemoteApi) -> None:
        """Execute the plan. On failure restores everything and raises FleetnetError."""
        before = before_change(self._daemon)
        self._restarted = False
        try:
            self._runs.begin_run(observed.config_text, plan.resume)
            self._write({item.path: (item.after, item.mode) for item in plan.changes})
            if plan.reasons:
                self._restart(plan, observed, self._seconds)
                self._verify(plan, desired)
        except (FleetnetError, OSError) as error:
            raise self._restore(plan, observed, error, before) from error
        self._runs.end_run()

    def _write(self, files: t.Mapping[str, tuple[str | None, int]]) -> None:
        os.makedirs(REMOTE_API_FOLDER, mode=0o700, exist_ok=True)
        os.chmod(REMOTE_API_FOLDER, 0o700)
        for path, (text, mode) in files.items():
            if text is None:
                remove(path)
                continue
            write_atomically(path, text)
            os.chmod(path, mode)
        if self._drop_in in files:
            self._commands.run("systemctl", "daemon-reload")
        with contextlib.suppress(OSError):  # not empty
            os.rmdir(REMOTE_API_FOLDER)

    def _restart(self, plan: RemoteApiPlan, observed: ObservedRemoteApi, seconds: float) -> None:
        path, before = observed.config_path, observed.config_text
        if plan.interim is None:
            self._restart_daemon(seconds)
        else:
            interim = [plan.interim, self._without(path, before)]
            write_atomically(self._live_restore_file, json.dumps([path, before, interim]))
            os.chmod(self._live_restore_file, 0o600)
            try:
                self._enable_live_restore(path, plan.interim)
                self._restart_daemon(seconds)
            finally:
                self._disable_live_restore(path, before)
        resume_containers(self._connect(), plan.resume)

    def _restart_daemon(self, seconds: float) -> None:
        self._restarted = True
        self._daemon.restart(seconds)

    def _enable_live_restore(self, path: str, interim: str) -> None:
        """Enable live restore in the running daemon; one that is down after a failed start reads it when it starts."""
        write_atomically(path, interim)
        if self._daemon.unit().active == "active":
            self._daemon.reload()
            self._await_live_restore(True)

    def _disable_live_restore(self, path: str, before: str | None) -> None:
        """Disable live restore and restore daemon.json as the user wrote it."""
        running = self._daemon.unit().active == "active"
        if running:
            write_atomically(path, self._without(path, before))  # a missing key is not read as false
            self._daemon.reload()
            self._await_live_restore(False)
        if before is None:
            remove(path)
        else:
            write_atomically(path, before)
        if running:
            # The file is now newer than the daemon's start, and default_bridge compares with what was read then.
            self._records.record_startup_config(self._daemon.unit(), config.parse(before or "", path))
        remove(self._live_restore_file)

    @staticmethod
    def _without(path: str, before: str | None) -> str:
        return config.edit(before or "", {"live-restore": False}, (), path)

    def _await_live_restore(self, enabled: bool) -> None:
        deadline = time.monotonic() + RELOAD_SECONDS
        while bool(self._connect().get("/info").get("LiveRestoreEnabled")) != enabled:
            if time.monotonic() > deadline:
                raise FleetnetError(f"{self._daemon.name} does not {'enable' if enabled else 'disable'} live restore.")
            time.sleep(POLL_SECONDS)

    def _verify(self, plan: RemoteApiPlan, desired: DesiredRemoteApi) -> None:
        if desired.tls is None:
            return
        own = fingerprint(certificates_in(desired.tls.certificate)[0])
        for address, port in plan.endpoints:
            served = fingerprint(_served_certificate(address, port))
            if served != own:
                raise FleetnetError(f"{address}:{port} presents the certificate {served} instead of {own}.")

    def _restore(
        self, plan: RemoteApiPlan, observed: ObservedRemoteApi, error: Exception, before: Before
    ) -> FleetnetError:
        log = logged_failure(self._daemon, before)
        reason = str(error).rstrip(".")
        former = {
            item.path: (item.before, observed.files[item.path].mode if item.before else 0) for item in plan.changes
        }
        try:
            self._write(former)
            if self._restarted:  # otherwise it still runs with what it read at its start
                self._restart(plan, observed, restore_limit(self._seconds))
        except (FleetnetError, OSError) as second:
            return FleetnetError(f"{reason}.{log} Restoring the former files failed as well: {second}")
        self._runs.end_run()
        return FleetnetError(f"{reason}. The former files are restored and {plan.unit} runs with them.{log}")


def _file(path: str) -> ObservedFile | None:
    text = read_text(path)
    if text is None:
        return None
    status = os.stat(path)
    return ObservedFile(text, stat.S_IMODE(status.st_mode), status.st_ctime)


def _served_certificate(address: str, port: int) -> str:
    """Return the certificate that the address presents. No request is sent, so no client certificate is required."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        plain = socket.create_connection((_reachable(address), port), timeout=HANDSHAKE_SECONDS)
        with plain, context.wrap_socket(plain) as secured:
            der = secured.getpeercert(binary_form=True)
    except OSError as error:
        raise FleetnetError(f"{address}:{port}: no TLS connection: {error}") from error
    if not der:
        raise FleetnetError(f"{address}:{port} presents no certificate.")
    return ssl.DER_cert_to_PEM_cert(der)


def _reachable(address: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)
