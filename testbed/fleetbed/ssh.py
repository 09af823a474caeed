"""Throw-away keys: one for the fleet, one for each host. Nobody is trusted on first sight."""

from __future__ import annotations

import io
import os
import tarfile
import time
import uuid
from collections.abc import Mapping
from pathlib import Path

from . import process

#: Paths in a host, with modes; sshd insists on the latter.
_FOLDERS = {"root/.ssh": 0o700}


def ensure_key(path: Path, comment: str) -> str:
    """Makes a key pair unless it is there; returns the public key. The private half appears last, and whole."""
    public = path.with_name(f"{path.name}.pub")
    if not (path.exists() and public.exists()):
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f"{path.name}.new")
        draft_public = path.with_name(f"{path.name}.new.pub")
        for leftover in (draft, draft_public):
            leftover.unlink(missing_ok=True)
        process.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(draft)])
        draft_public.rename(public)
        draft.rename(path)
    return public.read_text().strip()


def known_hosts(keys: Mapping[str, str]) -> str:
    """The file of trusted hosts: public keys by address."""
    return "".join(f"{address} {' '.join(key.split()[:2])}\n" for address, key in keys.items())


def identity(authorized: str, host_key: Path) -> bytes:
    """What makes a host itself, as an archive to unpack in it: its keys, who may log in, its machine id."""
    files = {
        "root/.ssh/authorized_keys": (0o600, f"{authorized}\n".encode()),
        "etc/ssh/ssh_host_ed25519_key": (0o600, host_key.read_bytes()),
        "etc/ssh/ssh_host_ed25519_key.pub": (0o644, host_key.with_name(f"{host_key.name}.pub").read_bytes()),
        # With none, systemd takes the boot for the very first and enables every service that is installed.
        "etc/machine-id": (0o444, f"{uuid.uuid4().hex}\n".encode()),
    }
    buffer, now = io.BytesIO(), int(time.time())
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, mode in _FOLDERS.items():
            entry = tarfile.TarInfo(path)
            entry.type, entry.mode, entry.mtime = tarfile.DIRTYPE, mode, now
            archive.addfile(entry)
        for path, (mode, content) in files.items():
            entry = tarfile.TarInfo(path)
            entry.mode, entry.size, entry.mtime = mode, len(content), now
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def close_connections(sockets: Path) -> None:
    """Ends the SSH connections that Ansible keeps open for later."""
    if not sockets.is_dir():
        return
    for socket in sockets.iterdir():
        process.run(["ssh", "-o", f"ControlPath={socket}", "-O", "exit", "fleet"], check=False, timeout=10)
        socket.unlink(missing_ok=True)
    os.rmdir(sockets)
