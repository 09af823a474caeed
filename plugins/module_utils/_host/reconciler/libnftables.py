# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""libnftables, the library of nft, by ctypes. Tables that it creates are owned by this process."""

from __future__ import annotations

import ctypes

# nftables/libnftables.h: the state of counters and the elements of sets are not printed.
_STATELESS, _TERSE = 1 << 2, 1 << 11
_BRIEF = 200


class NftablesError(Exception):
    """libnftables is not usable, or refused commands; the text is its own."""


def brief(text: str) -> str:
    """What others read of an error: its first lines. libnftables also prints the commands, maybe thousands."""
    first = " ".join(" ".join(text.splitlines()[:3]).split())
    return first if len(first) <= _BRIEF else f"{first[:_BRIEF]}..."


class Nftables:
    """One context of the library. Its netlink socket, which owns tables, is open as long as this process lives."""

    def __init__(self) -> None:
        """Raises NftablesError if the library cannot be used."""
        try:
            library = ctypes.CDLL("libnftables.so.1")
            library.nft_ctx_new.restype = ctypes.c_void_p
            library.nft_ctx_new.argtypes = [ctypes.c_uint32]
            for name in ("nft_ctx_buffer_output", "nft_ctx_buffer_error"):
                getattr(library, name).argtypes = [ctypes.c_void_p]
            for name in ("nft_ctx_get_output_buffer", "nft_ctx_get_error_buffer"):
                getattr(library, name).argtypes = [ctypes.c_void_p]
                getattr(library, name).restype = ctypes.c_char_p
            library.nft_ctx_output_set_flags.argtypes = [ctypes.c_void_p, ctypes.c_uint]
            library.nft_run_cmd_from_buffer.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
        except (OSError, AttributeError) as error:
            raise NftablesError(str(error)) from error
        self._library = library
        # glibc's: gives the memory of a transaction, some megabytes, back to the kernel.
        self._trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        self._context = library.nft_ctx_new(0)
        if not self._context:
            raise NftablesError("libnftables returned no context")
        library.nft_ctx_buffer_output(self._context)
        library.nft_ctx_buffer_error(self._context)

    def run(self, commands: str, *, elements: bool = False) -> str:
        """Run commands in one transaction and return their output, with the elements of sets or without.

        Raises NftablesError.
        """
        self._library.nft_ctx_output_set_flags(self._context, _STATELESS if elements else _STATELESS | _TERSE)
        code = self._library.nft_run_cmd_from_buffer(self._context, commands.encode())
        output = self._library.nft_ctx_get_output_buffer(self._context)
        error = self._library.nft_ctx_get_error_buffer(self._context)
        if self._trim is not None:
            self._trim(0)
        if code != 0:
            raise NftablesError((error or b"").decode(errors="replace").strip() or "unknown error")
        return (output or b"").decode(errors="replace")
