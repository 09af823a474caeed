# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Create clients' certificates in FOLDER that engines must reject: of another authority, and expired."""

from __future__ import annotations

import datetime
import os
import shutil
import sys

sys.path[:0] = os.environ["ANSIBLE_COLLECTIONS_PATH"].split(":")

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.remote_api.certificates import Lifetimes  # noqa: E402
from ansible_collections.fleetnet.docker.plugins.plugin_utils.authority import Authority, Folder  # noqa: E402


def main(authority: str, folder: str) -> None:
    now = datetime.datetime.now(datetime.UTC)
    shutil.rmtree(folder, ignore_errors=True)
    Authority(Folder(f"{folder}/other", write=True), 1, Lifetimes(3650, 365, 60), now).client("admin")
    # A copy of the authority signs the expired one.
    shutil.copytree(authority, f"{folder}/past", ignore=shutil.ignore_patterns("clients", "hosts"))
    yesterday = now - datetime.timedelta(days=2)
    Authority(Folder(f"{folder}/past", write=True), 1, Lifetimes(3650, 1, 0), yesterday).client("admin")


main(*sys.argv[1:])
