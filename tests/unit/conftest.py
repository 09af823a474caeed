# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Make this checkout importable as ``ansible_collections.fleetnet.docker``."""

from __future__ import annotations

import os
import sys

import pytest

try:
    # The folder that script/env creates. It contains ansible_collections/fleetnet/docker, a link to the checkout.
    sys.path.insert(0, os.environ["ANSIBLE_COLLECTIONS_PATH"])
except KeyError:
    pytest.exit("unit tests require the project's environment: run script/env pytest", pytest.ExitCode.USAGE_ERROR)
