# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the scenario: the host under test, and containers' addresses in both IP versions."""

from __future__ import annotations

import typing as t

import pytest

HOSTS = ("h1", "h2", "h3")


@pytest.fixture
def me(host) -> str:
    """The name of the host under test."""
    return host.backend.get_hostname()


@pytest.fixture(params=["address", "address_v6"], ids=["ipv4", "ipv6"])
def address(request, container) -> t.Callable[..., str]:
    """``address("web", "h2")``: a container's address, by default on the host under test."""
    return lambda *place: getattr(container(*place), request.param)
