# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What to do so that the engine listens on TCP with mutual TLS as declared: desired x observed -> one plan.

The flags go into a drop-in of the daemon's unit, all in one line: the addresses can never be there without TLS, and
daemon.json, whose keys other flags may clash with, is left alone.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
import ssl
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon import check, config
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.observe import RunningContainer
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError, InvalidValue

Json = t.Dict[str, t.Any]

FOLDER = "/etc/fleetnet/remote_api"
CA_FILE = f"{FOLDER}/ca.pem"
CERT_FILE = f"{FOLDER}/cert.pem"
KEY_FILE = f"{FOLDER}/key.pem"
DROP_IN = "zz-fleetnet-remote-api.conf"  # after those that may give another ExecStart
SOCKET = "unix:///var/run/docker.sock"  # where dockerd listens that is told nothing

PLAIN_PORT = 2375
# Seen with 20.10: a start with live restore deletes what was started with --rm. 26.1 and 28.5 keep it.
KEEPS_AUTO_REMOVE = (26, 1)

_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
_NOT_SHOWN = "(a private key, {})\n"


class Material(t.NamedTuple):
    """PEM texts: the authority of the clients, the engine's certificate and its key."""

    ca: str
    certificate: str
    key: str


class DesiredRemoteApi(t.NamedTuple):
    """``material`` is None where the engine is not to listen on TCP."""

    listen: tuple[str, ...]
    port: int
    material: Material | None


class ObservedFile(t.NamedTuple):
    """A file on the host as it is. ``changed`` are seconds since the epoch."""

    text: str
    mode: int
    changed: float


class ObservedRemoteApi(t.NamedTuple):
    """The host as it is. ``argv`` is the running daemon's command line, ``exec_start`` what its unit says without us.

    ``files`` has those of ours that exist, by path. ``config_text`` is that of daemon.json, None without one.
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
    """A file of ours and its new text; None where it does not exist."""

    path: str
    before: str | None
    after: str | None
    mode: int


class RemoteApiPlan(t.NamedTuple):
    """Write files, then restart where there is a reason to.

    ``interim`` is the text of daemon.json that switches live restore on for the restart, None where that is not needed
    or not possible; ``argv`` is the command line that the daemon will have.
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
        """One line an operation, in the order of execution."""
        lines = [f"{'remove' if item.after is None else 'write'} {item.path}" for item in self.changes]
        if self.interim is not None:
            lines.append(f"switch live restore on for the restart: {_names(self.resume)} will go on running")
        if self.reasons:
            lines.append(f"restart {self.unit}: {'; '.join(self.reasons)}")
        if self.interrupted:
            lines.append(f"interrupted by the restart and started again: {_names(self.interrupted)}")
        return lines

    def diff(self) -> list[Json]:
        """Files' differences; of certificates the fingerprints, of a key only that it is another one."""
        diffs: list[Json] = []
        for item in self.changes:
            before, after = _shown(item, item.before, "as it was"), _shown(item, item.after, "as declared")
            diffs.append({"before": before, "after": after, "before_header": item.path, "after_header": item.path})
        return diffs


def parse_listen(addresses: t.Sequence[str], port: int, mutual_tls: bool) -> tuple[str, ...]:
    """The addresses in their one form; InvalidValue for one that is none, and for whatever would be plain TCP."""
    danger = "whoever reaches it would be root on the host: only TLS with certificates on both sides is offered"
    if not mutual_tls:
        raise InvalidValue("mutual_tls", mutual_tls, f"plain TCP, and TLS without clients' certificates: {danger}")
    if port == PLAIN_PORT:
        raise InvalidValue("port", port, f"this is Docker's port for plain TCP, where {danger}, usually on port 2376")
    if not 1 <= port <= 65535:
        raise InvalidValue("port", port, "it has to be between 1 and 65535")
    if not addresses:
        raise InvalidValue("listen", list(addresses), "it needs an address of the host")
    return tuple(dict.fromkeys(_address(f"listen[{at}]", text) for at, text in enumerate(addresses)))


