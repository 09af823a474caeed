# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Execute plans of remote_api on a fake host: after each failure, files, daemon and containers are as before."""

from __future__ import annotations

import json
import stat
import typing as t
from pathlib import Path

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.observed import RunningContainer
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.remote_api.plan import (
    DesiredRemoteApi,
    FileChange,
    ObservedFile,
    ObservedRemoteApi,
    RemoteApiPlan,
    TlsFiles,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.daemon import remote_api as executor_module
from ansible_collections.fleetnet.docker.plugins.module_utils._host.daemon.remote_api import RemoteApiExecutor
from ansible_collections.fleetnet.docker.plugins.module_utils._host.daemon.run_records import RunRecords
from ansible_collections.fleetnet.docker.plugins.module_utils._host.daemon.unit import DaemonUnit
from ansible_collections.fleetnet.docker.plugins.module_utils._host.engine.port import EngineError, EngineVersion

CONFIG = '{"debug": true}\n'
LIVE = '{"debug": true, "live-restore": true}\n'
PEM = "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n"
OLD, NEW, OTHER = (PEM.format(text) for text in ("T2xk", "TmV3", "T3RoZXI="))
WEB = RunningContainer("1", "web")


class Killed(BaseException):
    """The module is killed at this point."""


class FakeHost:
    """systemd, dockerd with its API and its files. ``failure`` returns the error of a request, by text and number."""

    name = "docker.service"
    version = EngineVersion(26, 1, 5)

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "daemon.json"
        self.config.write_text(CONFIG)
        self.certificate = folder / "remote_api" / "cert.pem"
        self.drop_in = folder / "docker.service.d" / "zz.conf"
        self.certificate.parent.mkdir()
        self.certificate.write_text(OLD)
        self.certificate.chmod(0o600)
        self.active = "active"
        self.live_restore = False
        self.served = OLD
        self.running = {"1": True}
        self.requests: list[str] = []
        self.killed = False
        self.failure: t.Callable[[str, int], BaseException | None] = lambda _request, _number: None

    def until_killed(self, function: t.Callable[..., None]) -> t.Callable[..., None]:
        """``function``, as long as the module is not killed: a kill also skips what ``finally`` would do."""

        def call(*arguments: t.Any, **options: t.Any) -> None:
            if self.killed:
                raise Killed
            function(*arguments, **options)

        return call

    def _request(self, text: str) -> None:
        if self.killed:
            raise Killed
        self.requests.append(text)
        error = self.failure(text, len(self.requests) - 1)
        self.killed = isinstance(error, Killed)
        if error is not None:
            raise error

    # --- systemd and the daemon
    def unit(self) -> DaemonUnit:
        argv = ("/usr/sbin/dockerd", f"--config-file={self.config}")
        return DaemonUnit(self.name, self.active, 0, "run", 2e9, argv)

    def _read(self) -> None:
        self.live_restore = json.loads(self.config.read_text()).get("live-restore", False)

    def restart(self, _seconds: float) -> None:
        if not self.live_restore and self.active == "active":
            self.running = dict.fromkeys(self.running, False)
        self.active = "failed"
        self._request("restart")
        self.active = "active"
        self.served = self.certificate.read_text()
        self._read()

    def reload(self) -> None:
        self._request("reload")
        self._read()

    def log_since(self, _moment: float, _without: str = "") -> list[str]:
        return []

    def validate(self, text: str, argv: t.Sequence[str]) -> None:
        (certificate,) = (word.split("=", 1)[1] for word in argv if word.startswith("--tlscert="))
        assert Path(certificate).read_text() == NEW
        assert stat.S_IMODE(Path(certificate).parent.stat().st_mode) == 0o700
        assert text == CONFIG
        raise FleetnetError(f"dockerd --validate rejects the new configuration: {certificate}: expired")

    def run(self, *argv: str, **_options: t.Any) -> str:
        if argv[1] == "cat":
            return "[Service]\nExecStart=/usr/sbin/dockerd -H fd://\n"
        self._request(" ".join(argv))
        return ""

    # --- the engine's API
    def get(self, path: str, **_query: str) -> t.Any:
        if path == "/info":
            return {"LiveRestoreEnabled": self.live_restore}
        if path == "/containers/json":
            return [{"Id": key} for key, runs in self.running.items() if runs]
        key = path.split("/")[2]
        if key not in self.running:
            raise EngineError("no such container", 404)
        return {"Name": "/web", "HostConfig": {}, "State": {"Running": self.running[key], "StartedAt": key}}

    def post(self, path: str, _body: object = None, **_query: str) -> t.Any:
        self._request(path)
        self.running[path.split("/")[2]] = True

    def state(self) -> dict[str, t.Any]:
        """Everything that a user can see."""
        files = {path.name: path.read_text() for path in (self.config, self.certificate, self.drop_in) if path.exists()}
        return {"files": files, "active": self.active, "live": self.live_restore, "running": self.running.copy()}


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeHost:
    return build(tmp_path, monkeypatch)


def build(folder: Path, monkeypatch: pytest.MonkeyPatch) -> FakeHost:
    fake = FakeHost(folder)
    monkeypatch.setattr(executor_module, "REMOTE_API_FOLDER", str(folder / "remote_api"))
    for name in ("CA", "CERT", "KEY"):
        monkeypatch.setattr(executor_module, f"{name}_FILE", str(folder / "remote_api" / f"{name.lower()}.pem"))
    monkeypatch.setattr(executor_module, "LIVE_RESTORE_FILE", str(folder / "run" / "{}.live-restore.json"))
    monkeypatch.setattr(executor_module, "RELOAD_SECONDS", 0.0)
    for function in ("write_atomically", "remove"):
        monkeypatch.setattr(executor_module, function, fake.until_killed(getattr(executor_module, function)))
    monkeypatch.setattr(executor_module, "_served_certificate", lambda _address, _port: fake.served)
    return fake


def executor(fake: FakeHost) -> RemoteApiExecutor:
    host = t.cast(t.Any, fake)
    made = RemoteApiExecutor(host, host, RunRecords(fake.name, str(fake.folder / "run")), lambda: host, 1)
    made._drop_in = str(fake.drop_in)
    return made


DESIRED = DesiredRemoteApi(("192.0.2.1",), 2376, TlsFiles("authority\n", NEW, "key\n"))


def renewal(fake: FakeHost, live: bool) -> RemoteApiPlan:
    """A new certificate and a drop-in, with or without live restore during the restart."""
    return RemoteApiPlan(
        unit=fake.name,
        changes=(
            FileChange(str(fake.certificate), OLD, NEW, 0o600),
            FileChange(str(fake.drop_in), None, "[Service]\n", 0o644),
        ),
        reasons=("read new certificates",),
        interim=LIVE if live else None,
        interrupted=() if live else (WEB,),
        resume=(WEB,),
        argv=("/usr/sbin/dockerd", f"--tlscert={fake.certificate}"),
        endpoints=(("192.0.2.1", 2376),),
    )


def observed(fake: FakeHost) -> ObservedRemoteApi:
    return ObservedRemoteApi(
        version=fake.version,
        unit=fake.name,
        drop_in=str(fake.drop_in),
        argv=fake.unit().argv,
        exec_start="/usr/sbin/dockerd",
        started=2e9,
        files={str(fake.certificate): ObservedFile(OLD, 0o600, 1.0)},
        config_path=str(fake.config),
        config_text=CONFIG,
        info={},
        containers=(WEB,),
    )


def renew(fake: FakeHost, live: bool) -> None:
    executor(fake).execute(renewal(fake, live), DESIRED, observed(fake))


RENEWED = {
    "files": {"daemon.json": CONFIG, "cert.pem": NEW, "zz.conf": "[Service]\n"},
    "active": "active",
    "live": False,
    "running": {"1": True},
}


def test_a_renewal_restarts_the_daemon_and_keeps_containers(fake: FakeHost) -> None:
    renew(fake, live=True)
    assert fake.state() == RENEWED
    assert fake.requests == ["systemctl daemon-reload", "reload", "restart", "reload"]
    assert stat.S_IMODE(fake.certificate.stat().st_mode) == 0o600


def test_without_live_restore_containers_are_started_again(fake: FakeHost) -> None:
    renew(fake, live=False)
    assert fake.state() == RENEWED
    assert fake.requests == ["systemctl daemon-reload", "restart", "/containers/1/start"]


@pytest.mark.parametrize("live", [True, False])
@pytest.mark.parametrize("error", [FleetnetError("injected"), OSError(28, "injected")])
def test_after_any_failed_request_everything_is_as_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, live: bool, error: Exception
) -> None:
    total, number = 1, 0
    while number < total:
        folder = tmp_path / str(number)
        folder.mkdir()
        fake = build(folder, monkeypatch)
        before = fake.state()
        fake.failure = lambda _request, at, number=number: error if at == number else None
        with pytest.raises(FleetnetError, match=r"injected\. The former files are restored") as raised:
            renew(fake, live)
        assert fake.state() == before, (number, fake.requests, str(raised.value))
        assert not list((folder / "run").glob("*.live-restore.json"))
        total = 4 if live else 3
        number += 1
    assert number == total


