# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two runs do not change a host at the same time."""

from __future__ import annotations

import json
import typing as t

import pytest

LOCK = "/run/fleetnet/run-lock.json"


class Shell:
    """A run in another shell, or on another controller."""

    def __init__(self, host: t.Any, name: str) -> None:
        self._host = host
        self._identity = {"run": name, "controller": f"controller of {name}", "user": name}

    def lock(self, check: bool = False, **options: t.Any) -> dict[str, t.Any]:
        return self._run("run_lock", {**self._identity, **options}, check)

    def apply(self) -> dict[str, t.Any]:
        """Apply nothing."""
        return self._run("host_slice", {"run": self._identity["run"]}, False)

    def _run(self, module: str, options: dict[str, t.Any], check: bool) -> dict[str, t.Any]:
        try:
            return dict(self._host.ansible(f"fleetnet.docker.{module}", json.dumps(options), check=check))
        except self._host.ansible.AnsibleException as failure:
            return dict(failure.result)


@pytest.fixture
def shells(host: t.Any) -> t.Iterator[tuple[Shell, Shell]]:
    yield Shell(host, "alice"), Shell(host, "bob")
    host.check_output(f"rm -f {LOCK}")


def test_the_second_run_is_refused_with_the_name_of_the_first(shells: tuple[Shell, Shell]) -> None:
    alice, bob = shells
    assert "msg" not in alice.lock()
    for refused in (bob.lock(), bob.apply()):
        assert "'alice on controller of alice, since 2" in refused["msg"]
    assert bob.lock(check=True)["holder"].startswith("alice on controller of alice, since 2")
    assert "msg" not in alice.apply()
    bob.lock(state="absent")
    assert "msg" in bob.lock(wait=1)
    alice.lock(state="absent")
    assert "msg" not in bob.lock()


def test_the_lock_does_not_survive_a_boot(shells: tuple[Shell, Shell], fleet: t.Any, host: t.Any, wait_until) -> None:
    alice, bob = shells
    alice.lock()
    fleet.reboot(host.ansible.get_variables()["inventory_hostname"], wait_until)
    assert "msg" not in bob.lock()