def _address(variable: str, text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise InvalidValue(variable, text, "it has to be an IP address of the host, without a port") from None


def exec_start(shown: str, ours: str) -> str:
    """The command of the unit that ``systemctl cat`` shows, as if the file ``ours`` were not there."""
    command = ""
    mine = False
    for line in re.sub(r"\\\n", " ", shown).splitlines():
        if line.startswith("# /"):
            mine = line[2:].strip() == ours
        found = re.match(r"\s*ExecStart\s*=(.*)", line)
        if found and not mine:
            command = found[1].strip()
    return command


def flags(listen: t.Sequence[str], port: int, has_host: bool) -> tuple[str, ...]:
    """dockerd's flags; one that names a host takes the default socket away, so that has to be named as well then."""
    hosts = [f"--host=tcp://[{text}]:{port}" if ":" in text else f"--host=tcp://{text}:{port}" for text in listen]
    socket = [] if has_host else [f"--host={SOCKET}"]
    return ("--tlsverify", f"--tlscacert={CA_FILE}", f"--tlscert={CERT_FILE}", f"--tlskey={KEY_FILE}", *socket, *hosts)


def split_argv(argv: t.Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The command line without our flags, and those: they are at its end."""
    marker = f"--tlscacert={CA_FILE}"
    if marker not in argv:
        return tuple(argv), ()
    at = list(argv).index(marker) - 1
    return tuple(argv[:at]), tuple(argv[at:])


def drop_in_text(command: str, ours: t.Sequence[str]) -> str:
    return (
        "# Written by fleetnet.docker.remote_api; changes are lost.\n"
        f"[Service]\nExecStart=\nExecStart={command} {' '.join(ours)}\n"
    )


def plan_remote_api(desired: DesiredRemoteApi, observed: ObservedRemoteApi, allow_restart: bool) -> RemoteApiPlan:
    """Raises FleetnetError for what cannot work, and for an interruption that nobody has consented to."""
    theirs, running = split_argv(observed.argv)
    wanted: dict[str, str | None] = {CA_FILE: None, CERT_FILE: None, KEY_FILE: None, observed.drop_in: None}
    ours: tuple[str, ...] = ()
    if desired.material:
        ours = flags(desired.listen, desired.port, "hosts" in check.keys_of_flags(theirs))
        if not observed.exec_start:
            raise FleetnetError(f"{observed.unit} has no ExecStart that flags could be added to (systemctl cat)")
        wanted.update(zip((CA_FILE, CERT_FILE, KEY_FILE), desired.material))
        wanted[observed.drop_in] = drop_in_text(observed.exec_start, ours)
    argv = theirs + ours
    parsed = config.parse(observed.config_text or "", observed.config_path)
    check.check_flags(parsed, argv, observed.config_path, observed.unit)
    changes = tuple(_changes(wanted, observed))
    reasons = tuple(_reasons(changes, wanted, ours, running, observed))
    interim = None
    interrupted: tuple[RunningContainer, ...] = ()
    if reasons and observed.containers:
        live = bool(observed.info.get("LiveRestoreEnabled"))
        if not live and _can_borrow(parsed, argv, observed):
            interim = config.edit(observed.config_text or "", {"live-restore": True}, (), observed.config_path)
        keeps = live or interim is not None
        interrupted = () if keeps else observed.containers
        _consent(reasons, keeps, observed, allow_restart)
    return RemoteApiPlan(
        unit=observed.unit,
        changes=changes,
        reasons=reasons,
        interim=interim,
        interrupted=interrupted,
        resume=observed.containers if reasons else (),
        argv=argv,
        endpoints=tuple((text, desired.port) for text in desired.listen) if desired.material else (),
    )


def _changes(wanted: t.Mapping[str, str | None], observed: ObservedRemoteApi) -> t.Iterator[FileChange]:
    for path, text in wanted.items():
        mode = 0o644 if path == observed.drop_in else 0o600
        file = observed.files.get(path)
        if (file and file.text) != text or (file and text is not None and file.mode != mode):
            yield FileChange(path, file.text if file else None, text, mode)


def _reasons(
    changes: t.Sequence[FileChange],
    wanted: t.Mapping[str, str | None],
    ours: tuple[str, ...],
    running: tuple[str, ...],
    observed: ObservedRemoteApi,
) -> t.Iterator[str]:
    """Why the running daemon has to be started anew: it reads flags and certificates only then."""
    if ours != running:
        hosts = [flag.split("=", 1)[1] for flag in ours if flag.startswith("--host=tcp:")]
        yield f"it is to listen on {', '.join(hosts)}" if ours else "it is to listen on TCP no more"
        return
    contents = [item.path for item in changes if item.before != item.after]
    if any(path != observed.drop_in for path in contents):
        yield "it has to read its new certificates"
    elif any(
        observed.files[path].changed > observed.started
        for path, text in wanted.items()
        if path in observed.files and text is not None and path != observed.drop_in
    ):
        yield "its certificates are newer than its start"


def _can_borrow(parsed: Json, argv: t.Sequence[str], observed: ObservedRemoteApi) -> bool:
    """Whether live restore can be switched on without a restart."""
    in_swarm = (observed.info.get("Swarm") or {}).get("LocalNodeState", "inactive") != "inactive"
    by_flag = "live-restore" in check.keys_of_flags(argv)
    return not in_swarm and not by_flag and check.reload_works(parsed, observed.version)


def _consent(reasons: t.Sequence[str], keeps: bool, observed: ObservedRemoteApi, allow_restart: bool) -> None:
    why = f"{observed.unit} has to be restarted ({'; '.join(reasons)})"
    doomed = [container for container in observed.containers if container.auto_remove]
    if doomed and not (keeps and observed.version >= KEEPS_AUTO_REMOVE):
        raise FleetnetError(
            f"{why}, and the engine deletes {_names(doomed)} then (started with --rm): wait for their end or stop "
            f"them yourself; nothing was changed"
        )
    if not keeps and not allow_restart:
        count = len(observed.containers)
        raise FleetnetError(
            f"{why}, which interrupts {count} running container{'s' if count > 1 else ''} "
            f"({_names(observed.containers)}), as live restore cannot be switched on here. Consent with "
            f"allow_restart: true; nothing was changed"
        )


def _names(containers: t.Sequence[RunningContainer]) -> str:
    shown = ", ".join(container.name for container in containers[:5])
    return shown + (f" and {len(containers) - 5} more" if len(containers) > 5 else "")


def _shown(item: FileChange, text: str | None, which: str) -> str:
    if text is None:
        return ""
    if item.path == KEY_FILE:
        return _NOT_SHOWN.format("the same" if item.before == item.after else which)
    if item.path in (CA_FILE, CERT_FILE):
        return "".join(f"certificate {fingerprint(pem)}\n" for pem in certificates_in(text))
    return text


def certificates_in(text: str) -> list[str]:
    """The certificates of a PEM text."""
    return _PEM.findall(text)


def fingerprint(pem: str) -> str:
    """A certificate's SHA-256, as OpenSSL shows it."""
    try:
        return "sha256:" + hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()
    except ValueError:
        return "that cannot be read"
