# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from fleetbed.aptsources import derive

DEB822 = """\
Types: deb deb-src
# Suites: not-this-one
URIs: http://mirror.example/debian
Suites: bookworm
 bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example/debian-security/
Suites: bookworm-security
Components: main contrib
"""

ONE_LINE = """\
# deb http://old.example/debian bookworm main
deb [arch=amd64 signed-by=/a.gpg] https://mirror.example/pub/debian/ bookworm main contrib  # a comment
deb-src https://mirror.example/pub/debian/ bookworm main
"""


@pytest.mark.parametrize(
    ("files", "lines"),
    [
        pytest.param(
            {"debian.sources": DEB822},
            (
                "deb http://mirror.example/debian trixie main",
                "deb http://mirror.example/debian trixie-updates main",
                "deb http://mirror.example/debian-security/ trixie-security main",
            ),
            id="deb822",
        ),
        pytest.param(
            {"sources.list": ONE_LINE}, ("deb https://mirror.example/pub/debian/ trixie main",), id="one line each"
        ),
        pytest.param(
            {"x.list": "deb https://apt.example bookworm main", "y.list": "deb https://b.example/debian node main"},
            (),
            id="third parties",
        ),
        pytest.param({"debian.sources": DEB822.replace("Types", "Enabled: no\nTypes")}, (), id="disabled"),
        pytest.param({"debian.sources": DEB822.split("\n\n")[1]}, (), id="security updates only"),
        pytest.param({}, (), id="nothing"),
    ],
)
def test_derive(files: dict[str, str], lines: tuple[str, ...]) -> None:
    assert derive(files, own="bookworm", wanted="trixie") == lines


def test_derive_the_same_suite() -> None:
    assert derive({"a.list": "deb http://m/debian bookworm main"}, "bookworm", "bookworm") == (
        "deb http://m/debian bookworm main",
    )
