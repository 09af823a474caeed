# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Address blocks as plain integers.

``ipaddress`` parses and validates; the arithmetic of the plan runs over these tuples, since a fleet of 10,000 hosts
with 10 networks each has 100,000 blocks, and an ``ip_network`` costs microseconds and 200 bytes.
"""

from __future__ import annotations

import ipaddress
import re
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import InvalidValue

_BITS = {4: 32, 6: 128}
# The usual form of an IPv4 block. Everything else is left to ``ipaddress``, which is slower and reports errors.
_PLAIN_V4 = re.compile(r"(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})(?:/(\d{1,2}))?", re.ASCII)


class Prefix(t.NamedTuple):
    """A block of addresses: IP version (4 or 6), first address as an integer, prefix length in bits."""

    version: int
    address: int
    length: int

    @classmethod
    def parse(cls, text: str) -> Prefix:
        """Parse ``10.64.0.0/12``. Raises ValueError with the reason if it is invalid or has host bits set."""
        plain = _plain_v4(text)
        if plain is not None and plain[1] is not None and not plain[0] & ((1 << (32 - plain[1])) - 1):
            return cls(4, plain[0], plain[1])
        if not isinstance(text, str) or "/" not in text:
            raise ValueError("must be an address block, for example 10.64.0.0/12")
        try:
            network = ipaddress.ip_network(text, strict=False)
        except ValueError as error:
            raise ValueError(f"is not an address block: {error}") from None
        if ipaddress.ip_interface(text).ip != network.network_address:
            raise ValueError(f"has host bits set. Use {network}")
        return cls(network.version, int(network.network_address), network.prefixlen)

    @classmethod
    def holding(cls, text: str, length: int | None = None) -> Prefix:
        """The block that contains an interface address (``192.0.2.7/24``, or an address without length)."""
        plain = _plain_v4(text) if length is None else None
        if plain is not None:
            length = 32 if plain[1] is None else plain[1]
            return cls(4, plain[0] >> (32 - length) << (32 - length), length)
        interface = ipaddress.ip_interface(text if length is None else f"{text}/{length}")
        network = interface.network
        return cls(network.version, int(network.network_address), network.prefixlen)

    @property
    def size(self) -> int:
        """The number of addresses in the block."""
        return 1 << (_BITS[self.version] - self.length)

    @property
    def last(self) -> int:
        """The block's last address as an integer."""
        return self.address + self.size - 1

    def __str__(self) -> str:
        return f"{format_address(self.version, self.address)}/{self.length}"

    def contains(self, other: Prefix) -> bool:
        """Whether ``other`` is completely inside this block."""
        return self.version == other.version and self.address <= other.address and other.last <= self.last

    def overlaps(self, other: Prefix) -> bool:
        """Whether the two blocks share an address."""
        return self.version == other.version and self.address <= other.last and other.address <= self.last

    def has(self, address: int) -> bool:
        """Whether the address (an integer of the same version) is in the block."""
        return self.address <= address <= self.last

    def at(self, offset: int, length: int) -> Prefix:
        """The block of ``length`` at ``offset`` addresses from the start of this one."""
        return Prefix(self.version, self.address + offset, length)

    def host(self, number: int) -> str:
        """The address at ``number`` from the start of the block, as text; negative numbers count from the end."""
        return format_address(self.version, self.address + number if number >= 0 else self.last + 1 + number)


def _plain_v4(text: object) -> tuple[int, int | None] | None:
    """An IPv4 address and its prefix length, several times faster than ``ipaddress``; None for other forms."""
    found = _PLAIN_V4.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        return None
    number = 0
    for digits in found.group(1, 2, 3, 4):
        part = int(digits)
        if part > 255 or (len(digits) > 1 and digits[0] == "0"):
            return None
        number = number << 8 | part
    length = None if found[5] is None else int(found[5])
    return None if length is not None and length > 32 else (number, length)


def parse_address(text: str) -> tuple[int, int]:
    """Parse an address to (IP version, integer). Raises ValueError if it is invalid."""
    plain = _plain_v4(text)
    if plain is not None and plain[1] is None:
        return 4, plain[0]
    address = ipaddress.ip_address(text)
    return address.version, int(address)


def is_address(text: str) -> bool:
    """Whether a text is a valid address."""
    try:
        parse_address(text)
    except ValueError:
        return False
    return True


def format_address(version: int, address: int) -> str:
    """An integer as the text of an address."""
    if version == 4:
        return f"{address >> 24}.{address >> 16 & 255}.{address >> 8 & 255}.{address & 255}"
    return str(ipaddress.IPv6Address(address))


def parse_block(option: str, text: str) -> Prefix:
    """Parse the address block of an option. Raises InvalidValue, which names the option."""
    try:
        return Prefix.parse(text)
    except ValueError as error:
        raise InvalidValue(option, text, str(error)) from None


def single(version: int, address: int) -> Prefix:
    """The block of a single address."""
    return Prefix(version, address, _BITS[version])


def block_size(version: int, length: int) -> int:
    """The number of addresses in a block of this prefix length."""
    return 1 << (_BITS[version] - length)


def aligned_blocks(version: int, first: int, end: int) -> list[Prefix]:
    """The minimal list of blocks that cover exactly the addresses first..end-1 (integers)."""
    blocks = []
    bits = _BITS[version]
    while first < end:
        size = first & -first if first else 1 << bits
        while size > end - first:
            size >>= 1
        blocks.append(Prefix(version, first, bits - size.bit_length() + 1))
        first += size
    return blocks


T = t.TypeVar("T")


def overlapping(items: t.Iterable[tuple[Prefix, T]]) -> list[tuple[tuple[Prefix, T], tuple[Prefix, T]]]:
    """All overlaps among the items, as pairs (the larger block first). O(n log n + overlaps)."""
    found = []
    open_blocks: list[tuple[Prefix, T]] = []
    for item in sorted(items, key=lambda pair: (pair[0].version, pair[0].address, pair[0].length)):
        prefix = item[0]
        # Blocks are aligned, so a block that contains this first address contains the whole block.
        while open_blocks and not open_blocks[-1][0].contains(prefix):
            open_blocks.pop()
        found += [(holder, item) for holder in open_blocks]
        open_blocks.append(item)
    return found
