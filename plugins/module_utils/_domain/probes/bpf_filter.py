# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The classic BPF filter that keeps a container's own traffic away from the observer. The kernel runs it.

It accepts what :func:`packets.parse_arrival` recognizes as a probe, so a busy container costs the observer nothing.
"""

from __future__ import annotations

import struct
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.probes.packets import (
    ICMP,
    ICMPV6,
    MAGIC,
    TCP,
    UDP,
    mss_option,
)

# Opcodes of linux/bpf_common.h.
LOAD_BYTE = 0x30  # A = packet[k]
LOAD_HALF = 0x28
LOAD_BYTE_X = 0x50  # A = packet[X + k]
LOAD_WORD_X = 0x40
LOAD_X_HEADER = 0xB1  # X = 4 * (packet[k] & 0xf)
LOAD_X_VALUE = 0x01  # X = k
MOVE_TO_X = 0x07  # X = A
ADD_X = 0x0C  # A += X
AND = 0x54
SHIFT_RIGHT = 0x74
JUMP_EQUAL = 0x15
JUMP_SET = 0x45
RETURN = 0x06

WHOLE_PACKET = 0x40000


class Instruction(t.NamedTuple):
    """``if_true`` and ``if_false`` are the numbers of instructions that a jump skips."""

    code: int
    if_true: int
    if_false: int
    value: int


# An instruction, or a label for the next one. Jumps name their two targets; "" is the next instruction.
_Line = t.Union[str, t.Tuple[int, int], t.Tuple[int, int, str, str]]

_SOURCE: tuple[_Line, ...] = (
    (LOAD_BYTE, 0),
    (SHIFT_RIGHT, 4),
    (JUMP_EQUAL, 6, "ipv6", ""),
    (JUMP_EQUAL, 4, "", "drop"),
    (LOAD_HALF, 6),
    (JUMP_SET, 0x1FFF, "drop", ""),  # a later fragment
    (LOAD_X_HEADER, 0),
    (LOAD_BYTE, 9),
    (JUMP_EQUAL, TCP, "tcp", ""),
    (JUMP_EQUAL, UDP, "payload", ""),
    (JUMP_EQUAL, ICMP, "", "drop"),
    (LOAD_BYTE_X, 0),
    (JUMP_EQUAL, 8, "payload", "drop"),  # echo request
    "ipv6",
    (LOAD_X_VALUE, 40),
    (LOAD_BYTE, 6),
    (JUMP_EQUAL, TCP, "tcp", ""),
    (JUMP_EQUAL, UDP, "payload", ""),
    (JUMP_EQUAL, ICMPV6, "", "drop"),
    (LOAD_BYTE_X, 0),
    (JUMP_EQUAL, 128, "payload", "drop"),  # echo request
    "tcp",
    (LOAD_BYTE_X, 13),
    (AND, 0x12),
    (JUMP_EQUAL, 0x02, "", "data"),  # SYN without ACK
    (LOAD_WORD_X, 20),
    (JUMP_EQUAL, struct.unpack("!I", mss_option())[0], "accept", "drop"),
    "data",  # after the TCP header
    (LOAD_BYTE_X, 12),
    (AND, 0xF0),
    (SHIFT_RIGHT, 2),
    (ADD_X, 0),
    (MOVE_TO_X, 0),
    (LOAD_WORD_X, 0),
    (JUMP_EQUAL, struct.unpack("!I", MAGIC[:4])[0], "", "drop"),
    (LOAD_WORD_X, 4),
    (JUMP_EQUAL, struct.unpack("!I", MAGIC[4:])[0], "accept", "drop"),
    "payload",  # after the eight bytes of the UDP or ICMP header
    (LOAD_WORD_X, 8),
    (JUMP_EQUAL, struct.unpack("!I", MAGIC[:4])[0], "", "drop"),
    (LOAD_WORD_X, 12),
    (JUMP_EQUAL, struct.unpack("!I", MAGIC[4:])[0], "accept", "drop"),
    "accept",
    (RETURN, WHOLE_PACKET),
    "drop",
    (RETURN, 0),
)


def probe_filter() -> tuple[Instruction, ...]:
    """The program, for packet sockets that deliver packets from the network header (SOCK_DGRAM)."""
    labels: dict[str, int] = {}
    lines: list[tuple[int, int] | tuple[int, int, str, str]] = []
    for line in _SOURCE:
        if isinstance(line, str):
            labels[line] = len(lines)
        else:
            lines.append(line)
    program = []
    for position, line in enumerate(lines):
        skips = [labels[target] - position - 1 if target else 0 for target in line[2:]] or [0, 0]
        program.append(Instruction(line[0], skips[0], skips[1], line[1]))
    return tuple(program)


def encode(program: t.Sequence[Instruction]) -> bytes:
    """The program as the array of ``struct sock_filter`` that SO_ATTACH_FILTER takes."""
    return b"".join(struct.pack("HBBI", *instruction) for instruction in program)
