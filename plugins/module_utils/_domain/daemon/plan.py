# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What to do so that the daemon works as declared: desired x observed -> one plan, and whom it interrupts.

What decides is what the running daemon has in effect, not what its file says: a key that the file already has and
the daemon does not is a restart, a key that the daemon has by default is a line in the file and no restart.
"""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon import check, config, own_bridge
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.keys import (
    BRIDGE,
    BY_OPTION,
    RELOAD,
    RESTART,
    Json,
    default_of,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.observe import (
    UNKNOWN,
    ObservedDaemon,
    RunningContainer,
    effective,
    equal,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.overlap import check_overlap
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError

DECIDE_SUBNETS = ("bip", "bip6", "fixed_cidr_v6")


class DesiredDaemon(t.NamedTuple):
    """``values`` by option name; the keys of ``unset`` leave the file, so that the engine's default holds.

    ``allow_overlap`` are networks that docker0's may overlap with.
    """

    values: dict[str, t.Any]
    unset: tuple[str, ...] = ()
    allow_overlap: tuple[str, ...] = ()


class Effect(t.NamedTuple):
    """A key whose value in effect is not the declared one."""

    option: str
    before: t.Any
    after: t.Any

    def __str__(self) -> str:
        return f"{self.option} {_show(self.before)} -> {_show(self.after)}"


class DaemonPlan(t.NamedTuple):
    """Ordered operations: write the files, stop containers, restart or reload, start containers again.

    ``before`` and ``after`` are daemon.json's texts, None where it does not exist. ``signal`` is RESTART, RELOAD or
    None. ``stop`` are containers that have to be stopped by us because the engine would keep them and ignore the
    change; ``interrupted`` all that stop in any way; ``resume`` all that have to run at the end. ``own_unit`` and
    ``own_unit_before`` are the texts of the unit of a bridge of our own, and ``leave`` is the bridge that the engine
    leaves for another one. ``interim`` is a text to start with once in between.
    """

    path: str
    unit: str
    before: str | None
    after: str | None
    effects: tuple[Effect, ...]
    signal: str | None
    stop: tuple[RunningContainer, ...]
    interrupted: tuple[RunningContainer, ...]
    resume: tuple[RunningContainer, ...]
    own_unit_before: str | None = None
    own_unit: str | None = None
    leave: str | None = None
    interim: str | None = None

    @property
    def writes(self) -> bool:
        return self.before != self.after

    @property
    def writes_unit(self) -> bool:
        return self.own_unit_before != self.own_unit

    @property
    def changed(self) -> bool:
        return self.writes or self.writes_unit or self.signal is not None or bool(self.resume)

    def operations(self) -> list[str]:
        """One line an operation, in the order of execution, as a person reads them."""
        lines = []
        effects = "; ".join(str(effect) for effect in self.effects)
        if self.writes:
            lines.append(f"write {self.path}")
        if self.writes_unit:
            lines.append(f"{'write' if self.own_unit else 'remove'} {own_bridge.UNIT_FILE}")
        if self.stop:
            lines.append(f"stop {_names(self.stop)}: with live restore the engine would ignore the change otherwise")
        if self.leave:
            lines.append(f"delete the bridge {self.leave}")
        if self.signal:
            lines.append(f"{self.signal} {self.unit}: {effects}")
        if self.interrupted and not self.stop:
            lines.append(f"interrupted by the restart: {_names(self.interrupted)}")
        if self.resume:
            lines.append(f"start again what does not run afterwards: {_names(self.resume)}")
        return lines

    def diff(self) -> list[Json]:
        """The file's and the running daemon's difference, in the form that Ansible prints."""
        diffs: list[Json] = []
        if self.writes:
            headers = {"before_header": self.path, "after_header": self.path}
            diffs.append({"before": self.before or "", "after": self.after or "", **headers})
        if self.writes_unit:
            headers = {"before_header": own_bridge.UNIT_FILE, "after_header": own_bridge.UNIT_FILE}
            diffs.append({"before": self.own_unit_before or "", "after": self.own_unit or "", **headers})
        if self.effects:
            before = "".join(f"{effect.option}: {_show(effect.before)}\n" for effect in self.effects)
            after = "".join(f"{effect.option}: {_show(effect.after)}\n" for effect in self.effects)
            header = "in effect in the running daemon"
            diffs.append({"before": before, "after": after, "before_header": header, "after_header": header})
        return diffs


def plan_daemon(desired: DesiredDaemon, observed: ObservedDaemon, allow_restart: bool = False) -> DaemonPlan:
    """Raises FleetnetError for what cannot work, and for an interruption that nobody has consented to."""
    plan = _plan(desired, observed)
    if plan.interrupted:
        _consent(plan, allow_restart)
    return plan


def still_missing(desired: DesiredDaemon, observed: ObservedDaemon) -> tuple[Effect, ...]:
    """After the plan has been executed: what is not in effect even so."""
    return _effects(desired, observed)


def _plan(desired: DesiredDaemon, observed: ObservedDaemon) -> DaemonPlan:
    check.check_versions(desired.values, observed.version)
    now = config.parse(observed.text or "", observed.path)
    own = own_bridge.own_bridge(desired.values)
    changes, removed = _edits(desired, own)
    after = config.edit(observed.text or "", changes, removed, observed.path)
    if config.same(now, config.parse(after, observed.path)):
        after = observed.text or ""  # nothing to say: neither a missing file is made nor a blank one filled
    merged = config.parse(after, observed.path)
    check.check_values(changes, merged, observed.version)
    check.check_swarm(changes, observed.info)
    check.check_flags(merged, observed.argv, observed.path, observed.unit)
    if observed.help_text:
        check.check_known(merged, observed.help_text, observed.path)

    effects = _effects(desired, observed)
    for effect in effects:
        if effect.option in DECIDE_SUBNETS and effect.after is not None:
            own_names = (observed.bridge_name, own_bridge.DOCKER0, own.name if own else "")
            check_overlap(effect.option, effect.after, own_names, observed.around, desired.allow_overlap)
        if effect.option == "bridge" and effect.after == own_bridge.NONE:
            own_bridge.check_unused(observed.bridge)
    own_unit = observed.own_unit
    if own:
        own_unit = own_bridge.unit_text(own, observed.ip_program, observed.unit)
    elif "bridge" in desired.values or "bridge" in desired.unset:
        own_unit = None
    applies = {BY_OPTION[effect.option].apply for effect in effects}
    signal = RESTART if RESTART in applies else RELOAD if RELOAD in applies else None
    if signal == RELOAD and not check.reload_works(merged, observed.version):
        signal = RESTART
    stop: tuple[RunningContainer, ...] = ()
    interrupted, resume = stop, stop
    if signal == RESTART:
        live_restore = bool(observed.info.get("LiveRestoreEnabled"))
        if not live_restore:
            interrupted = observed.containers
        elif any(BY_OPTION[effect.option].scope == BRIDGE for effect in effects):
            stop = interrupted = observed.containers
        resume = observed.containers
    return DaemonPlan(
        path=observed.path,
        unit=observed.unit,
        before=observed.text,
        after=after if after or observed.text is not None else None,
        effects=effects,
        signal=signal,
        stop=stop,
        interrupted=interrupted,
        resume=resume + observed.to_resume,
        own_unit_before=observed.own_unit,
        own_unit=own_unit,
        leave=_left_bridge(effects, observed),
        interim=_interim(after, effects, observed) if own else None,
    )


def _interim(after: str, effects: t.Iterable[Effect], observed: ObservedDaemon) -> str | None:
    """The file without a default network, where a bridge of our own is to have another address.

    dockerd 28 remembers the address of a bridge that it has not made, and puts it back on the bridge before it looks
    which one is there. A start without a default network makes it forget.
    """
    options = {effect.option for effect in effects}
    if "bridge" in options or not options.intersection(own_bridge.OF_THE_LINK):
        return None
    return config.edit(after, {"bridge": own_bridge.NONE}, (), observed.path)


def _edits(desired: DesiredDaemon, own: own_bridge.OwnBridge | None) -> tuple[dict[str, t.Any], list[str]]:
    """What to set in daemon.json and what to take out, by the keys' names there."""
    values = dict(desired.values)
    removed = list(desired.unset)
    if own:  # the bridge has the addresses then, and dockerd takes no file that names both
        removed += own_bridge.OF_THE_LINK
    elif values.get("bridge") == own_bridge.DOCKER0:  # for dockerd the default is to have no such key
        removed.append("bridge")
    changes = {BY_OPTION[option].name: value for option, value in values.items() if option not in removed}
    return changes, [BY_OPTION[option].name for option in removed]


