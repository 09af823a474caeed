# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The authority in its folder: what it issues, when it issues again, and file modes."""

from __future__ import annotations

import datetime
import errno
import ipaddress
import os
import stat
import typing as t
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import PolicyBuilder, Store

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.remote_api.certificates import (
    Lifetimes,
    check_lifetimes,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.remote_api.plan import TlsFiles
from ansible_collections.fleetnet.docker.plugins.plugin_utils import authority
from ansible_collections.fleetnet.docker.plugins.plugin_utils.authority import Authority, Folder, check_provided

NOW = datetime.datetime(2030, 1, 1, tzinfo=datetime.UTC)
LIFETIMES = Lifetimes(authority=3650, certificate=365, renew=60)
NAMES = ("h1", "192.0.2.1")


def days(count: int) -> datetime.timedelta:
    return datetime.timedelta(days=count)


def issue(
    path: Path, now: datetime.datetime = NOW, names: tuple[str, ...] = NAMES, generation: int = 1, write: bool = True
) -> tuple[list[str], TlsFiles]:
    authority = Authority(Folder(str(path), write), generation, LIFETIMES, now)
    tls = authority.server("h1", names)
    authority.client("admin")
    return authority.reasons, tls


def load(text: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(text.encode())


def test_certificates_verify_against_the_authority(tmp_path: Path) -> None:
    tls = issue(tmp_path)[1]
    policy = PolicyBuilder().store(Store([load(tls.ca)])).time(NOW)
    for name in (x509.DNSName("h1"), x509.IPAddress(ipaddress.ip_address("192.0.2.1"))):
        policy.build_server_verifier(name).verify(load(tls.certificate), [])
    client = load((tmp_path / "clients/admin/cert.pem").read_text())
    usage = client.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert (tmp_path / "clients/admin/ca.pem").read_text() == tls.ca


def test_only_the_owner_reads_it(tmp_path: Path) -> None:
    issue(tmp_path / "folder")
    paths = [tmp_path / "folder", *(tmp_path / "folder").rglob("*")]
    assert {stat.S_IMODE(path.stat().st_mode) for path in paths if path.is_dir()} == {0o700}
    assert {stat.S_IMODE(path.stat().st_mode) for path in paths if path.is_file()} == {0o600}


def test_modes_are_corrected(tmp_path: Path) -> None:
    issue(tmp_path)
    (tmp_path / "ca-key.pem").chmod(0o644)
    with Folder(str(tmp_path), write=True).locked():
        assert stat.S_IMODE((tmp_path / "ca-key.pem").stat().st_mode) == 0o600


def test_the_target_of_a_link_keeps_its_mode(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.touch(0o644)
    target.chmod(0o644)
    issue(tmp_path / "folder")
    (tmp_path / "folder/link").symlink_to(target)
    issue(tmp_path / "folder")
    assert stat.S_IMODE(target.stat().st_mode) == 0o644


@pytest.mark.parametrize("write", [True, False])
@pytest.mark.parametrize("mark", [None, "# *.pyc"])
def test_a_folder_of_something_else_is_an_error(tmp_path: Path, write: bool, mark: str | None) -> None:
    (tmp_path / "project.yml").touch(0o644)
    (tmp_path / "project.yml").chmod(0o644)
    tmp_path.chmod(0o755)
    if mark is not None:
        (tmp_path / ".gitignore").write_text(mark)
    before = sorted(tmp_path.iterdir())
    message = r"is not empty and is not the folder of an authority\. Choose an empty"
    with pytest.raises(FleetnetError, match=message), Folder(str(tmp_path), write).locked():
        pass
    assert sorted(tmp_path.iterdir()) == before
    assert [stat.S_IMODE(path.stat().st_mode) for path in (tmp_path, tmp_path / "project.yml")] == [0o755, 0o644]


def test_a_folder_whose_first_file_was_not_completed_is_used(tmp_path: Path) -> None:
    (tmp_path / ".lock").touch()
    (tmp_path / ".new.abc").touch()
    issue(tmp_path)
    assert (tmp_path / "ca.pem").exists()


def test_a_second_run_issues_nothing(tmp_path: Path) -> None:
    first, tls = issue(tmp_path)
    assert first == ["authority: missing", "server h1: missing", "client admin: missing"]
    assert issue(tmp_path, NOW + days(304)) == ([], tls)


def test_check_mode_writes_nothing(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path / "folder"), write=False)
    with folder.locked():
        authority = Authority(folder, 1, LIFETIMES, NOW)
        authority.server("h1", NAMES)
        authority.client("admin")
    assert len(authority.reasons) == 3
    assert not (tmp_path / "folder").exists()


@pytest.mark.parametrize(
    ("after", "names", "generation", "reasons"),
    [
        (306, NAMES, 1, ["server h1: expires on 2031-01-01", "client admin: expires on 2031-01-01"]),
        (400, NAMES, 1, ["server h1: expired on 2031-01-01", "client admin: expired on 2031-01-01"]),
        (1, ("h1", "192.0.2.9"), 1, ["server h1: issued for 192.0.2.1, h1"]),
        (-1, NAMES, 1, [f"{who}: not valid before 2029-12-31" for who in ("authority", "server h1", "client admin")]),
        (
            1,
            NAMES,
            2,
            ["authority: of another generation"]
            + [f"{who}: not signed by the current authority" for who in ("server h1", "client admin")],
        ),
    ],
)
def test_certificates_are_issued_again(
    tmp_path: Path, after: int, names: tuple[str, ...], generation: int, reasons: list[str]
) -> None:
    before = issue(tmp_path)[1]
    reported, now = issue(tmp_path, NOW + days(after), names, generation)
    assert reported == reasons
    assert now.key != before.key
    assert (now.ca != before.ca) == (generation == 2 or after < 0)


def test_the_authority_is_renewed_with_its_key(tmp_path: Path) -> None:
    late = NOW + days(3650 - 365)
    issue(tmp_path)
    before = issue(tmp_path, late - days(1))[1]
    reported, now = issue(tmp_path, late)
    assert reported == ["authority: expires on 2039-12-30"]
    assert now.certificate == before.certificate
    assert now.ca != before.ca
    verifier = PolicyBuilder().store(Store([load(now.ca)])).time(late).build_server_verifier(x509.DNSName("h1"))
    verifier.verify(load(now.certificate), [])


def test_a_foreign_key_is_replaced_and_a_missing_authority_key_is_an_error(tmp_path: Path) -> None:
    issue(tmp_path)
    key = tmp_path / "hosts/h1/key.pem"
    key.write_bytes((tmp_path / "clients/admin/key.pem").read_bytes())
    assert issue(tmp_path)[0] == ["server h1: its key belongs to another certificate"]
    (tmp_path / "ca-key.pem").unlink()
    with pytest.raises(FleetnetError, match=r"ca-key\.pem: missing\. Restore it"):
        issue(tmp_path)


@pytest.mark.parametrize("name", ["", "../h1", "a/b", ".", "x" * 65])
def test_a_name_must_not_be_a_path(tmp_path: Path, name: str) -> None:
    with pytest.raises(FleetnetError, match="is not a valid name"):
        Authority(Folder(str(tmp_path), write=True), 1, LIFETIMES, NOW).client(name)


def test_another_generation_needs_no_former_key(tmp_path: Path) -> None:
    issue(tmp_path)
    (tmp_path / "ca-key.pem").unlink()
    assert issue(tmp_path, generation=2)[0][0] == "authority: of another generation"


def test_provided_certificates_must_match(tmp_path: Path) -> None:
    tls = issue(tmp_path)[1]
    check_provided(tls, NOW)
    other = issue(tmp_path, generation=2)[1]
    with pytest.raises(FleetnetError, match="private_key: is not the key of certificate \\(h1\\)"):
        check_provided(tls._replace(key=other.key), NOW)
    with pytest.raises(FleetnetError, match="certificate \\(h1\\): expired on 2031-01-01"):
        check_provided(tls, NOW + days(365))
    with pytest.raises(FleetnetError, match=r"ca_certificate \(.*\): not valid before 2029-12-31"):
        check_provided(tls, NOW - days(1))
    with pytest.raises(FleetnetError, match="certificate: must be a certificate"):
        check_provided(tls._replace(certificate="x"), NOW)
    with pytest.raises(FleetnetError, match="private_key: must be a private key") as failure:
        check_provided(tls._replace(key="a secret"), NOW)
    assert "a secret" not in str(failure.value)


@pytest.mark.parametrize(
    ("lifetimes", "says"),
    [
        (Lifetimes(3650, 0, 0), "authority.days: 0"),
        (Lifetimes(3650, 30, 30), "authority.renew_days: 30"),
        (Lifetimes(365, 365, 60), "authority.ca_days: 365"),
    ],
)
def test_contradicting_lifetimes_are_rejected(lifetimes: Lifetimes, says: str) -> None:
    with pytest.raises(FleetnetError, match=says):
        check_lifetimes(lifetimes)


def files_in(path: Path) -> dict[str, bytes]:
    return {str(each.relative_to(path)): each.read_bytes() for each in path.rglob("*") if each.is_file()}


def full_after(number: int) -> t.Callable[[str, str], None]:
    """os.replace on a disk that is full after this number of files."""
    replace, left = os.replace, iter(range(number))

    def fill_up(source: str, target: str) -> None:
        if next(left, None) is None:
            raise OSError(errno.ENOSPC, "No space left on device")
        replace(source, target)

    return fill_up


@pytest.mark.parametrize("generation", [1, 2], ids=["renewal", "another authority"])
def test_a_disk_that_fills_up_leaves_files_that_the_next_run_completes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, generation: int
) -> None:
    """Each file is the former or the new one, and no temporary file with a key remains."""
    later = NOW + days(340)

    def renew(path: Path) -> TlsFiles:
        return issue(path, later, generation=generation)[1]

    issue(tmp_path / "complete")
    renew(tmp_path / "complete")
    names = set(files_in(tmp_path / "complete"))
    failures = 0
    for number in range(20):
        path = tmp_path / str(number)
        issue(path)
        before = files_in(path)
        monkeypatch.setattr(authority.os, "replace", full_after(number))
        full = True
        try:
            renew(path)
            full = False
        except OSError:
            failures += 1
        monkeypatch.undo()
        now = files_in(path)
        assert set(now) <= names, number
        changed = [name for name in names if now.get(name) != before.get(name)]
        assert not full or len(changed) == number
        tls = renew(path)
        policy = PolicyBuilder().store(Store([load(tls.ca)])).time(later)
        policy.build_server_verifier(x509.DNSName("h1")).verify(load(tls.certificate), [])
        assert set(files_in(path)) == names
        assert issue(path, later, generation=generation)[0] == []
    assert 0 < failures < 20


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("ca-key.pem", "text\n", r"ca-key\.pem: must be a private key in PEM format without a password"),
        ("ca.pem", "text\n", r"ca\.pem: must be a certificate in PEM format"),
        ("hosts/h1/cert.pem", "text\n", r"hosts/h1/cert\.pem: must be a certificate in PEM format"),
    ],
)
def test_a_damaged_file_is_named_and_kept(tmp_path: Path, name: str, content: str, message: str) -> None:
    issue(tmp_path)
    (tmp_path / name).write_text(content)
    before = files_in(tmp_path)
    with pytest.raises(FleetnetError, match=message):
        issue(tmp_path)
    assert files_in(tmp_path) == before


