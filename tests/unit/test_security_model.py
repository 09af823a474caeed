# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/security_model.md names tests that exist, or says that a sentence has none."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_each_sentence_names_its_tests() -> None:
    text = (ROOT / "docs/security_model.md").read_text(encoding="utf-8")
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ") and " | " in line]
    sentences = [row for row in rows if row != ["Sentence", "Test"]]
    assert len(sentences) >= 25
    for sentence, tests in sentences:
        paths = re.findall(r"`(\S+\.py)`", tests)
        assert paths or tests.startswith("None"), sentence
        assert [path for path in paths if not (ROOT / path).is_file()] == [], sentence
