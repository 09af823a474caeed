# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host with a network of compose, for tests of adoption."""

from __future__ import annotations

import pathlib
import typing as t

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._host.networks import engine_reader
from ansible_collections.fleetnet.docker.plugins.module_utils._host.ownership import (
    read_adopted,
)

from .adopting_host import Host


@pytest.fixture
def make(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> t.Callable[..., Host]:
    path = tmp_path / "fleetnet" / "adopted-1.json"
    monkeypatch.setattr(engine_reader, "read_adopted", lambda: read_adopted(str(path.with_name("adopted-*.json"))))
    return lambda **options: Host(path, **options)
