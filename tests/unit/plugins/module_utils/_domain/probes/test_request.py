# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Valid and invalid lists of probes, and how answers and errors are interpreted."""

from __future__ import annotations

import errno
import typing as t

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import InvalidValue
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.probes.packets import TOKENS, IcmpError
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.probes.request import (
    ProbeRequest,
    ProbeResult,
    in_batches,
    parse_probes,
    report,
    result_of_errno,
    result_of_icmp,
)


def item(**changes: t.Any) -> dict[str, t.Any]:
    plain = {"source": "web1", "destination": "10.77.65.10", "protocol": "tcp", "port": 80, "token": 3, "size": None}
    return {**plain, **changes}


def test_a_list_of_probes() -> None:
    probes = parse_probes([item(), item(protocol="icmp", port=None, size=1472, destination="FD00:0::1")])
    assert probes == [
        ProbeRequest("web1", "10.77.65.10", "tcp", 80, 3),
        ProbeRequest("web1", "fd00::1", "icmp", None, 3, 1472),
    ]
    assert [probe.version for probe in probes] == [4, 6]
    (own,) = parse_probes([item(source=None, source_address="10.77.64.1", data=True)])
    (several,) = parse_probes([item(required_source="10.77.64.1")])
    assert several == ProbeRequest("web1", "10.77.65.10", "tcp", 80, 3, required_source="10.77.64.1")
    assert own == ProbeRequest(None, "10.77.65.10", "tcp", 80, 3, source_address="10.77.64.1", data=True)
    assert probes[0].source_port == 20003


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"destination": "db1"}, "probes[1].destination: 'db1': is not a valid IP address."),
        ({"destination": "10.77.65.0/24"}, "probes[1].destination: '10.77.65.0/24': is not a valid IP address."),
        ({"token": 40000}, "probes[1].token: 40000: must be between 0 and 39999."),
        ({"token": -1}, "probes[1].token: -1: must be between 0 and 39999."),
        ({"port": None}, "probes[1].port: None: must be between 1 and 65535 for tcp."),
        ({"protocol": "udp", "port": 65536}, "probes[1].port: 65536: must be between 1 and 65535 for udp."),
        ({"protocol": "icmp"}, "probes[1].port: 80: is not allowed for ICMP. Remove it."),
        ({"source_address": "web"}, "probes[1].source_address: 'web': is not a valid IP address."),
        (
            {"source_address": "fd00::1"},
            "probes[1].source_address: 'fd00::1': must have the IP version of the destination.",
        ),
        ({"required_source": "web"}, "probes[1].required_source: 'web': is not a valid IP address."),
        ({"protocol": "udp", "data": True}, "probes[1].data: True: is allowed for TCP only. Remove it."),
        ({"size": 100}, "probes[1].size: 100: is allowed for ICMP only. Remove it."),
        (
            {"protocol": "icmp", "port": None, "size": 9},
            "probes[1].size: 9: must be between 10 and 65507 bytes.",
        ),
    ],
)
def test_errors_name_the_invalid_probe(changes: dict[str, t.Any], message: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        parse_probes([item(), item(**changes)])
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("number", "outcome", "text"),
    [
        (errno.ECONNREFUSED, "refused", ""),
        (errno.EHOSTUNREACH, "unreachable", "EHOSTUNREACH: No route to host"),
        (errno.ENETUNREACH, "unreachable", "ENETUNREACH: Network is unreachable"),
        (errno.EPERM, "unreachable", "a firewall in the source's own namespace drops it"),
        (errno.EINVAL, "unreachable", "blackhole"),
        (errno.EMSGSIZE, "unreachable", "larger than the MTU"),
        (errno.EMFILE, "error", "EMFILE: Too many open files"),
    ],
)
def test_kernel_errors(number: int, outcome: str, text: str) -> None:
    result = result_of_errno(number)
    assert result.outcome == outcome
    assert text in result.detail


def test_port_unreachable_means_a_closed_port_only_from_the_destination() -> None:
    here = IcmpError("10.77.65.10", "port unreachable", "udp", "10.77.65.10", 20003, 53)
    there = IcmpError("10.77.64.1", "port unreachable", "udp", "10.77.65.10", 20003, 53)
    assert result_of_icmp(here) == ProbeResult("refused", "ICMP port unreachable")
    assert result_of_icmp(there) == ProbeResult("unreachable", "ICMP port unreachable from 10.77.64.1")
    assert result_of_icmp(here).reached
    assert not result_of_icmp(there).reached


def test_packet_too_big_has_the_mtu() -> None:
    error = IcmpError("10.77.64.1", "packet too big", "icmp", "10.77.65.10", 20003, 1, 1450)
    assert result_of_icmp(error) == ProbeResult(
        "unreachable", "ICMP packet too big from 10.77.64.1 (MTU 1450)", mtu=1450
    )


def test_the_report_of_a_probe() -> None:
    assert report(
        ProbeRequest("web1", "10.77.65.10", "tcp", 80, 3), ProbeResult("reply", rtt=0.5, source_port=20003)
    ) == {
        "source": "web1",
        "destination": "10.77.65.10",
        "protocol": "tcp",
        "port": 80,
        "token": 3,
        "size": None,
        "reached": True,
        "outcome": "reply",
        "detail": "",
        "rtt": 0.5,
        "source_port": 20003,
        "mtu": None,
        "name": None,
        "answer": None,
    }
    reported = report(
        ProbeRequest("web1", "127.0.0.11", "dns", 53, 3, None, "db"), ProbeResult("reply", answer=("10.64.1.2",))
    )
    assert (reported["name"], reported["answer"]) == ("db", ["10.64.1.2"])


def test_only_dns_probes_have_a_name() -> None:
    (probe,) = parse_probes([item(protocol="dns", port=None, name="db")])
    assert (probe.port, probe.name) == (53, "db")
    with pytest.raises(InvalidValue, match="name: None: is required for a DNS probe"):
        parse_probes([item(protocol="dns")])
    with pytest.raises(InvalidValue, match=r"name: 'db': .* not allowed for others"):
        parse_probes([item(name="db")])


@pytest.mark.parametrize(
    ("neighbours", "most", "batches"),
    [
        ([], 2, [[]]),
        ([None, None, None], 1, [[0, 1, 2]]),
        (["a", "a", "b", None, "c", "a", "d"], 2, [[0, 1, 2, 3], [4, 5], [6]]),
    ],
)
def test_batches_have_a_limit_of_different_neighbours(neighbours, most, batches):
    assert in_batches(neighbours, most) == batches


@pytest.mark.parametrize("values", [{"token": 0}, {"token": TOKENS - 1}, {"port": 1}, {"port": 65535}, {"attempts": 1}])
def test_values_at_the_edge_are_valid(values):
    (probe,) = parse_probes([item(**values)])
    assert {key: getattr(probe, key) for key in values} == values
