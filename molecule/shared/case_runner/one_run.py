# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a module once, and print its result: ``one_run.py MODULE OPTIONS [check]``.

OPTIONS are JSON, "check" selects check mode. A module that is killed has a result as well. Ansible takes five times as
long, because it connects to the host and sends the module for each run.
"""

from __future__ import annotations

import json
import sys

from collection import collection_modules


def main() -> None:
    module, options, *check = sys.argv[1:]
    print(json.dumps(collection_modules().run(module, json.loads(options), check_mode=check == ["check"])))


if __name__ == "__main__":
    main()
