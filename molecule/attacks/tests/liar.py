# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Python of a host that lies: runs what it is given, and replaces values in the answer.

lies.json next to this file is a list of [path, value]. A path is a list of keys, of which "*" stands for each of a
list's elements, and "KEY=VALUE" for those in which the key has this value. A lie whose path does not exist in the
answer changes nothing.
"""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys


def lie(answer, path, lied):
    *parents, last = path
    found = [answer]
    for key in parents:
        name, equals, value = key.partition("=")
        if key == "*" or equals:
            items = [item for each in found if isinstance(each, list) for item in each]
            found = [item for item in items if not equals or item[name] == value]
        else:
            found = [each[key] for each in found if isinstance(each, dict) and key in each]
    for each in found:
        if isinstance(each, dict) and last in each:
            each[last] = lied


done = subprocess.run(["/usr/bin/python3", *sys.argv[1:]], stdin=sys.stdin, capture_output=True, text=True, check=False)
text = done.stdout
try:
    answer = json.loads(text)
except ValueError:
    pass
else:
    for path, value in json.loads(pathlib.Path(__file__).with_name("lies.json").read_text()):
        lie(answer, path, value)
    text = json.dumps(answer)
sys.stdout.write(text)
sys.stderr.write(done.stderr)
sys.exit(done.returncode)
