# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The trace monitor: it listens before packets are sent, and has read everything before it is stopped."""

from __future__ import annotations

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.verify.explain.trace import Flow
from ansible_collections.fleetnet.docker.plugins.module_utils._host.observe import packet_trace

HEAD = "sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode\n"
OTHERS = HEAD + (
    "000000003deca88a 0   10890      00000111 0        0        0     2        0        10178492\n"
    "000000009796083b 12  10245      00000100 7        0        0     2        0        10178494\n"
    "000000009796083c 12  10890      00000000 9        0        0     2        0        10178494\n"
)
LISTENS = OTHERS + "000000009d0d2b17 12  10890      00000100 {}        0        0     2        0        10220485\n"


@pytest.mark.parametrize(
    ("text", "queued"), [("", None), (OTHERS, None), (LISTENS.format(0), 0), (LISTENS.format(768), 768)]
)
def test_the_queue_of_the_monitor(text, queued):
    assert packet_trace.queued_bytes(text, "10890") == queued


class Host:
    """Reports one text of /proc/net/netlink after another; records what is run."""

    def __init__(self, *texts: str, pid: str = "10890") -> None:
        self.texts = list(texts)
        self.pid = pid
        self.ran: list[str] = []

    def find(self, program: str) -> str:
        return program

    def run(self, *argv: str, **_options: str) -> str:
        if argv[:2] == ("systemctl", "show"):
            return f"{self.pid}\n"
        self.ran.append(" ".join(argv[:2]))
        return ""

    def read(self, path: str) -> str:
        if path != "/proc/net/netlink":
            return "trace"
        self.ran.append("read")
        return self.texts.pop(0)


@pytest.fixture
def start_trace(monkeypatch):
    def start(host: Host) -> packet_trace.PacketTrace:
        monkeypatch.setattr(packet_trace, "read_text", host.read)
        monkeypatch.setattr(packet_trace.time, "sleep", lambda _seconds: None)
        monkeypatch.setattr(packet_trace, "read_counters", lambda _commands: {})
        monkeypatch.setattr(packet_trace, "write_atomically", lambda *_arguments, **_options: None)
        monkeypatch.setattr(packet_trace.os, "makedirs", lambda *_path, **_options: None)
        monkeypatch.setattr(packet_trace.os, "unlink", lambda _path: None)
        return packet_trace.PacketTrace(host)

    return start


def test_the_start_waits_until_the_monitor_listens(start_trace):
    host = Host(OTHERS, OTHERS, OTHERS, LISTENS.format(0), "never read")
    start_trace(host).start([Flow("10.64.1.2", "10.64.17.2")], 60)
    assert host.ran[-6:] == ["systemd-run --unit=fleetnet-trace.service", *["read"] * 3, *["nft -f"] * 2]


def test_the_stop_waits_until_the_monitor_has_read_everything(start_trace):
    host = Host(LISTENS.format(768), LISTENS.format(256), LISTENS.format(0), "never read")
    assert start_trace(host).stop()[0] == "trace"
    assert host.ran[:4] == ["read", "read", "read", "systemctl stop"]


def test_a_monitor_that_has_ended_is_not_awaited(start_trace):
    host = Host(pid="0")
    start_trace(host).start([], 60)
    assert "read" not in host.ran
