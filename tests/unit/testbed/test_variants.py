# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Host images with another engine: the program that installs and tries it, and what a failure says."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from fleetbed import variants
from fleetbed.docker import IMAGE_LABEL, LABEL
from fleetbed.errors import FleetError
from fleetbed.source import Source, parse

from .fake_engine import FakeEngine

BASE = "host:28.5"


@pytest.fixture
def origin(tmp_path: Path) -> Source:
    folder = tmp_path / "docker"
    folder.mkdir()
    for name in ("dockerd", "docker-proxy"):
        (folder / name).write_text(f"29.7.2 {name}")
    return parse(f"{folder}:nftables", ("28.5",))


@pytest.fixture
def engine(tmp_path: Path) -> FakeEngine:
    engine = FakeEngine(tmp_path / "engine.json")
    engine.run("import", "tarball", BASE)
    return engine


def test_the_image_contains_the_programs_and_the_version_of_the_engine(
    engine: FakeEngine, tmp_path: Path, origin: Source
) -> None:
    made = variants.ensure(engine, tmp_path / "locks", origin, BASE)
    assert made.version == "29.7.2"
    (image,) = (each for name, each in engine.images().items() if name == made.reference)
    assert image["Files"] == {"/opt/dockerd": "29.7.2 dockerd", "/opt/docker-proxy": "29.7.2 docker-proxy"}
    assert image["Arguments"] == ["install-engine", "nftables"]
    assert image["Labels"] == {LABEL: "image", IMAGE_LABEL: "28.5", variants.VERSION_LABEL: "29.7.2"}
    assert engine.objects("container") == []


def test_an_existing_image_is_used(engine: FakeEngine, tmp_path: Path, origin: Source) -> None:
    made = variants.ensure(engine, tmp_path / "locks", origin, BASE)
    engine.refuse_changes()
    assert variants.ensure(engine, tmp_path / "locks", origin, BASE) == made


@pytest.mark.parametrize(
    ("output", "status", "message"),
    [
        (
            "sh: 1: dockerd: Exec format error",
            3,
            r"does not run in the image of 28\.5: sh: 1: dockerd: Exec format err",
        ),
        ("the following directives don't match: firewall-backend", 4, r"dockerd rejects its configuration: the follow"),
        ("", 137, r"does not run in the image of 28\.5: exit status 137\. Use programs that are built for this"),
        ("something else", 0, r"does not run in the image of 28\.5: something else\."),
    ],
)
def test_a_failure_states_its_reason_and_leaves_nothing(
    engine: FakeEngine, tmp_path: Path, origin: Source, output: str, status: int, message: str
) -> None:
    engine.answer_start(output, status)
    with pytest.raises(FleetError, match=f"^engine {origin.name}: {message}"):
        variants.ensure(engine, tmp_path / "locks", origin, BASE)
    assert engine.objects("container") == []
    assert list(engine.images()) == [BASE]


def test_containers_of_killed_commands_are_removed(engine: FakeEngine, tmp_path: Path) -> None:
    engine.run("container", "create", "--label", f"{LABEL}=image", "--network=none", BASE, "sh", "-c", "", "x", "")
    variants.clear(engine, tmp_path / "locks")
    assert engine.objects("container") == []


PROGRAM = "#!/bin/sh\necho Docker version 29.7.2, build 6a43e3d\n"


class Installer:
    """The program that runs in a container of a host image, in a folder instead."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in ("opt", "etc/sysctl.d", "usr/bin", "usr/sbin"):
            (root / name).mkdir(parents=True)
        self.write("usr/sbin/dockerd", "#!/bin/sh\nexit 9\n")

    def write(self, path: str, text: str) -> None:
        (self.root / path).write_text(text)
        (self.root / path).chmod(0o755)

    def run(self, backend: str = "") -> subprocess.CompletedProcess[str]:
        script = variants.INSTALLER.read_text()
        for folder in ("/opt", "/etc", "/usr/bin/$"):
            assert folder in script
            script = script.replace(folder, f"{self.root}{folder}")
        script = script.replace("chown root:root", "true")
        path = f"{self.root}/usr/sbin:{self.root}/usr/bin:/usr/bin:/bin"
        argv = ["sh", "-c", script, "install-engine", backend]
        return subprocess.run(argv, env={"PATH": path}, capture_output=True, text=True, check=False)


@pytest.fixture
def installer(tmp_path: Path) -> Installer:
    return Installer(tmp_path / "root")


def test_programs_replace_those_of_the_image(installer: Installer) -> None:
    installer.write("opt/dockerd", PROGRAM)
    installer.write("opt/fleetnet-new", "#!/bin/sh\nexit 2\n")
    done = installer.run()
    assert (done.returncode, done.stdout) == (0, "Docker version 29.7.2, build 6a43e3d\n")
    assert (installer.root / "usr/sbin/dockerd").read_text() == PROGRAM
    assert (installer.root / "usr/bin/fleetnet-new").exists()
    assert not (installer.root / "etc/docker").exists()


def test_the_nftables_backend_requires_forwarding(installer: Installer) -> None:
    installer.write("usr/sbin/dockerd", PROGRAM)
    assert installer.run("nftables").returncode == 0
    assert (installer.root / "etc/docker/daemon.json").read_text() == '{"firewall-backend": "nftables"}\n'
    (file,) = (installer.root / "etc/sysctl.d").iterdir()
    assert file.read_text() == "net.ipv4.ip_forward = 1\nnet.ipv6.conf.all.forwarding = 1\n"


def test_the_iptables_backend_requires_nothing(installer: Installer) -> None:
    installer.write("usr/sbin/dockerd", PROGRAM)
    assert installer.run("iptables").returncode == 0
    assert (installer.root / "etc/docker/daemon.json").read_text() == '{"firewall-backend": "iptables"}\n'
    assert not list((installer.root / "etc/sysctl.d").iterdir())


def test_a_program_that_does_not_run(installer: Installer) -> None:
    installer.write("opt/dockerd", PROGRAM)
    installer.write("opt/runc", "#!/missing/interpreter\n")
    done = installer.run()
    assert done.returncode == 3
    assert "runc" in done.stdout


def test_an_engine_that_rejects_its_configuration(installer: Installer) -> None:
    reject = 'if [ "$1" = --validate ]; then echo "no such directive: firewall-backend" >&2; exit 1; fi\n'
    installer.write("opt/dockerd", f"#!/bin/sh\n{reject}")
    done = installer.run("nftables")
    assert (done.returncode, done.stdout) == (variants.REJECTED, "no such directive: firewall-backend\n")
