# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Interrupted runs are finished on the host, over the engine's socket, without the module."""

from __future__ import annotations

import pathlib
import typing as t

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._host.engine.port import EngineError
from ansible_collections.fleetnet.docker.plugins.module_utils._host.engine.unix_socket import SocketEngine
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.finish import finish
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.journal_folder import JournalPaths
from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks.journals import JournalFolder

from .served_docker import served
from .test_executor import WEB
from .test_kills import CREATE, Json, endpoints, interrupted

MTU = {**WEB, "mtu": 1400}
ALL = {"fixed", "dynamic", "both", "stopped", "once"}


class Host:
    def __init__(self, folder: pathlib.Path) -> None:
        self.socket = folder / "docker.sock"
        self.folder = folder / "networks"
        self.paths = JournalPaths.of(f"unix://{self.socket}", str(self.folder), str(folder))
        self.journals = JournalFolder(self.paths, wait=0)

    def write(self, files: dict[str, str]) -> None:
        self.folder.mkdir()
        for key, text in files.items():
            text = text.replace("unix:///run/docker.sock", f"unix://{self.socket}")
            pathlib.Path(self.paths.file(key)).write_text(text)

    def finish(self) -> int:
        return finish(str(self.socket), self.paths)


@pytest.fixture
def host(tmp_path: pathlib.Path) -> Host:
    return Host(tmp_path)


@pytest.mark.parametrize("stop", ["POST /networks/", "DELETE", CREATE])
def test_it_restores_all_endpoints_and_prints_what_it_did(
    host: Host, stop: str, capsys: pytest.CaptureFixture[str]
) -> None:
    docker, files = interrupted(stop, MTU)
    host.write(files)
    with served(docker, host.socket):
        assert host.finish() == 0
        printed = capsys.readouterr().out
        assert endpoints(docker, "web").keys() == ALL
        assert host.journals.unfinished() == []
        assert host.finish() == 0
    assert capsys.readouterr().out == ""
    if stop == CREATE:
        assert docker.network("web")["Options"]["com.docker.network.driver.mtu"] == "1400"
        assert printed.startswith("finish an interrupted run (recreate network web): create network web")
        assert len(printed.splitlines()) == 6


def test_what_cannot_be_restored_is_printed_and_stays(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    docker, files = interrupted(CREATE, MTU)
    host.write(files)
    docker._add_network({"Name": "web", "IPAM": {"Config": [{"Subnet": "10.99.0.0/24"}]}})
    with served(docker, host.socket):
        assert host.finish() == 1
    assert "another program created network 'web'" in capsys.readouterr().out
    assert len(host.journals.unfinished()) == 1


def test_an_engine_that_does_not_answer_is_reported(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    _docker, files = interrupted(CREATE, MTU)
    host.write(files)
    assert host.finish() == 1
    assert f"the Docker engine at unix://{host.socket} does not answer" in capsys.readouterr().out


def test_a_run_that_is_active_finishes_its_steps_itself(host: Host) -> None:
    docker, files = interrupted(CREATE, MTU)
    host.write(files)
    with served(docker, host.socket), host.journals.locked():
        assert host.finish() == 0
    assert endpoints(docker, "dual").keys() == {"both"}
    assert len(host.journals.unfinished()) == 1


def test_the_same_socket_by_another_path_is_the_same_engine(host: Host, tmp_path: pathlib.Path) -> None:
    _docker, files = interrupted(CREATE, MTU)
    host.write(files)
    (tmp_path / "link").symlink_to(tmp_path)
    for path, count in ((f"{tmp_path}/link/docker.sock", 1), (f"{tmp_path}/other.sock", 0)):
        other = JournalPaths.of(f"unix://{path}", str(host.folder), str(tmp_path))
        assert len(JournalFolder(other).unfinished()) == count
        assert other.interrupted() == bool(count)


class Raw:
    """Serves one raw answer."""

    def __init__(self, status: int, answer: t.Any) -> None:
        self.version = "29.7.2"
        self._error = EngineError(str(answer), status)

    def get(self, _path: str, **_query: str) -> Json:
        raise self._error


@pytest.mark.parametrize(("status", "words"), [(404, "no such thing"), (500, "broken")])
def test_the_engines_errors_have_their_status_and_text(host: Host, status: int, words: str) -> None:
    with served(Raw(status, words), host.socket):  # type: ignore[arg-type]
        engine = SocketEngine(str(host.socket))
        assert engine.version == (29, 7, 2)
        with pytest.raises(EngineError, match=words) as caught:
            engine.get("/networks/x")
    assert caught.value.status == status
