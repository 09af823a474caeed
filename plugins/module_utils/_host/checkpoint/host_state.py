# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files, units and kernel values of a host that a checkpoint saves: read them, and put them back."""

from __future__ import annotations

import contextlib
import glob
import os
import stat
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.checkpoint.checkpoint import SavedFile
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.checkpoint.deadline import Kernel
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.checkpoint.names import (
    BOOT_FILE,
    BOOT_LINK,
    BOOT_UNIT,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon import own_bridge
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.names import EARLY_SYSCTL_FILE
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.generations.generation import (
    FOLDER as GENERATIONS,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.persistence.part import (
    FOLDER,
    REMOTE_API_FOLDER,
    STATE_FOLDER,
    UNIT_FOLDER,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.file_lock import wait_for_lock
from ansible_collections.fleetnet.docker.plugins.module_utils._host.files import (
    mode_of,
    read_text,
    remove,
    sync_folder,
    write_atomically,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.ownership import ADOPTED_FILES
from ansible_collections.fleetnet.docker.plugins.module_utils._host.programs.commands import (
    CommandFailed,
    Commands,
    run_json,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.programs.iproute import ip_program
from ansible_collections.fleetnet.docker.plugins.module_utils._host.programs.systemctl import show_units

# default_bridge restores its own unit, with the engine.
_OTHERS = (BOOT_UNIT, own_bridge.UNIT)
_SYSCTLS = ("net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding")
_IPTABLES = ("iptables", "ip6tables")
_SCRIPT = 30.0  # seconds that a script may take


class HostState:
    """The host whose root is ``root``."""

    def __init__(self, commands: Commands, root: str = "") -> None:
        self._commands = commands
        self._root = root

    # -- files

    def files(self) -> dict[str, SavedFile]:
        """The files of this collection, with temporary ones and generations, and the links that enable its units.

        Without those of remote_api, which the engine's unit names: remote_api itself restores them.
        """
        found = [self._at(EARLY_SYSCTL_FILE), *glob.glob(self._at(ADOPTED_FILES))]
        for top in (FOLDER, GENERATIONS):
            for folder, _folders, names in os.walk(self._at(top)):
                found += [os.path.join(folder, name) for name in names]
        units = self._at(UNIT_FOLDER)
        found += [*glob.glob(f"{units}/fleetnet-*.*"), *glob.glob(f"{units}/*.wants/fleetnet-*.service")]
        own = (path for path in sorted(found) if os.path.basename(path) not in _OTHERS)
        saved = ((path[len(self._root) :], _read(path)) for path in own)
        return {path: file for path, file in saved if file is not None and not path.startswith(f"{REMOTE_API_FOLDER}/")}

    def write(self, path: str, file: SavedFile) -> None:
        target = self._at(path)
        if file.link:
            os.makedirs(os.path.dirname(target), mode=0o755, exist_ok=True)
            remove(target)
            os.symlink(file.text, target)
            sync_folder(os.path.dirname(target))
            return
        if os.path.islink(target):
            remove(target)
        if path.startswith(f"{STATE_FOLDER}/"):
            os.makedirs(os.path.dirname(target), mode=0o700, exist_ok=True)
        write_atomically(target, file.text, mode=file.mode, errors="surrogateescape")

    def delete(self, path: str) -> None:
        """Delete a file, and the folders of this collection that are empty then."""
        remove(self._at(path))
        if path.startswith((f"{FOLDER}/", f"{GENERATIONS}/")):
            with contextlib.suppress(OSError):
                os.removedirs(os.path.dirname(self._at(path)))

    @contextlib.contextmanager
    def applying_nothing(self) -> t.Iterator[None]:
        """Exclude the scripts of the parts, which the reconciler runs, while files are replaced.

        One that does not end must not keep the undo from restoring the path: after some seconds it is not excluded.
        """
        with contextlib.ExitStack() as opened:
            for path in sorted(glob.glob(f"{self._at(STATE_FOLDER)}/*.lock")):
                with contextlib.suppress(OSError):
                    file = opened.enter_context(open(path, "a", encoding="utf-8"))
                    wait_for_lock(file, _SCRIPT)
            yield

    # -- units

    def active(self, files: t.Iterable[str]) -> tuple[str, ...]:
        """The active units among these files."""
        units = sorted(
            {os.path.basename(path) for path in files if os.path.dirname(path) == UNIT_FOLDER and "." in path}
        )
        if not units:
            return ()
        shown = show_units(self._commands, ("Id", "ActiveState"), *units)
        return tuple(each["Id"] for each in shown if each.get("ActiveState") in ("active", "activating", "reloading"))

    def forget_boot_unit(self) -> None:
        """Delete the unit that starts the undo after a reboot, and does nothing without a checkpoint."""
        with contextlib.suppress(CommandFailed, OSError):
            for path in (BOOT_LINK, BOOT_FILE):
                remove(self._at(path))
            self._commands.run("systemctl", "daemon-reload")  # systemd may have read it

    # -- the kernel

    def addresses(self) -> dict[str, tuple[str, ...]]:
        """The addresses of bridges, with prefix length, without link-local ones."""
        found = run_json(self._commands, ip_program(self._commands), "-json", "address", "show", "type", "bridge")
        return {
            link["ifname"]: tuple(
                f"{each['local']}/{each['prefixlen']}"
                for each in link.get("addr_info", ())
                if each.get("local") and each.get("scope") != "link"
            )
            for link in found
            if link.get("ifname")
        }

    def remove_address(self, interface: str, address: str) -> None:
        with contextlib.suppress(CommandFailed):  # the engine removed it meanwhile
            self._commands.run(ip_program(self._commands), "address", "del", address, "dev", interface)

    def kernel(self) -> Kernel:
        """The parameters of forwarding, and the policies of the chain FORWARD by program.

        Parameters that the kernel does not have are absent, and programs that are missing or do not list the chain.
        """
        parameters = {key: read_text(self._sysctl(key)) for key in _SYSCTLS if os.path.exists(self._sysctl(key))}
        policies = {}
        for name in _IPTABLES:
            program = self._commands.find(name)
            with contextlib.suppress(CommandFailed):
                words = self._commands.run(program, "-w", "-S", "FORWARD").split() if program else []
                if words[:2] == ["-P", "FORWARD"]:
                    policies[name] = words[2]
        return Kernel({key: text.strip() for key, text in parameters.items() if text is not None}, policies)

    def set_kernel(self, values: Kernel) -> None:
        """Only those that differ: setting a value may reset others."""
        now = self.kernel()
        for key, value in values.sysctls.items():
            if now.sysctls.get(key, value) != value:
                with open(self._sysctl(key), "w", encoding="ascii") as file:
                    file.write(f"{value}\n")
        for name, policy in values.policies.items():
            if now.policies.get(name, policy) != policy:
                self._commands.run(self._commands.find(name) or name, "-w", "-P", "FORWARD", policy)

    def _at(self, path: str) -> str:
        return f"{self._root}{path}"

    def _sysctl(self, key: str) -> str:
        return self._at(f"/proc/sys/{key.replace('.', '/')}")


def _read(path: str) -> SavedFile | None:
    """None if it does not exist, or is neither a file nor a link."""
    if os.path.islink(path):
        return SavedFile(os.readlink(path), 0, link=True)
    mode = mode_of(path)
    if mode is None or not stat.S_ISREG(os.stat(path).st_mode):
        return None
    with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
        return SavedFile(file.read(), mode)