@pytest.mark.parametrize(
    ("live", "number"), [(True, 0), (True, 1), (True, 2), (True, 3), (False, 0), (False, 1), (False, 2)]
)
def test_the_next_run_continues_after_a_kill(fake: FakeHost, live: bool, number: int) -> None:
    """Files are written between requests: together these are the states that a killed run leaves."""
    fake.failure = lambda _request, at: Killed() if at == number else None
    with pytest.raises(Killed):
        renew(fake, live)
    fake.killed = False
    fake.failure = lambda _request, _number: None
    if fake.active == "failed":  # systemd completes the start without the module
        fake.restart(1)
    executor(fake).recover()
    assert fake.config.read_text() == CONFIG
    assert not fake.live_restore
    assert fake.running == {"1": True}
    assert executor(fake).recover() is None
    renew(fake, live)
    assert fake.state() == RENEWED


def test_recovery_names_what_it_did(fake: FakeHost) -> None:
    fake.failure = lambda request, _number: Killed() if request == "restart" else None
    with pytest.raises(Killed):
        renew(fake, live=False)
    fake.killed = False
    assert executor(fake).recover() is None  # the daemon is down: a later run starts the containers
    fake.active = "active"
    fake.failure = lambda _request, _number: None
    assert executor(fake).recover() == "start web: an earlier run was interrupted"


