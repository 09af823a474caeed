"""Keep the bytecode of what Python imports from zip files, as Python does for other files.

Ansible sends the sources of a module as a zip file. Compiling them takes a third of the processor time of most modules.
"""

from __future__ import annotations

import _imp
import marshal
import os
import sys
import zipimport
from types import CodeType

_FOLDER = "/var/cache/fleetnet-testbed/bytecode"
_compile = zipimport._compile_source  # type: ignore[attr-defined]


def _compile_source(path: str, source: bytes) -> CodeType:
    """Return the code of a file in a zip file. Tracebacks have the path of the process that compiled it."""
    # any number; it only has to stay the same
    digest: bytes = _imp.source_hash(0, source)
    kept = f"{_FOLDER}/{sys.implementation.cache_tag}-{sys.flags.optimize}-{digest.hex()}"
    try:
        with open(kept, "rb") as file:
            found: CodeType = marshal.loads(file.read())
            return found
    except (OSError, EOFError, ValueError, TypeError):
        code: CodeType = _compile(path, source)
    partial = f"{kept}.{os.getpid()}"
    try:
        with open(partial, "wb") as file:
            file.write(marshal.dumps(code))
        os.replace(partial, kept)
    except OSError:
        pass  # not root, or no space
    return code


zipimport._compile_source = _compile_source  # type: ignore[attr-defined]
