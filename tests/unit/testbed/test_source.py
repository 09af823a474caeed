# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where engines come from: host images, and folders of the user."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from fleetbed import source
from fleetbed.errors import FleetError
from fleetbed.source import Source, parse

KNOWN = ("20.10", "26.1", "28.5")
PARTS = {"dockerd": b"engine", "docker-proxy": b"proxy"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, data in PARTS.items():
        (tmp_path / name).write_bytes(data)
    return tmp_path


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("26.1", Source("26.1", "26.1")),
        ("26.1:nftables", Source("26.1:nftables", "26.1", None, "nftables")),
        ("/opt/docker", Source("/opt/docker", "28.5", Path("/opt/docker"))),
        ("/opt/docker/:nftables", Source("/opt/docker:nftables", "28.5", Path("/opt/docker"), "nftables")),
        ("/opt/docker:iptables", Source("/opt/docker:iptables", "28.5", Path("/opt/docker"), "iptables")),
        ("/opt/a:b/", Source("/opt/a:b", "28.5", Path("/opt/a:b"))),
    ],
)
def test_engines(text: str, expected: Source) -> None:
    assert parse(text, KNOWN) == expected
    assert parse(expected.name, KNOWN) == expected, "the recorded name has the same meaning"


def test_a_relative_folder_is_recorded_as_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert parse("./docker:nftables", KNOWN).name == f"{tmp_path}/docker:nftables"


@pytest.mark.parametrize("text", ["docker", "28.5:ebtables", "29.0"])
def test_unknown_engines_are_rejected(text: str) -> None:
    with pytest.raises(FleetError, match=rf"engine {text}: unknown\. Choose from 20\.10, .*, or name a folder"):
        parse(text, KNOWN)


def test_only_the_engines_of_host_images_use_them_unchanged() -> None:
    assert parse("28.5", KNOWN).packaged
    assert not parse("28.5:iptables", KNOWN).packaged
    assert not parse("/opt/docker", KNOWN).packaged


def test_programs_are_those_of_the_static_archive(folder: Path) -> None:
    for name in ("runc", "docker", "README"):
        (folder / name).touch()
    (folder / "containerd").mkdir()
    assert list(parse(str(folder), KNOWN).programs()) == ["dockerd", "docker-proxy", "docker", "runc"]
    assert parse("28.5:nftables", KNOWN).programs() == {}


def test_missing_folders_and_programs_are_rejected(folder: Path) -> None:
    with pytest.raises(FleetError, match=rf"^engine {folder}/x: {folder}/x: no such folder\. Name a folder with dock"):
        parse(f"{folder}/x", KNOWN).programs()
    (folder / "docker-proxy").unlink()
    with pytest.raises(FleetError, match=rf"^engine {folder}: {folder}: docker-proxy missing\. Copy it into this"):
        parse(str(folder), KNOWN).programs()
    (folder / "dockerd").unlink()
    with pytest.raises(FleetError, match=r"dockerd and docker-proxy missing\. Copy them into this folder$"):
        parse(str(folder), KNOWN).programs()


def test_images_differ_by_what_is_in_them(folder: Path) -> None:
    origin = parse(str(folder), KNOWN)
    seen = {key := source.digest("base", origin, origin.programs(), "script")}
    assert source.digest("base", dataclasses.replace(origin, name="other"), origin.programs(), "script") == key
    seen.add(source.digest("other", origin, origin.programs(), "script"))
    seen.add(source.digest("base", origin, origin.programs(), "other"))
    seen.add(source.digest("base", parse(f"{folder}:nftables", KNOWN), origin.programs(), "script"))
    (folder / "dockerd").write_bytes(b"newer")
    seen.add(source.digest("base", origin, origin.programs(), "script"))
    (folder / "runc").write_bytes(b"runc")
    seen.add(source.digest("base", origin, origin.programs(), "script"))
    assert len(seen) == 6


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("Docker version 29.7.2, build 6a43e3d\n", "29.7.2"),
        ("warning\nDocker version 26.1.5+dfsg1, build a72d7cd", "26.1.5+dfsg1"),
        ("dockerd: Docker version", ""),
    ],
)
def test_version_of_the_engine(output: str, expected: str) -> None:
    assert source.version(output) == expected


@pytest.mark.parametrize(
    ("present", "expected"),
    [
        ([], ["engine 29 with iptables", "engine 29 with nftables"]),
        ([("29.7.2", "")], ["engine 29 with nftables"]),
        ([("29.7.2", "nftables"), ("28.5.2", "iptables")], ["engine 29 with iptables"]),
        ([("29.0.0", "iptables"), ("29.7.2", "nftables"), ("30.0.0", "")], []),
    ],
)
def test_supported_engines_that_are_not_present(present: list[tuple[str, str]], expected: list[str]) -> None:
    assert source.untested(present) == expected
