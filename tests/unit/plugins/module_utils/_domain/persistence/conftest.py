# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running the scripts of parts."""

from __future__ import annotations

import subprocess

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.persistence.files import part_files


@pytest.fixture
def run(tmp_path):
    """Run a part's script with shell functions instead of the host's programs, and files in a temporary folder."""

    def run(part, script, programs, option):
        text = part_files(part, script)[part.script].text
        for folder in ("/etc/fleetnet", "/var/lib/fleetnet", "/run/fleetnet"):
            text = text.replace(folder, str(tmp_path))
        text = text.replace("set -u\n", f"set -u\n{programs}\n", 1)
        text = text.replace("PATH=", f"PATH={tmp_path}:", 1)  # for names that no function can have
        return subprocess.run(["sh", "-s", "--", option], input=text, text=True, capture_output=True, check=False)

    return run
