# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lines of dockerd's log that explain a failure."""

from __future__ import annotations

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.log import errors_in, failure_lines

LOG = [
    "Starting docker.service - Docker Application Container Engine...",
    'time="2026-01-31T12:00:00Z" level=info msg="Starting up"',
    'time="2026-01-31T12:00:01Z" level=error msg="Error reloading configuration" error="no \\"path\\""',
    "failed to start daemon: Error initializing network controller: bridge IP is not in the network",
    "failed to start daemon: Error initializing network controller: bridge IP is not in the network",
]


def test_errors_are_listed_once_with_their_reason() -> None:
    assert failure_lines(LOG) == ['Error reloading configuration: no "path"', LOG[3]]


def test_without_errors_the_last_possible_reasons_are_listed() -> None:
    assert failure_lines([*LOG[:2], "no luck"]) == ["no luck"]
    assert failure_lines(LOG[:1]) == LOG[:1]
    assert errors_in(LOG[:2]) == []
