# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two runs do not change a host at the same time."""

from __future__ import annotations

import typing as t

import pytest

from .leak_meter import HOSTS
from .module_run import run_module

LOCK = "/run/fleetnet/run-lock.json"


class Shell:
    """A run in another shell, or on another controller."""

    def __init__(self, host: t.Any, name: str) -> None:
        self._host = host
        self._identity = {"run": name, "controller": f"controller of {name}", "user": name}

    def lock(self, check: bool = False, **options: t.Any) -> dict[str, t.Any]:
        return run_module(self._host, "run_lock", {**self._identity, **options}, check)

    def apply(self) -> dict[str, t.Any]:
        """Apply nothing."""
        return run_module(self._host, "host_slice", {"run": self._identity["run"]})


Shells = tuple[Shell, Shell]


@pytest.fixture
def shells(fleet: t.Any, on_all: t.Callable[..., t.Any]) -> t.Iterator[dict[str, Shells]]:
    """Two shells for each host."""
    yield {name: (Shell(fleet.host(name), "alice"), Shell(fleet.host(name), "bob")) for name in HOSTS}
    on_all(lambda name: fleet.host(name).check_output(f"rm -f {LOCK}"), HOSTS)


def test_the_second_run_is_refused_with_the_name_of_the_first(
    shells: dict[str, Shells], on_all: t.Callable[..., t.Any]
) -> None:
    def run(both: Shells) -> None:
        alice, bob = both
        assert "msg" not in alice.lock()
        for refused in (bob.lock(), bob.apply()):
            assert "'alice on controller of alice, since 2" in refused["msg"]
        assert bob.lock(check=True)["holder"].startswith("alice on controller of alice, since 2")
        assert "msg" not in alice.apply()
        bob.lock(state="absent")
        assert "msg" in bob.lock(wait=1)
        alice.lock(state="absent")
        assert "msg" not in bob.lock()

    on_all(run, shells.values())


def test_the_lock_does_not_survive_a_boot(
    shells: dict[str, Shells], fleet: t.Any, on_all: t.Callable[..., t.Any], wait_until
) -> None:
    def run(name: str) -> None:
        alice, bob = shells[name]
        alice.lock()
        fleet.reboot(name, wait_until)
        assert "msg" not in bob.lock()

    on_all(run, HOSTS)