def test_recovery_keeps_a_file_that_was_edited_since(fake: FakeHost) -> None:
    fake.failure = lambda request, _number: Killed() if request == "restart" else None
    with pytest.raises(Killed):
        renew(fake, live=True)
    fake.killed = False
    fake.config.write_text('{"mtu": 1400}\n')
    assert executor(fake).recover() is None
    assert fake.config.read_text() == '{"mtu": 1400}\n'
    assert not list((fake.folder / "run").glob("*.live-restore.json"))


def test_a_file_that_did_not_exist_is_removed_after_the_restart(fake: FakeHost) -> None:
    fake.config.unlink()
    executor(fake).execute(renewal(fake, live=True), DESIRED, observed(fake)._replace(config_text=None))
    assert not fake.config.exists()


def test_another_certificate_on_the_port_restores_the_former_files(
    fake: FakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executor_module, "_served_certificate", lambda _address, _port: OTHER)
    before = fake.state()
    with pytest.raises(FleetnetError, match=r"192\.0\.2\.1:2376 presents the certificate sha256:\w+ instead of sha256"):
        renew(fake, live=True)
    assert fake.state() == before


def test_a_failed_restore_reports_both_errors(fake: FakeHost) -> None:
    fake.failure = lambda request, _number: FleetnetError("it does not start.") if request == "restart" else None
    with pytest.raises(FleetnetError) as raised:
        renew(fake, live=False)
    assert str(raised.value) == ("it does not start. Restoring the former files failed as well: it does not start.")
    assert fake.certificate.read_text() == OLD
    assert not fake.drop_in.exists()


def test_an_engine_that_ignores_live_restore_is_not_restarted(fake: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fake, "_read", lambda: None)
    with pytest.raises(FleetnetError, match="does not enable live restore"):
        renew(fake, live=True)
    assert "restart" not in fake.requests
    assert fake.state() == {**RENEWED, "files": {"daemon.json": CONFIG, "cert.pem": OLD}}


def test_live_restore_takes_a_moment(fake: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executor_module, "RELOAD_SECONDS", 60.0)
    read = fake._read
    monkeypatch.setattr(fake, "reload", lambda: None)  # the daemon reads its file later
    monkeypatch.setattr(executor_module.time, "sleep", lambda _seconds: read())
    renew(fake, live=True)
    assert fake.state() == RENEWED


def test_without_tls_no_certificate_is_expected(fake: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executor_module, "_served_certificate", None)
    plan = renewal(fake, live=True)._replace(changes=(FileChange(str(fake.certificate), OLD, None, 0o600),))
    monkeypatch.setattr(fake, "restart", lambda _seconds: fake._read())
    executor(fake).execute(plan, DesiredRemoteApi((), 2376, None), observed(fake))
    assert not fake.certificate.exists()
    assert not fake.certificate.parent.exists()


def test_validation_happens_in_a_private_folder_and_names_the_final_one(fake: FakeHost) -> None:
    with pytest.raises(FleetnetError) as raised:
        executor(fake).validate(renewal(fake, live=True), DESIRED, observed(fake))
    assert str(raised.value).endswith(f"{fake.certificate}: expired")
    assert fake.state()["files"] == {"daemon.json": CONFIG, "cert.pem": OLD}


def test_nothing_is_validated_by_an_engine_without_validation(fake: FakeHost) -> None:
    executor(fake).validate(renewal(fake, live=True), DESIRED, observed(fake)._replace(version=(20, 10, 24)))


def test_the_observed_files_have_text_and_mode(fake: FakeHost) -> None:
    seen = executor(fake).observe()
    assert seen.files == {
        str(fake.certificate): ObservedFile(OLD, 0o600, fake.certificate.stat().st_ctime),
    }
    assert (seen.config_text, seen.exec_start, seen.containers) == (CONFIG, "/usr/sbin/dockerd -H fd://", (WEB,))


def test_a_daemon_that_is_down_is_an_error(fake: FakeHost) -> None:
    fake.active = "failed"
    with pytest.raises(FleetnetError, match=r"docker\.service is failed\. Start it first"):
        executor(fake).observe()
