# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Apply all parts of a host in order, as their modules do, in one Python process."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.checkpoint.risk import ENGINE, Risk, risks
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.keys import BY_OPTION
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.drift.difference import (
    CONNECTED,
    MANAGED,
    NETWORK,
    Difference,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.networks.kept_elsewhere import (
    kept_by_peers,
    kept_elsewhere,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.persistence.part import (
    FIREWALL_PART,
    ROUTES_PART,
    Part,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.checkpoint.guard import guarded, settle
from ansible_collections.fleetnet.docker.plugins.module_utils._host.engine.port import EngineError
from ansible_collections.fleetnet.docker.plugins.module_utils._host.observe.survey import read_networks
from ansible_collections.fleetnet.docker.plugins.module_utils._host.parts import (
    bridge_routing,
    default_bridge,
    host_routes,
    networks,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.task import Result, Task


class HostPart(t.NamedTuple):
    """A part of a host; its name is that of its module. ``files`` is its part of the files and units, if it has one."""

    name: str
    options: Result
    required_if: t.Sequence[t.Any]
    apply: t.Callable[[Task], Result]
    files: Part | None = None


# The policy comes before the networks: from engine 28 on, networks accept all packets that are routed to them.
PARTS = (
    HostPart("default_bridge", default_bridge.OPTIONS, (), default_bridge.apply),
    HostPart("bridge_routing", bridge_routing.OPTIONS, bridge_routing.REQUIRED_IF, bridge_routing.apply, FIREWALL_PART),
    HostPart("networks", networks.OPTIONS, (), networks.apply),
    HostPart("host_routes", host_routes.OPTIONS, host_routes.REQUIRED_IF, host_routes.apply, ROUTES_PART),
)
# Options of default_bridge that move docker0 to another subnet.
_MOVES_DOCKER0 = frozenset(("bip", "bip6", "fixed_cidr_v6", "bridge"))
# Networks are removed first: one that is in use stops the removal before anything changes. Rules are removed last, so
# that undeclared traffic stays denied until then. docker0 is unchanged: a change there interrupts containers.
_REMOVAL: t.Mapping[str, Result] = {
    "networks": {"networks": [], "prune": True},
    "host_routes": {"state": "absent"},
    "bridge_routing": {"state": "absent"},
}


def apply(task: Task, common: t.Mapping[str, t.Any], begin: t.Callable[[], object] = lambda: None) -> Result:
    """Apply the parts that ``task`` has options for. ``common`` are the options that connect to the engine.

    The options of all parts are checked, and all parts are planned, before the first part is applied; ``begin`` is
    called before the first change. Raises FleetnetError that names the part; its ``result`` is what the parts before it
    did. If the change can cut the path to the host, the host arms its undo first, which covers ``begin``, and the
    result has the key ``checkpoint``.
    """
    wanted = _wanted(task.params, common)
    task = dataclasses.replace(task, daemon=_daemon(wanted))
    if task.check_mode:
        results = _apply_all(wanted, task)
        _check_kept_elsewhere(wanted, task, results)
        return _together(results)
    covered = settle(task)
    planned = _planned(wanted, task)
    if planned is not None:
        _check_kept_elsewhere(wanted, task, planned)
        if not any(result.get("changed") for result in planned.values()):
            return _together(planned)
    with guarded(task, _planned_risks(planned), covered) as (records, data):
        begin()
        return {**_together(_apply_all(wanted, dataclasses.replace(task, records=records))), **data}


def _apply_all(wanted: t.Sequence[tuple[HostPart, Result]], task: Task) -> dict[str, Result]:
    results: dict[str, Result] = {}
    for part, params in wanted:
        results[part.name] = _apply(part, dataclasses.replace(task, params=params, handled=_files(results)), results)
        if part.name == "networks":
            _follow_bridges(wanted, task, results)
    return results


def _check_kept_elsewhere(
    wanted: t.Iterable[tuple[HostPart, Result]], task: Task, planned: t.Mapping[str, Result]
) -> None:
    """Warn of undeclared networks with a subnet that another host keeps.

    Raises FleetnetError if new rules or routes would cut off running containers, without consent.
    """
    params = {part.name: each for part, each in wanted}
    routing, routes, network_options = (params.get(name, {}) for name in ("bridge_routing", "host_routes", "networks"))
    supernets = [family["supernet"] for family in (routing.get("policy") or {}).get("families", ())]
    kept = kept_by_peers(routes.get("peers") or (), routes.get("host", ""), supernets) if supernets else {}
    if not kept:
        return
    task = dataclasses.replace(task, params=routing)
    declared = {item.get("name") for item in network_options.get("networks", ())}
    containers = task.engine().get("/containers/json")
    begins = any(planned[name].get("changed") for name in ("bridge_routing", "host_routes") if name in planned)
    networks = read_networks(task.engine(), task.commands)
    for each in kept_elsewhere(networks, declared, kept, containers):
        if each.containers and begins and not network_options.get("allow_disconnect"):
            raise FleetnetError(each.refusal())
        task.warn(each.warning())


def _follow_bridges(wanted: t.Iterable[tuple[HostPart, Result]], task: Task, results: dict[str, Result]) -> None:
    """Apply the policy again if adopted networks got other bridges, which the rules name. A removal ends with it."""
    replaced = _replaced(results["networks"])
    for part, params in wanted:
        if part.name != "bridge_routing" or part.name not in results or replaced.isdisjoint(params["adopted"]):
            continue
        first = results[part.name]
        again = _apply(part, dataclasses.replace(task, params=params, replaced=replaced), results)
        if again["changed"]:
            differences = [each for each in again["differences"] if each not in first["differences"]]
            results[part.name] = {
                **again,
                "differences": [*first["differences"], *differences],
                "diff": _continued(_as_list(first.get("diff")), _as_list(again.get("diff"))),
            }


def _replaced(networks: Result) -> frozenset[str]:
    """The networks that are removed or recreated, by the differences of the networks."""
    kept = (MANAGED, CONNECTED)
    found = map(Difference.from_data, networks.get("differences", ()))
    return frozenset(each.name for each in found if each.kind == NETWORK and each.key.partition(".")[0] not in kept)


def _continued(first: list[t.Any], again: list[t.Any]) -> list[t.Any]:
    """The diffs of two changes. In check mode, the second one was planned from the state before the first one."""
    after = {each["after_header"]: each["after"] for each in first}
    later = [{**each, "before": after.get(each["before_header"], each["before"])} for each in again]
    return [*first, *(each for each in later if each["before"] != each["after"])]


def _planned_risks(planned: t.Mapping[str, Result] | None) -> tuple[Risk, ...]:
    """What may cut the path to the host. An engine that does not respond may be started, and can then do so."""
    if planned is None:
        return (Risk(ENGINE, ("it does not respond",)),)
    return risks(Difference.from_data(each) for result in planned.values() for each in result.get("differences", ()))


def _planned(wanted: t.Sequence[tuple[HostPart, Result]], task: Task) -> dict[str, Result] | None:
    """Plan all parts without a change; return their results.

    Raises FleetnetError that names the part if a part cannot be planned. None if the engine does not respond, because a
    part before it may start it.
    """
    warnings: list[str] = []
    results: dict[str, Result] = {}
    for part, params in wanted:
        try:
            changed = {each["name"] for result in results.values() for each in result.get("differences", ())}
            moves = bool(changed & _MOVES_DOCKER0)
            results[part.name] = part.apply(
                dataclasses.replace(
                    task,
                    params=params,
                    check_mode=True,
                    warn=warnings.append,
                    docker0_moves=moves,
                    handled=_files(results),
                )
            )
        except FleetnetError as error:  # noqa: PERF203 (four rounds)
            if isinstance(error, EngineError) and error.status is None:
                return None
            raise _failed(part, str(error), {}) from error
    if not any(result.get("changed") for result in results.values()):
        for warning in warnings:
            task.warn(warning)
    return results


def _files(results: t.Container[str]) -> tuple[Part, ...]:
    """The parts of files and units of those that have a result."""
    return tuple(part.files for part in PARTS if part.files is not None and part.name in results)


def _daemon(wanted: t.Sequence[tuple[HostPart, Result]]) -> Result:
    """The declared options of the daemon, None for those that are unset."""
    params = next((params for part, params in wanted if part.name == "default_bridge"), {})
    declared = {option: params[option] for option in BY_OPTION if params.get(option) is not None}
    return {**dict.fromkeys(params.get("unset") or ()), **declared}


def _apply(part: HostPart, task: Task, before: t.Mapping[str, Result]) -> Result:
    try:
        return part.apply(task)
    except FleetnetError as error:
        raise _failed(part, str(error), before) from error


def _wanted(params: t.Mapping[str, t.Any], common: t.Mapping[str, t.Any]) -> list[tuple[HostPart, Result]]:
    """Return the parts to apply, in order, with their options and defaults."""
    by_name = {part.name: part for part in PARTS}
    if params["state"] == "absent":
        given = {name: {**(params[name] or {}), **removal} for name, removal in _REMOVAL.items()}
    else:
        given = {name: params[name] for name in by_name if params[name] is not None}
    return [(by_name[name], {**common, **_checked(by_name[name], options)}) for name, options in given.items()]


def _checked(part: HostPart, given: Result) -> Result:
    validator = ArgumentSpecValidator(part.options, required_if=list(part.required_if))
    validated = validator.validate(given)
    if validated.error_messages:
        raise _failed(part, "; ".join(validated.error_messages), {})
    return dict(validated.validated_parameters)


#: What the result of a failure keeps of a part: not its diff, files and rules, because Ansible prints all of it.
_BRIEF = ("changed", "operations", "interrupted", "differences")


def _failed(part: HostPart, reason: str, before: t.Mapping[str, Result]) -> FleetnetError:
    """The failure of a part. Its result is what the parts before it did."""
    failure = FleetnetError(f"{part.name}: {reason}")
    done = _together(before)
    failure.result = {key: done[key] for key in ("changed", "operations", "interrupted")}
    failure.result["parts"] = {
        name: {key: result[key] for key in _BRIEF if key in result} for name, result in before.items()
    }
    return failure


def _together(results: t.Mapping[str, Result]) -> Result:
    """Return one result: the results by part, and their changes, differences and operations merged."""
    return {
        "changed": any(result.get("changed", False) for result in results.values()),
        "diff": [entry for result in results.values() for entry in _as_list(result.get("diff"))],
        "differences": [item for result in results.values() for item in result.get("differences", ())],
        "operations": [line for result in results.values() for line in result.get("operations", ())],
        "interrupted": [what for result in results.values() for what in result.get("interrupted", ())],
        "parts": dict(results),
    }


def _as_list(diff: t.Any) -> list[t.Any]:
    return diff if isinstance(diff, list) else [diff] if diff else []
