# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock file on disk: controllers take turns."""

from __future__ import annotations

import subprocess
import sys

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.leases.lockfile import BrokenLockFile
from ansible_collections.fleetnet.docker.plugins.plugin_utils import lock_file

# Another controller: reads a number, takes its time, and writes the next one.
CONTROLLER = """
import sys, time
sys.path[:] = {path!r}
from ansible_collections.fleetnet.docker.plugins.plugin_utils import lock_file
from ansible_collections.fleetnet.docker.plugins.plugin_utils.files import write_atomically
print("ready", flush=True)
sys.stdin.readline()
for _ in range(5):
    with lock_file.locked({lock!r}):
        number = int(open({lock!r}).read())
        time.sleep(0.01)
        write_atomically({lock!r}, str(number + 1))
"""


def test_no_controller_reads_what_another_is_about_to_write(tmp_path):
    lock = tmp_path / "docker_fleet.lock.yml"
    lock.write_text("0")
    program = CONTROLLER.format(path=sys.path, lock=str(lock))
    command = [sys.executable, "-c", program]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _number in range(2)
    ]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        process.communicate(timeout=300)
        assert process.returncode == 0
    assert lock.read_text() == "10"
    assert list(tmp_path.iterdir()) == [lock]


def test_no_file_is_no_lease(tmp_path):
    assert lock_file.read(str(tmp_path / "lock.yml")) == ("", None)


def test_bytes_that_are_no_text(tmp_path):
    path = tmp_path / "lock.yml"
    path.write_bytes(b"format: 1\n\xff")
    with pytest.raises(BrokenLockFile, match=r"byte 10 is not UTF-8 text. The file was not changed"):
        lock_file.read(str(path))
