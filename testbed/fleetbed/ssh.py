"""Temporary SSH keys: one per fleet, one per host. Host keys are known before the first connection."""

from __future__ import annotations

import io
import tarfile
import time
import uuid
from collections.abc import Mapping
from pathlib import Path

from . import process, state

#: Folders in a host, with the modes that sshd requires.
_FOLDERS = {"root/.ssh": 0o700}


def ensure_key(path: Path, comment: str) -> str:
    """Return the public key of a key pair. Create it if it is missing; the private key is renamed into place last."""
    public = path.with_name(f"{path.name}.pub")
    if not (path.exists() and public.exists()):
        path.unlink(missing_ok=True)  # it does not match the new public key
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f"{path.name}.new")
        draft_public = path.with_name(f"{path.name}.new.pub")
        for leftover in (draft, draft_public):
            leftover.unlink(missing_ok=True)
        process.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(draft)])
        state.flush(draft)
        state.flush(draft_public)
        draft_public.rename(public)
        draft.rename(path)
    return public.read_text().strip()


def known_hosts(keys: Mapping[str, str]) -> str:
    """Return the content of a known_hosts file for public keys by address."""
    return "".join(f"{address} {' '.join(key.split()[:2])}\n" for address, key in keys.items())


def identity(authorized: str, host_key: Path) -> bytes:
    """Return the identity of a host as an archive to unpack in it: its keys, its authorized keys, its machine id."""
    files = {
        "root/.ssh/authorized_keys": (0o600, f"{authorized}\n".encode()),
        "etc/ssh/ssh_host_ed25519_key": (0o600, host_key.read_bytes()),
        "etc/ssh/ssh_host_ed25519_key.pub": (0o644, host_key.with_name(f"{host_key.name}.pub").read_bytes()),
        # Without it, systemd assumes a first boot and enables every installed service.
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
    """Close the persistent SSH connections of Ansible."""
    if not sockets.is_dir():
        return
    for socket in sockets.iterdir():
        process.run(["ssh", "-o", f"ControlPath={socket}", "-O", "exit", "fleet"], check=False, timeout=10)
        socket.unlink(missing_ok=True)
    process.remove_tree(sockets)
