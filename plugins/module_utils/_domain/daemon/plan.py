# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plan what to change so that the daemon works as declared: desired and observed state -> one plan.

The plan compares with the values that the running daemon has in effect, not with its file: a key that only the file has
needs a restart, a key that the daemon has by default is written to the file without a restart.
"""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon import check, config, flags, own_bridge
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.comparison import equal, value_in_effect
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.keys import (
    BRIDGE,
    BY_NAME,
    BY_OPTION,
    RELOAD,
    RESTART,
    default_of,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.observed import (
    UNKNOWN,
    Json,
    ObservedDaemon,
    RunningContainer,
    count_of,
    names_of,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.overlap import check_overlap
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.drift.difference import (
    AS_PLANNED,
    CONTAINER,
    CONTENT,
    DAEMON,
    DIFFERENT,
    FILE,
    PRESENT,
    RUNNING,
    STATE,
    STOPPED,
    VALUE,
    Difference,
    shown,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError, consent
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.interface_name import DOCKER0

NOTHING_CHANGED = "Nothing was changed."


class DesiredDaemon(t.NamedTuple):
    """``values`` by option name. The keys of ``unset`` are removed from the file, so that the engine's default applies.

    ``allow_overlap`` are networks that docker0's may overlap with.
    """

    values: dict[str, t.Any]
    unset: tuple[str, ...] = ()
    allow_overlap: tuple[str, ...] = ()


class OptionChange(t.NamedTuple):
    """An option whose value in effect, ``before``, is not the declared one, ``after``.

    None means that the engine has no value or chooses it.
    """

    option: str
    before: t.Any
    after: t.Any

    def __str__(self) -> str:
        return f"{self.option} {_text(self.before)} -> {_text(self.after)}"

    def difference(self) -> Difference:
        return Difference(DAEMON, self.option, VALUE, _json(self.after), _json(self.before))


class DaemonPlan(t.NamedTuple):
    """Ordered operations: write files, stop containers, restart or reload the daemon, start containers.

    - ``before`` and ``after`` are the texts of daemon.json, None if it does not exist.
    - ``signal`` is RESTART, RELOAD or None.
    - ``stop`` are containers to stop explicitly, because the engine would keep them and ignore the change.
    - ``interrupted`` are all containers that stop, ``resume`` all that must run at the end. ``stopped`` are those of
      them that an interrupted run left stopped.
    - ``own_unit_before`` and ``own_unit`` are the texts of the unit of a bridge of this collection.
    - ``delete_bridge`` is the bridge that another one replaces.
    - ``interim`` is a text of daemon.json that the daemon starts with once in between, ``interim_before`` the one for
      restoring ``before``.
    """

    path: str
    unit: str
    before: str | None
    after: str | None
    changes: tuple[OptionChange, ...]
    signal: str | None
    stop: tuple[RunningContainer, ...]
    interrupted: tuple[RunningContainer, ...]
    resume: tuple[RunningContainer, ...]
    own_unit_before: str | None = None
    own_unit: str | None = None
    delete_bridge: str | None = None
    interim: str | None = None
    interim_before: str | None = None
    stopped: tuple[RunningContainer, ...] = ()

    @property
    def writes(self) -> bool:
        return self.before != self.after

    @property
    def writes_unit(self) -> bool:
        return self.own_unit_before != self.own_unit

    @property
    def configured(self) -> dict[str, t.Any]:
        """The keys of daemon.json that this collection manages, as options, with their values after the plan."""
        keys = config.parse(self.after or "", self.path)
        return {BY_NAME[name].option: value for name, value in keys.items() if name in BY_NAME}

    @property
    def changed(self) -> bool:
        return self.writes or self.writes_unit or self.signal is not None or bool(self.resume)

    def operations(self) -> list[str]:
        """One line per operation, in the order of execution."""
        lines = []
        if self.writes:
            lines.append(f"write {self.path}")
        if self.writes_unit:
            lines.append(f"{'write' if self.own_unit else 'remove'} {own_bridge.UNIT_FILE}")
        if self.stop:
            lines.append(f"stop {names_of(self.stop)}: with live restore the engine would ignore the change otherwise")
        if self.delete_bridge:
            lines.append(f"delete the bridge {self.delete_bridge}")
        if self.signal:
            lines.append(f"{self.signal} {self.unit}: {joined(self.changes)}")
        if self.interrupted and not self.stop:
            lines.append(f"the restart interrupts {names_of(self.interrupted)}")
        if self.resume:
            lines.append(f"start containers that do not run afterwards: {names_of(self.resume)}")
        return lines

    def differences(self) -> list[Difference]:
        """Files and options that are not as declared, and containers that an interrupted run left stopped."""
        found = [change.difference() for change in self.changes]
        for path, before, after in self._files():
            if before is None or after is None:
                declared, observed = (None if text is None else PRESENT for text in (after, before))
                found.append(Difference(FILE, path, STATE, declared, observed))
            else:
                found.append(Difference(FILE, path, CONTENT, AS_PLANNED, DIFFERENT))
        return [*found, *(Difference(CONTAINER, each.name, STATE, RUNNING, STOPPED) for each in self.stopped)]

    def diff(self) -> list[Json]:
        """The differences of files and of the running daemon, as Ansible prints them."""
        diffs: list[Json] = []
        for path, before, after in self._files():
            headers = {"before_header": path, "after_header": path}
            diffs.append({"before": before or "", "after": after or "", **headers})
        if self.changes:
            before = "".join(f"{change.option}: {_text(change.before)}\n" for change in self.changes)
            after = "".join(f"{change.option}: {_text(change.after)}\n" for change in self.changes)
            header = "in effect in the running daemon"
            diffs.append({"before": before, "after": after, "before_header": header, "after_header": header})
        return diffs

    def _files(self) -> t.Iterator[tuple[str, str | None, str | None]]:
        """Path, former and new text of each file that changes."""
        if self.writes:
            yield self.path, self.before, self.after
        if self.writes_unit:
            yield own_bridge.UNIT_FILE, self.own_unit_before, self.own_unit


def plan_daemon(desired: DesiredDaemon, observed: ObservedDaemon, allow_restart: bool = False) -> DaemonPlan:
    """Return the plan.

    Raises FleetnetError if dockerd cannot work as declared, or if the plan interrupts containers without consent.
    """
    plan = _plan(desired, observed)
    if plan.interrupted:
        _require_consent(plan, allow_restart)
    return plan


def joined(changes: t.Iterable[OptionChange]) -> str:
    """The changes as text."""
    return "; ".join(str(change) for change in changes)


def option_changes(desired: DesiredDaemon, observed: ObservedDaemon) -> tuple[OptionChange, ...]:
    """The options whose value in effect is not the declared one."""
    changes = []
    for option, value in desired.values.items():
        key = BY_OPTION[option]
        now = value_in_effect(key, observed)
        if not equal(key, now, value):
            changes.append(OptionChange(option, now, value))
    for option in desired.unset:
        key = BY_OPTION[option]
        # A value that the engine chooses cannot be compared; a configured value can.
        configured = UNKNOWN if observed.startup is None else observed.startup.get(key.name)
        default = default_of(key, observed.version)
        if configured is not None and not (default is not None and equal(key, configured, default)):
            changes.append(OptionChange(option, configured, default))
    return tuple(changes)


def _plan(desired: DesiredDaemon, observed: ObservedDaemon) -> DaemonPlan:
    check.check_versions(desired.values, observed.version)
    now = config.parse(observed.text or "", observed.path)
    own = own_bridge.own_bridge(desired.values)
    edits, removed = edits_of(desired, own)
    after = config.edit(observed.text or "", edits, removed, observed.path)
    if config.same(now, config.parse(after, observed.path)):
        after = observed.text or ""  # without a key neither a missing nor a blank file is written
    merged = config.parse(after, observed.path)
    check.check_values(edits, merged, observed.version)
    check.check_swarm(edits, observed.info)
    flags.check_flags(merged, observed.argv, observed.path, observed.unit)
    if observed.help_text:
        flags.check_known(merged, observed.help_text, observed.path)

    changes = option_changes(desired, observed)
    for change in changes:
        if BY_OPTION[change.option].decides_subnet and change.after is not None:
            own_names = (observed.bridge_name, DOCKER0, own.name if own else "")
            check_overlap(change.option, change.after, own_names, observed.in_use, desired.allow_overlap)
        if change.option == "bridge" and change.after == own_bridge.NONE:
            own_bridge.check_unused(observed.bridge)
    own_unit = observed.own_unit
    if own:
        own_unit = own_bridge.unit_text(own, observed.ip_program, observed.unit)
    elif "bridge" in desired.values or "bridge" in desired.unset:
        own_unit = None
    applies = {BY_OPTION[change.option].apply for change in changes}
    signal = RESTART if RESTART in applies else RELOAD if RELOAD in applies else None
    if signal == RELOAD and not check.reload_works(merged, observed.version):
        signal = RESTART
    stop: tuple[RunningContainer, ...] = ()
    interrupted, resume = stop, stop
    if signal == RESTART:
        live_restore = bool(observed.info.get("LiveRestoreEnabled"))
        if not live_restore:
            interrupted = observed.containers
        elif any(BY_OPTION[change.option].scope == BRIDGE for change in changes):
            stop = interrupted = observed.containers
        resume = observed.containers
    return DaemonPlan(
        path=observed.path,
        unit=observed.unit,
        before=observed.text,
        after=after if after or observed.text is not None else None,
        changes=changes,
        signal=signal,
        stop=stop,
        interrupted=interrupted,
        resume=resume + observed.to_resume,
        own_unit_before=observed.own_unit,
        own_unit=own_unit,
        delete_bridge=_replaced_bridge(changes, observed),
        interim=_interim(after, changes, observed) if own else None,
        interim_before=_interim(observed.text or "", changes, observed) if own else None,
        stopped=observed.to_resume,
    )


def _interim(text: str, changes: t.Iterable[OptionChange], observed: ObservedDaemon) -> str | None:
    """The file with this text without a default network, if a bridge of this collection gets another address.

    dockerd 28 stores the address of a bridge that it did not create, and restores it before it reads the current one.
    After a start without a default network it does not.
    """
    options = {change.option for change in changes}
    if "bridge" in options or not options.intersection(own_bridge.OPTIONS_OF_INTERFACE):
        return None
    return config.edit(text, {"bridge": own_bridge.NONE}, (), observed.path)


def edits_of(desired: DesiredDaemon, own: own_bridge.OwnBridge | None) -> tuple[dict[str, t.Any], list[str]]:
    """The keys to set in daemon.json and those to remove, by their names there."""
    values = dict(desired.values)
    removed = list(desired.unset)
    if own:  # the bridge has the addresses then, and dockerd rejects a file with both
        removed += own_bridge.OPTIONS_OF_INTERFACE
    elif values.get("bridge") == DOCKER0:  # dockerd's default is a missing key
        removed.append("bridge")
    edits = {BY_OPTION[option].name: value for option, value in values.items() if option not in removed}
    return edits, [BY_OPTION[option].name for option in removed]


def _replaced_bridge(changes: t.Iterable[OptionChange], observed: ObservedDaemon) -> str | None:
    """The bridge to delete before the restart: docker0, which the engine creates again, or one of this collection."""
    if observed.bridge is None or not any(change.option == "bridge" for change in changes):
        return None
    name = observed.bridge_name
    return name if name in (DOCKER0, own_bridge.name_in(observed.own_unit)) else None


def _require_consent(plan: DaemonPlan, allow_restart: bool) -> None:
    changes, containers = joined(plan.changes), count_of(plan.interrupted)
    if not allow_restart:
        if plan.stop:
            why = f"with live restore the engine ignores the change unless {containers} stop and start again"
        else:
            why = f"the restart of {plan.unit} interrupts {containers}"
        raise FleetnetError(f"{changes}: {why}. {consent('allow_restart')} to allow this. {NOTHING_CHANGED}")
    removed = [container for container in plan.interrupted if container.auto_remove]
    if removed:
        raise FleetnetError(
            f"{changes}: the restart of {plan.unit} deletes {names_of(removed)} (started with --rm). Wait until they "
            f"exit, or stop them. {NOTHING_CHANGED}"
        )


def _json(value: t.Any) -> t.Any:
    """The value as JSON; UNKNOWN becomes a text that describes it."""
    return repr(UNKNOWN) if value is UNKNOWN else value


def _text(value: t.Any) -> str:
    return shown(_json(value)) or "''"
