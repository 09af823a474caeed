# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What distinguishes a run of a playbook: all its tasks have the same identity, and another run has another one."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time

import pytest

from ansible_collections.fleetnet.docker.plugins.plugin_utils import run_identity

# A run whose tasks are processes that it forks.
RUN = """
import json, multiprocessing
from ansible_collections.fleetnet.docker.plugins.plugin_utils.run_identity import run_identity
with multiprocessing.get_context("fork").Pool(2) as pool:
    for _task in range(3):
        print(json.dumps(pool.apply(run_identity)))
"""


def tasks() -> list[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    ran = subprocess.run([sys.executable, "-c", RUN], env=environment, capture_output=True, text=True, check=True)
    return ran.stdout.splitlines()


def test_the_tasks_of_a_run_have_the_same_identity_and_other_runs_another_one() -> None:
    one, other = tasks(), tasks()
    assert (len(one), len(set(one)), len(set(other))) == (3, 1, 1)
    assert one[0] != other[0]


def test_it_names_the_controller_and_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "alice")
    identity = run_identity.run_identity()
    assert (identity["controller"], identity["user"]) == (socket.gethostname(), "alice")


def test_a_user_without_a_name_has_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown() -> str:
        raise OSError

    monkeypatch.setattr(run_identity.getpass, "getuser", unknown)
    assert run_identity.run_identity()["user"] == str(os.getuid())


def test_a_run_began_when_its_process_started(monkeypatch: pytest.MonkeyPatch) -> None:
    began = time.time()
    with subprocess.Popen(["sleep", "60"]) as process:
        monkeypatch.setattr(run_identity.os, "getppid", lambda: process.pid)
        started = run_identity.run_start()
        process.kill()
    assert abs(started - began) < 10
    assert started == int(started)
    monkeypatch.setattr(run_identity.os, "getppid", lambda: 1)
    assert run_identity.run_start() < began
    monkeypatch.setattr(run_identity.os, "getppid", lambda: 0)  # as on a controller without /proc
    assert abs(run_identity.run_start() - time.time()) < 10


def test_a_process_whose_number_is_used_again_is_another_one() -> None:
    own = run_identity._process(os.getpid())
    assert own == run_identity._process(os.getpid())
    assert own != run_identity._process(1)
    assert run_identity._process(0) == "0"  # as on a controller without /proc
