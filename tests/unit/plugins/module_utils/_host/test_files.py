# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files on a host: a replacement that fails leaves the former file and no temporary one."""

from __future__ import annotations

import errno
import os
import typing as t
from pathlib import Path

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._host import files
from ansible_collections.fleetnet.docker.plugins.plugin_utils import files as controller


class Killed(BaseException):
    """The module is interrupted at this point."""


WRITERS = pytest.mark.parametrize("module", [files, controller], ids=["host", "controller"])


@WRITERS
@pytest.mark.parametrize("function", ["fsync", "chmod", "replace", "fdopen"])
@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), Killed()])
def test_a_replacement_that_fails_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: t.Any, function: str, error: BaseException
) -> None:
    path = tmp_path / "file"
    path.write_text("former")

    def fail(*_arguments: object, **_options: object) -> t.NoReturn:
        raise error

    # An error on the controller names the variable that sets the file's place.
    expected = FleetnetError if module is controller and isinstance(error, OSError) else type(error)
    monkeypatch.setattr(module.os, function, fail)
    with pytest.raises(expected):
        module.write_atomically(str(path), "new")
    monkeypatch.undo()
    assert {each.name: each.read_text() for each in tmp_path.iterdir()} == {"file": "former"}


@WRITERS
def test_a_missing_folder_of_a_new_file(tmp_path: Path, module: t.Any) -> None:
    """A host gets the folder; on the controller a path with a typo is an error."""
    path = tmp_path / "folder" / "file"
    if module is controller:
        with pytest.raises(FleetnetError, match="file: cannot be written: No such file or directory"):
            module.write_atomically(str(path), "new")
    else:
        module.write_atomically(str(path), "new")
        assert path.read_text() == "new"


def test_what_is_not_a_regular_file_is_not_replaced(tmp_path: Path) -> None:
    """A masked unit is a link to /dev/null, which root could replace. The link is followed."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    (tmp_path / "folder").mkdir()
    for name, what in {
        "pipe": "is a named pipe",
        "link": f"is a symbolic link to {tmp_path}/pipe, which is a named pipe",
        "folder": "is a directory",
    }.items():
        with pytest.raises(FleetnetError) as error:
            files.write_atomically(str(tmp_path / name), "new")
        assert str(error.value) == f"{tmp_path}/{name}: {what}, not a regular file. Remove it."
    assert (tmp_path / "pipe").is_fifo()
    # what the message advises
    (tmp_path / "link").unlink()
    files.write_atomically(str(tmp_path / "link"), "new")
    assert (tmp_path / "link").read_text() == "new"
    assert sorted(os.listdir(tmp_path)) == ["folder", "link", "pipe"]


def test_a_text_that_is_not_utf8_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"ab\xff")
    with pytest.raises(FleetnetError, match=r"file: is not UTF-8 text \(byte 2\)\. Repair the file first"):
        files.read_text(str(path))
    with pytest.raises(FleetnetError):
        files.back_up(str(path))
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_a_file_that_does_not_exist_can_be_removed(tmp_path: Path) -> None:
    files.remove(str(tmp_path / "file"))
    (tmp_path / "file").touch()
    files.remove(str(tmp_path / "file"))
    assert os.listdir(tmp_path) == []