def _left_bridge(effects: t.Iterable[Effect], observed: ObservedDaemon) -> str | None:
    """The bridge to delete before the restart: docker0, which the engine makes anew when it needs it, or our own."""
    if observed.bridge is None or not any(effect.option == "bridge" for effect in effects):
        return None
    name = observed.bridge_name
    return name if name in (own_bridge.DOCKER0, own_bridge.name_in(observed.own_unit)) else None


def _effects(desired: DesiredDaemon, observed: ObservedDaemon) -> tuple[Effect, ...]:
    effects = []
    for option, value in desired.values.items():
        key = BY_OPTION[option]
        now = effective(key, observed)
        if not equal(key, now, value):
            effects.append(Effect(option, now, value))
    for option in desired.unset:
        key = BY_OPTION[option]
        # What the engine chooses by itself cannot be compared; that the daemon was told something can.
        told = UNKNOWN if observed.startup is None else observed.startup.get(key.name)
        default = default_of(key, observed.version)
        if told is not None and not (default is not None and equal(key, told, default)):
            effects.append(Effect(option, told, default))
    return tuple(effects)


def _consent(plan: DaemonPlan, allow_restart: bool) -> None:
    effects = "; ".join(str(effect) for effect in plan.effects)
    count = len(plan.interrupted)
    who = f"{count} running container{'s' if count > 1 else ''} ({_names(plan.interrupted)})"
    if not allow_restart:
        if plan.stop:
            why = (
                f"live restore is on: with {who} the engine would ignore the change in silence, so they have to be "
                f"stopped and started again"
            )
        else:
            why = f"the restart of {plan.unit} interrupts {who}"
        raise FleetnetError(f"{effects}: {why}. Consent with allow_restart: true; nothing was changed")
    doomed = [container for container in plan.interrupted if container.auto_remove]
    if doomed:
        raise FleetnetError(
            f"{effects}: the engine deletes {_names(doomed)} when stopped (started with --rm), so they could not run "
            f"again after the restart of {plan.unit}: wait for their end or stop them yourself; nothing was changed"
        )


def _names(containers: t.Sequence[RunningContainer]) -> str:
    shown = ", ".join(container.name for container in containers[:5])
    return shown + (f" and {len(containers) - 5} more" if len(containers) > 5 else "")


def _show(value: t.Any) -> str:
    if value is None:
        return "unset"
    if value is UNKNOWN:
        return "unknown (daemon.json is newer than the running daemon)"
    if isinstance(value, str):
        return value or "''"
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        return ", ".join("/".join(str(part) for part in item.values()) for item in value)
    return config.dumps(value)
