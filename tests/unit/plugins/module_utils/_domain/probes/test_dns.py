# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""DNS queries for containers' names, and answers as Docker's embedded name server sends them."""

from __future__ import annotations

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.probes.dns import Answer, parse_answer, query

QUERY = bytes.fromhex("1234 0000 0001 0000 0000 0000 03776562 00 0001 0001")
RECORD = "c00c 0001 0001 00000258 0004 0a400102"
RECORD_6 = "c00c 001c 0001 00000258 0010 fd000000000000000000000000000002"


def answered(flags: str, answers: int, *records: str) -> bytes:
    return bytes.fromhex(f"1234 {flags} 0001 {answers:04x} 0000 0000 03776562 00 0001 0001" + "".join(records))


def test_a_query_does_not_ask_for_recursion():
    assert query(0x1234, "web", 4) == QUERY
    assert query(0x1234, "web.", 4) == QUERY
    assert query(0x51234, "web", 4) == QUERY  # identifiers have 16 bits
    assert query(1, "a.b", 6).endswith(bytes.fromhex("01610162 00 001c 0001"))


@pytest.mark.parametrize("name", ["", "a..b", "x" * 64])
def test_invalid_names_are_rejected(name):
    with pytest.raises(ValueError, match="is not a valid host name"):
        query(1, name, 4)


@pytest.mark.parametrize(
    ("data", "version", "found"),
    [
        (answered("8180", 1, RECORD), 4, Answer("NOERROR", ("10.64.1.2",))),
        (answered("8180", 2, RECORD, RECORD_6), 4, Answer("NOERROR", ("10.64.1.2",))),
        (answered("8180", 2, RECORD, RECORD_6), 6, Answer("NOERROR", ("fd00::2",))),
        (answered("8180", 0), 4, Answer("NOERROR", ())),
        (answered("8183", 0), 4, Answer("NXDOMAIN", ())),
        (answered("8182", 0), 4, Answer("SERVFAIL", ())),
        (QUERY, 4, None),
        (b"\x43\x21" + answered("8180", 1, RECORD)[2:], 4, None),
        (answered("8180", 3, RECORD), 4, None),
        (b"\x12", 4, None),
        (b"", 4, None),
    ],
)
def test_answers(data, version, found):
    assert parse_answer(data, 0x1234, version) == found
