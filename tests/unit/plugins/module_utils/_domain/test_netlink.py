# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The framing of netlink."""

from __future__ import annotations

import struct

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.netlink import as_name, attributes, messages


def test_messages_of_one_read() -> None:
    first, second = struct.pack("=IHHII", 17, 16, 0, 0, 0) + b"a\0\0\0", struct.pack("=IHHII", 16, 3, 0, 0, 0)
    assert list(messages(first + second)) == [(16, b"a"), (3, b"")]
    assert list(messages(first + struct.pack("=IHHII", 15, 3, 0, 0, 0))) == [(16, b"a")]


def test_attributes() -> None:
    nested = struct.pack("=HH", 5, 0x8000 | 7) + b"a\0\0\0"
    assert attributes(nested + struct.pack("=HH", 8, 3) + b"eth0") == {7: b"a", 3: b"eth0"}
    assert attributes(nested + struct.pack("=HH", 3, 3)) == {7: b"a"}


def test_names() -> None:
    assert as_name(b"eth0\0") == "eth0"
    assert as_name(b"\xff") == "\N{REPLACEMENT CHARACTER}"
    assert as_name(None) == ""
