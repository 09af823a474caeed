# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules and elements that differ from the plan, by name."""

from __future__ import annotations

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.drift.difference import (
    AS_PLANNED,
    CHAIN,
    CONTENT,
    DIFFERENT,
    JUMP,
    STATE,
    TABLE,
    Difference,
    sentence,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.changed_rules import (
    listing_of,
    with_changes,
)

TABLE_DIFFERS = Difference(TABLE, "ip fleetnet", CONTENT, AS_PLANNED, DIFFERENT)
CHAIN_DIFFERS = Difference(CHAIN, "iptables FLEETNET-FORWARD", CONTENT, AS_PLANNED, DIFFERENT)
PLANNED = """\
table ip fleetnet {
\tmap pairs {
\t\ttype ipv4_addr . ipv4_addr : verdict
\t\telements = { 0.0.1.0 . 0.0.1.0 : goto allowed,
\t\t\t     0.0.2.0 . 0.0.2.0 : goto allowed }
\t}

\tset endpoint_addresses {
\t\ttype ipv4_addr
\t}

\tchain between {
\t\tip saddr & 255.240.15.0 . ip daddr & 255.240.15.0 vmap @pairs
\t\tcounter drop comment "denied"
\t}
}
"""


def changed(old, new):
    assert old in PLANNED
    found = with_changes(TABLE_DIFFERS, PLANNED, PLANNED.replace(old, new))
    return found.declared, found.observed


def test_an_element_that_was_deleted():
    element = "0.0.1.0 . 0.0.1.0 : goto allowed"
    expected = [f"element {element} of map pairs"], []
    assert changed(f"{element},\n\t\t\t     ", "") == expected


def test_all_elements_were_deleted():
    start, end = PLANNED.index("\t\telements"), PLANNED.index("\t}\n\n\tset")
    missing, unexpected = changed(PLANNED[start:end], "")
    assert (len(missing), unexpected) == (2, [])


def test_a_rule_that_was_inserted():
    assert changed("\tchain between {\n", "\tchain between {\n\t\taccept\n") == ([], ["rule 'accept' of chain between"])


def test_a_rule_that_was_replaced():
    old, new = 'counter drop comment "denied"', "accept"
    assert changed(old, new) == ([f"rule '{old}' of chain between"], ["rule 'accept' of chain between"])


def test_a_chain_that_was_added():
    added = "\tchain other {\n\t\taccept\n\t}\n"
    assert changed("\tchain between", f"{added}\tchain between") == ([], ["rule 'accept' of chain other"])


def test_what_the_reconciler_adds_is_not_a_change():
    live = PLANNED.replace("\tmap", "\tflags owner,persist\n\n\tmap", 1)
    live = live.replace(
        "\t\ttype ipv4_addr\n", "\t\ttype ipv4_addr\n\t\telements = { 10.64.1.2,\n\t\t\t     10.64.1.3 }\n"
    )
    assert with_changes(TABLE_DIFFERS, PLANNED, live) == TABLE_DIFFERS


def test_a_table_whose_rules_do_not_apply():
    live = PLANNED.replace("\tmap", "\tflags dormant,owner\n\n\tmap", 1)
    changes = with_changes(TABLE_DIFFERS, PLANNED, live)
    assert changes.observed == ["flag dormant of the table, whose rules do not apply"]


def test_the_order_of_rules():
    """Nothing is missing or unexpected, and the difference remains."""
    lines = PLANNED.splitlines()
    lines[-3], lines[-4] = lines[-4], lines[-3]
    assert with_changes(TABLE_DIFFERS, PLANNED, "\n".join(lines)) == TABLE_DIFFERS
    assert sentence(TABLE_DIFFERS) == "table ip fleetnet differs from the plan"


def test_many_changes():
    rules = "".join(f"\t\ttcp dport {port} accept\n" for port in range(1, 9))
    _missing, unexpected = changed("\tchain between {\n", f"\tchain between {{\n{rules}")
    assert unexpected == [*(f"rule 'tcp dport {port} accept' of chain between" for port in range(1, 6)), "3 more"]


def test_rules_of_iptables():
    planned, live = "-N F\n-A F -s 10.0.0.1/32 -j DROP\n", "-N F\n-A F -j ACCEPT\n"
    found = with_changes(CHAIN_DIFFERS, planned, live)
    assert (found.declared, found.observed) == (["-A F -s 10.0.0.1/32 -j DROP"], ["-A F -j ACCEPT"])


@pytest.mark.parametrize(
    ("missing", "unexpected", "text"),
    [
        (["a"], [], "table ip fleetnet differs from the plan: missing a"),
        ([], ["b", "c"], "table ip fleetnet differs from the plan: unexpected b, c"),
        (["a"], ["b"], "table ip fleetnet differs from the plan: missing a; unexpected b"),
    ],
)
def test_the_sentence_names_the_changes(missing, unexpected, text):
    assert sentence(TABLE_DIFFERS._replace(declared=missing, observed=unexpected)) == text


def test_listings():
    assert listing_of(TABLE_DIFFERS) == (
        "/var/lib/fleetnet/firewall.ip",
        ("nft", "-s", "list", "table", "ip", "fleetnet"),
    )
    assert listing_of(CHAIN_DIFFERS) == (
        "/var/lib/fleetnet/firewall.iptables.FLEETNET-FORWARD",
        ("iptables", "-w", "-t", "filter", "-S", "FLEETNET-FORWARD"),
    )
    raw = listing_of(CHAIN_DIFFERS._replace(name="ip6tables FLEETNET-RAW"))
    assert raw is not None
    assert raw.command == ("ip6tables", "-w", "-t", "raw", "-S", "FLEETNET-RAW")
    assert listing_of(TABLE_DIFFERS._replace(key=STATE)) is None
    assert listing_of(TABLE_DIFFERS._replace(kind=JUMP)) is None
