# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plan what to change so that the engine listens on TCP with mutual TLS: desired and observed state -> one plan.

The flags go into a drop-in of the daemon's unit, all in one line: the engine never listens without TLS, and
daemon.json, whose keys may conflict with other flags, stays unchanged.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
import ssl
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon import check, config, flags
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.observed import (
    Json,
    RunningContainer,
    count_of,
    in_swarm,
    names_of,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.plan import NOTHING_CHANGED
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError, InvalidValue, consent
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.persistence.part import REMOTE_API_FOLDER

CA_FILE = f"{REMOTE_API_FOLDER}/ca.pem"
CERT_FILE = f"{REMOTE_API_FOLDER}/cert.pem"
KEY_FILE = f"{REMOTE_API_FOLDER}/key.pem"
DROP_IN = "zz-fleetnet-remote-api.conf"  # after drop-ins that may set another ExecStart
SOCKET = "unix:///var/run/docker.sock"  # where dockerd listens by default

PLAIN_PORT = 2375
# Observed with 20.10: a start with live restore deletes containers started with --rm. 26.1 and 28.5 keep them.
KEEPS_AUTO_REMOVE = (26, 1)

_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
_NOT_SHOWN = "({} private key)\n"


class TlsFiles(t.NamedTuple):
    """PEM texts: the authority of the clients, the engine's certificate and its key."""

    ca: str
    certificate: str
    key: str


class DesiredRemoteApi(t.NamedTuple):
    """``tls`` is None if the engine must not listen on TCP."""

    listen: tuple[str, ...]
    port: int
    tls: TlsFiles | None


class ObservedFile(t.NamedTuple):
    """A file on the host. ``changed`` is its ctime in seconds since the epoch."""

    text: str
    mode: int
    changed: float


class ObservedRemoteApi(t.NamedTuple):
    """The daemon and its host.

    ``argv`` is the running daemon's command line, ``exec_start`` its unit's command without this collection's drop-in.
    ``files`` are the existing files of this collection by path. ``config_text`` is the text of daemon.json, None if the
    file does not exist.
    """

    version: tuple[int, ...]
    unit: str
    drop_in: str
    argv: tuple[str, ...]
    exec_start: str
    started: float
    files: dict[str, ObservedFile]
    config_path: str
    config_text: str | None
    info: Json
    containers: tuple[RunningContainer, ...]


class FileChange(t.NamedTuple):
    """A file of this collection with its former and new text, None if it does not exist."""

    path: str
    before: str | None
    after: str | None
    mode: int


class RemoteApiPlan(t.NamedTuple):
    """Write files, then restart the daemon if ``reasons`` require it.

    ``interim`` is the text of daemon.json that enables live restore for the restart, None if that is not necessary
    or not possible; ``argv`` is the daemon's command line afterwards.
    """

    unit: str
    changes: tuple[FileChange, ...]
    reasons: tuple[str, ...]
    interim: str | None
    interrupted: tuple[RunningContainer, ...]
    resume: tuple[RunningContainer, ...]
    argv: tuple[str, ...]
    endpoints: tuple[tuple[str, int], ...]

    @property
    def changed(self) -> bool:
        return bool(self.changes or self.reasons)

    def operations(self) -> list[str]:
        """One line per operation, in the order of execution."""
        lines = [f"{'remove' if item.after is None else 'write'} {item.path}" for item in self.changes]
        if self.interim is not None:
            lines.append(f"enable live restore during the restart, so that {names_of(self.resume)} keeps running")
        if self.reasons:
            lines.append(f"restart {self.unit}: {'; '.join(self.reasons)}")
        if self.interrupted:
            lines.append(f"the restart interrupts {names_of(self.interrupted)}; start them again")
        return lines

    def diff(self) -> list[Json]:
        """The differences of files: certificates by fingerprint, a private key without its content."""
        diffs: list[Json] = []
        for item in self.changes:
            before, after = _shown(item, item.before, "former"), _shown(item, item.after, "new")
            diffs.append({"before": before, "after": after, "before_header": item.path, "after_header": item.path})
        return diffs


def parse_listen(addresses: t.Sequence[str], port: int, mutual_tls: bool) -> tuple[str, ...]:
    """Return the addresses, normalized and without duplicates.

    Raises InvalidValue for an invalid address or port, and for anything but TLS with certificates on both sides.
    """
    danger = "gives root access to the host to anyone who can connect"
    if not mutual_tls:
        raise InvalidValue("mutual_tls", mutual_tls, f"must be true: TCP without clients' certificates {danger}")
    if port == PLAIN_PORT:
        raise InvalidValue("port", port, f"is Docker's port for plain TCP, which {danger}. Use 2376")
    if not 1 <= port <= 65535:
        raise InvalidValue("port", port, "must be between 1 and 65535")
    if not addresses:
        raise InvalidValue("listen", list(addresses), "must contain at least one address of the host")
    return tuple(dict.fromkeys(_address(f"listen[{at}]", text) for at, text in enumerate(addresses)))


def _address(variable: str, text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise InvalidValue(variable, text, "must be an IP address of the host, without a port") from None


def exec_start(shown: str, own_path: str) -> str:
    """Return the unit's command from the output of ``systemctl cat``, without the drop-in ``own_path``."""
    command = ""
    in_own = False
    for line in re.sub(r"\\\n", " ", shown).splitlines():
        if line.startswith("# /"):
            in_own = line[2:].strip() == own_path
        found = re.match(r"\s*ExecStart\s*=(.*)", line)
        if found and not in_own:
            command = found[1].strip()
    return command


def tls_flags(listen: t.Sequence[str], port: int, has_host: bool) -> tuple[str, ...]:
    """dockerd's flags. With --host dockerd does not listen on its default socket, so the flags name that as well."""
    hosts = [f"--host=tcp://[{text}]:{port}" if ":" in text else f"--host=tcp://{text}:{port}" for text in listen]
    socket = [] if has_host else [f"--host={SOCKET}"]
    return ("--tlsverify", f"--tlscacert={CA_FILE}", f"--tlscert={CERT_FILE}", f"--tlskey={KEY_FILE}", *socket, *hosts)


def split_argv(argv: t.Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Split the command line into the unit's own part and the flags of this collection at its end."""
    marker = f"--tlscacert={CA_FILE}"
    if marker not in argv:
        return tuple(argv), ()
    at = list(argv).index(marker) - 1
    return tuple(argv[:at]), tuple(argv[at:])


def drop_in_text(command: str, own_flags: t.Sequence[str]) -> str:
    return (
        "# Written by fleetnet.docker.remote_api; changes are overwritten.\n"
        f"[Service]\nExecStart=\nExecStart={command} {' '.join(own_flags)}\n"
    )


def plan_remote_api(desired: DesiredRemoteApi, observed: ObservedRemoteApi, allow_restart: bool) -> RemoteApiPlan:
    """Return the plan.

    Raises FleetnetError if dockerd cannot work as declared, or if the plan interrupts containers without consent.
    """
    unit_argv, running = split_argv(observed.argv)
    texts: dict[str, str | None] = {CA_FILE: None, CERT_FILE: None, KEY_FILE: None, observed.drop_in: None}
    own_flags: tuple[str, ...] = ()
    if desired.tls:
        own_flags = tls_flags(desired.listen, desired.port, "hosts" in flags.keys_of_flags(unit_argv))
        if not observed.exec_start:
            raise FleetnetError(f"{observed.unit}: no ExecStart found. Check the unit (systemctl cat {observed.unit}).")
        texts.update(zip((CA_FILE, CERT_FILE, KEY_FILE), desired.tls))
        texts[observed.drop_in] = drop_in_text(observed.exec_start, own_flags)
    argv = unit_argv + own_flags
    parsed = config.parse(observed.config_text or "", observed.config_path)
    flags.check_flags(parsed, argv, observed.config_path, observed.unit)
    changes = tuple(_changes(texts, observed))
    reasons = tuple(_reasons(changes, texts, own_flags, running, observed))
    interim = None
    interrupted: tuple[RunningContainer, ...] = ()
    if reasons and observed.containers:
        live = bool(observed.info.get("LiveRestoreEnabled"))
        if not live and _can_enable_live_restore(parsed, argv, observed):
            interim = config.edit(observed.config_text or "", {"live-restore": True}, (), observed.config_path)
        keeps = live or interim is not None
        interrupted = () if keeps else observed.containers
        _require_consent(reasons, keeps, observed, allow_restart)
    return RemoteApiPlan(
        unit=observed.unit,
        changes=changes,
        reasons=reasons,
        interim=interim,
        interrupted=interrupted,
        resume=observed.containers if reasons else (),
        argv=argv,
        endpoints=tuple((text, desired.port) for text in desired.listen) if desired.tls else (),
    )


def _changes(texts: t.Mapping[str, str | None], observed: ObservedRemoteApi) -> t.Iterator[FileChange]:
    for path, text in texts.items():
        mode = 0o644 if path == observed.drop_in else 0o600
        file = observed.files.get(path)
        if (file and file.text) != text or (file and text is not None and file.mode != mode):
            yield FileChange(path, file.text if file else None, text, mode)


def _reasons(
    changes: t.Sequence[FileChange],
    texts: t.Mapping[str, str | None],
    own_flags: tuple[str, ...],
    running: tuple[str, ...],
    observed: ObservedRemoteApi,
) -> t.Iterator[str]:
    """Why the daemon must be restarted: it reads flags and certificates only at its start."""
    if own_flags != running:
        hosts = [flag.split("=", 1)[1] for flag in own_flags if flag.startswith("--host=tcp:")]
        yield f"listen on {', '.join(hosts)}" if own_flags else "stop listening on TCP"
        return
    contents = [item.path for item in changes if item.before != item.after]
    if any(path != observed.drop_in for path in contents):
        yield "read new certificates"
    elif any(
        observed.files[path].changed > observed.started
        for path, text in texts.items()
        if path in observed.files and text is not None and path != observed.drop_in
    ):
        yield "its certificates are newer than its start"


def _can_enable_live_restore(parsed: Json, argv: t.Sequence[str], observed: ObservedRemoteApi) -> bool:
    """Whether live restore can be enabled without a restart."""
    by_flag = "live-restore" in flags.keys_of_flags(argv)
    return not in_swarm(observed.info) and not by_flag and check.reload_works(parsed, observed.version)


def _require_consent(reasons: t.Sequence[str], keeps: bool, observed: ObservedRemoteApi, allow_restart: bool) -> None:
    why = f"{observed.unit} must be restarted ({'; '.join(reasons)})"
    removed = [container for container in observed.containers if container.auto_remove]
    if removed and not (keeps and observed.version >= KEEPS_AUTO_REMOVE):
        raise FleetnetError(
            f"{why}, which deletes {names_of(removed)} (started with --rm). Wait until they exit, or stop them. "
            f"{NOTHING_CHANGED}"
        )
    if not keeps and not allow_restart:
        raise FleetnetError(
            f"{why}, which interrupts {count_of(observed.containers)}, because live restore cannot be enabled on this "
            f"host. {consent('allow_restart')} to allow this. {NOTHING_CHANGED}"
        )


def _shown(item: FileChange, text: str | None, which: str) -> str:
    if text is None:
        return ""
    if item.path == KEY_FILE:
        return _NOT_SHOWN.format("unchanged" if item.before == item.after else which)
    if item.path in (CA_FILE, CERT_FILE):
        return "".join(f"certificate {fingerprint(pem)}\n" for pem in certificates_in(text))
    return text


def certificates_in(text: str) -> list[str]:
    """The certificates of a PEM text."""
    return _PEM.findall(text)


def fingerprint(pem: str) -> str:
    """The SHA-256 fingerprint of a certificate."""
    try:
        return "sha256:" + hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()
    except ValueError:
        return "unreadable"
