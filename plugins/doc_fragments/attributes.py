# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The attributes check_mode, diff_mode and idempotent; a module adds only its own details."""

from __future__ import annotations


class ModuleDocFragment:
    # For modules that change the host.
    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and return what would change without changing it.
    support: full
  diff_mode:
    description: Returns details on what has changed, or would be changed in C(check_mode), in diff mode.
    support: full
  idempotent:
    description: When run twice in a row outside check mode, with the same arguments, the second run changes nothing.
    support: full
  async:
    description: Supports use with the C(async) keyword.
    support: none
"""

    # For modules that only read.
    READING = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and returns the same result, because the module changes nothing.
    support: full
  diff_mode:
    description: Returns details on what has changed in diff mode.
    support: N/A
    details:
      - The module changes nothing.
  idempotent:
    description: When run twice in a row outside check mode, with the same arguments, the second run changes nothing.
    support: full
  async:
    description: Supports use with the C(async) keyword.
    support: none
"""
