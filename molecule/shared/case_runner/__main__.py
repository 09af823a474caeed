# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Started on the host by ``tasks/run_cases.yml``, with the cases on standard input.

They are a JSON object: ``engine`` and ``backend``, the version of the host's engine and its firewall backend;
``first``, a pattern for the name of the first case to run; ``groups``, the content of files of cases.
"""

from __future__ import annotations

import json
import pathlib
import sys

from case import InvalidCase, parse_group
from collection import collection_modules
from runner import run


def main() -> int:
    request = json.load(sys.stdin)
    try:
        groups = [parse_group(each, request["engine"], request["backend"]) for each in request["groups"]]
    except InvalidCase as error:
        print(error)
        return 2
    with open(pathlib.Path(__file__).parent / "log", "w", encoding="utf-8") as log:

        def report(line: str) -> None:
            for file in (sys.stdout, log):
                print(line, file=file, flush=True)

        report(f"engine {request['engine']}, {request['backend']}")
        passed = run(collection_modules(), groups, request["first"], report)
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
