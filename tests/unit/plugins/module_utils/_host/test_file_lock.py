# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Locks of files: who can take them, and who has them."""

from __future__ import annotations

import os
import pathlib
import stat

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._host.file_lock import (
    holder_text,
    open_lock,
    running_holder,
    try_lock,
    wait_for_lock,
)


def test_only_the_owner_can_open_a_lock_also_one_of_an_earlier_release(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "run/lock"
    for _time in range(2):
        with open_lock(str(path)):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
        path.chmod(0o644)


def test_a_lock_is_no_link(tmp_path: pathlib.Path) -> None:
    (tmp_path / "target").write_text("of another program")
    (tmp_path / "lock").symlink_to("target")
    with pytest.raises(OSError, match=r"lock"):
        open_lock(str(tmp_path / "lock"))


def test_one_has_the_lock(tmp_path: pathlib.Path) -> None:
    path = str(tmp_path / "lock")
    with open_lock(path) as first, open_lock(path) as second:
        assert wait_for_lock(first, 0)
        assert not try_lock(second)
        assert not wait_for_lock(second, 0)
        first.close()
        assert wait_for_lock(second, 0)


def test_a_process_that_got_the_number_later_is_no_holder(tmp_path: pathlib.Path) -> None:
    assert running_holder(holder_text()) == os.getpid()
    proc = tmp_path / str(os.getpid())
    proc.mkdir()
    (proc / "stat").write_text(f"{os.getpid()} (a) b) S{' 1' * 18} 77 0")
    assert running_holder(f"{os.getpid()} 77", str(tmp_path)) == os.getpid()
    assert running_holder(f"{os.getpid()} 76", str(tmp_path)) is None
    for text in ("", "7", "a b", "99999999 5"):
        assert running_holder(text, str(tmp_path)) is None