def test_a_key_of_another_kind_is_named_and_kept(tmp_path: Path) -> None:
    issue(tmp_path)
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (tmp_path / "hosts/h1/key.pem").write_bytes(text)
    with pytest.raises(FleetnetError, match=r"key\.pem: must be an elliptic curve key\. Remove it to create another"):
        issue(tmp_path)
    assert (tmp_path / "hosts/h1/key.pem").read_bytes() == text
    (tmp_path / "hosts/h1/key.pem").unlink()
    assert issue(tmp_path)[0] == ["server h1: missing"]


def test_a_key_of_another_authority_is_an_error(tmp_path: Path) -> None:
    issue(tmp_path)
    issue(tmp_path / "other")
    (tmp_path / "ca-key.pem").write_bytes((tmp_path / "other/ca-key.pem").read_bytes())
    with pytest.raises(FleetnetError, match=r"ca-key\.pem: is not the key of ca\.pem\. Restore it"):
        issue(tmp_path)


@pytest.mark.parametrize("name", ["", ".hidden", "a/b", "a\0b", "x" * 65])
def test_a_name_that_is_not_a_folder_is_an_error(tmp_path: Path, name: str) -> None:
    made = Authority(Folder(str(tmp_path), True), 1, LIFETIMES, NOW)
    with pytest.raises(FleetnetError, match="is not a valid name"):
        made.client(name)
