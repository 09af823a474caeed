# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts that Ansible takes for a template. Pure."""

from __future__ import annotations


def is_template(text: str) -> bool:
    """Whether Ansible may template a text of a variable."""
    return "{{" in text or "{%" in text or "{#" in text or text.startswith("#jinja2:")
