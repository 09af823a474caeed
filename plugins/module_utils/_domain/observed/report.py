# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check what a host, which may be compromised, reports and answers before the controller uses it. Pure.

``answer.py`` has limited it to the documented keys and types. Here are the forms of its values: which are never null,
and which are addresses. So the code that compares reports with the plan, or judges probes, can rely on both.
"""

from __future__ import annotations

import ipaddress
import re
import types
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.addressing import Prefix
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.constants import MTU, MTU_OPTION
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.interface_name import is_kernel_name
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.answer import CAUSE
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.container_interfaces import Interface
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.host import (
    ContainerReport,
    ControlPath,
    EngineInfo,
    NetworkReport,
    StoppedReport,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.links_and_routes import (
    LinkReport,
    RouteReport,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.path_state import (
    LookupReport,
    NamespaceReport,
    NeighbourReport,
    PathState,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.published_ports import Port
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.printable import short

_PARTS: t.Mapping[str, t.Any] = {
    "engine": EngineInfo,
    "networks": t.List[NetworkReport],
    "containers": t.List[ContainerReport],
    "stopped": t.List[StoppedReport],
    "masquerade": t.List[str],
    "forwarded": t.Optional[t.List[str]],
    "links": t.List[LinkReport],
    "routes": t.List[RouteReport],
    "resolver": t.List[str],
    "control_path": t.Optional[ControlPath],
}
# Lists whose elements are declared without a type, because their modules import that of the report.
_ELEMENTS: t.Mapping[str, t.Any] = {"interfaces": t.List[Interface], "ports": t.List[Port]}


class _Result(t.TypedDict):
    reached: bool
    outcome: str
    detail: str | None
    source_port: int | None
    answer: list[str] | None


class _Arrival(t.TypedDict):
    container: str
    protocol: str
    source: str
    destination: str
    port: int | None
    source_port: int | None
    token: int | None


class _Step(t.TypedDict):
    table: str
    chain: str
    rule: str
    verdict: str
    iif: str | None
    oif: str | None


class _Flow(t.TypedDict):
    source: str
    destination: str
    steps: list[_Step] | None
    lookup: LookupReport


class _Difference(t.TypedDict):
    kind: str
    name: str
    key: str
    declared: t.Any
    observed: t.Any


class _Part(t.TypedDict, total=False):
    changed: bool
    operations: list[str]
    interrupted: list[t.Any]
    differences: list[_Difference]


# What the controller reads of answers, besides reports.
_ANSWERS: t.Mapping[str, t.Any] = {
    "results": t.List[_Result],
    "arrivals": t.List[_Arrival],
    "overflowed": t.List[str],
    "complete": bool,
    "flows": t.List[_Flow],
    "checks": t.List[_Difference],
    "neighbours": t.List[NeighbourReport],
    "state": PathState,
    "namespaces": t.List[NamespaceReport],
    "differences": t.List[_Difference],
    "operations": t.List[str],
    "interrupted": t.List[t.Any],
    "parts": t.Dict[str, _Part],
}

_NONE = type(None)
_UNIONS = (t.Union, getattr(types, "UnionType", t.Union))

_Parse = t.Callable[[str], object]


def _interface_name(text: str) -> None:
    if not is_kernel_name(text):
        raise ValueError(text)


_ADDRESS: tuple[_Parse, str] = (ipaddress.ip_address, "an IP address")
_BLOCK: tuple[_Parse, str] = (Prefix.parse, "a block of IP addresses")
_INTERFACE: tuple[_Parse, str] = (ipaddress.ip_interface, "an IP address with its prefix length")


def _container_name(text: str) -> None:
    if not _CONTAINER.match(text):
        raise ValueError(text)


# What engines accept. Lines of reports contain these names next to others, such as those of hosts.
_CONTAINER = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*\Z")
_INTERFACE_NAME: tuple[_Parse, str] = (_interface_name, "the name of an interface")
_CONTAINER_NAME: tuple[_Parse, str] = (_container_name, "the name of a container")
# By key, at any place of a report.
_FORMS: t.Mapping[str, tuple[_Parse, str]] = {
    "subnet": _BLOCK,
    "ip_range": _BLOCK,
    "gateway": _ADDRESS,
    "ipv6_gateway": _ADDRESS,
    "gateway_v6": _ADDRESS,
    "host_address": _ADDRESS,
    "resolver": _ADDRESS,
    "client": _ADDRESS,
    "server": _ADDRESS,
    "fixed": _ADDRESS,
    "addresses": _INTERFACE,
    "ipv4": _INTERFACE,
    "ipv6": _INTERFACE,
}
# By the record and its key. Containers can give any name to their own interfaces, so these are not checked.
_FORMS_IN: t.Mapping[t.Any, t.Mapping[str, tuple[_Parse, str]]] = {
    LinkReport: {"name": _INTERFACE_NAME, "master": _INTERFACE_NAME},
    RouteReport: {"device": _INTERFACE_NAME, "destination": _BLOCK},
    _Arrival: {"source": _ADDRESS, "destination": _ADDRESS},
    _Flow: {"source": _ADDRESS, "destination": _ADDRESS},
    ContainerReport: {"name": _CONTAINER_NAME},
    StoppedReport: {"name": _CONTAINER_NAME},
}


def checked_report(host: str, report: t.Any) -> dict[str, t.Any]:
    """Return the report of a host (``network_info``). Raises FleetnetError with its name if a value is invalid."""
    if not isinstance(report, dict):
        raise _Invalid(host, "network_info", report, "a mapping").error
    for part, hint in _PARTS.items():
        if part in report:
            try:
                _check(report[part], hint, part, part)
            except _Invalid as invalid:
                invalid.host = host
                raise invalid.error from None
    return report


def _check_options(network: t.Any, place: str) -> None:
    """An engine refuses another MTU of a bridge. The options of other drivers are their own."""
    mtu = network["options"].get(MTU)
    if network["driver"] == "bridge" and isinstance(mtu, str) and mtu:
        _require(bool(MTU_OPTION.match(mtu)), f"{place}.options.{MTU}", mtu, "a number that is not negative")


def check_answer(answer: t.Mapping[str, t.Any]) -> None:
    """Check an answer, except for its report. Raises FleetnetError with the place of an invalid value."""
    for key, hint in _ANSWERS.items():
        if key in answer:
            try:
                _check(answer[key], hint, key, key)
            except _Invalid as invalid:
                raise FleetnetError(f"{invalid.reason}. The answer is ignored. {CAUSE}") from None


class _Invalid(Exception):
    """A value, its place, and what it must be."""

    def __init__(self, host: str, place: str, value: t.Any, expected: str) -> None:
        super().__init__(place)
        self.host = host
        self.reason = f"{place}: {short(value)}, which must be {expected}"

    @property
    def error(self) -> FleetnetError:
        return FleetnetError(
            f"host {self.host}: its report has {self.reason}. {CAUSE} Examine the host, and leave it out until then: "
            f"--limit '!{self.host}'."
        )


def _check(value: t.Any, hint: t.Any, key: str, place: str) -> None:
    if t.get_origin(hint) in _UNIONS:
        options = [each for each in t.get_args(hint) if each is not _NONE]
        if value is None and len(options) < len(t.get_args(hint)):
            return
        # With several types, such as int | str, their forms differ.
        hint = (
            options[0] if len(options) == 1 else next((each for each in options if value.__class__ is each), options[0])
        )
    if hint is t.Any:
        return
    origin = t.get_origin(hint) or hint
    if t.is_typeddict(hint):
        _check_record(value, hint, place)
    elif origin is list:
        _require(isinstance(value, list), place, value, "a list")
        for number, item in enumerate(value):
            _check(item, t.get_args(hint)[0], key, f"{place}[{number}]")
    elif origin is dict:
        _require(isinstance(value, dict), place, value, "a mapping")
        for name, item in value.items():
            _check(item, t.get_args(hint)[1], "", f"{place}.{name}")
    elif isinstance(origin, type):
        known = isinstance(value, origin) and (origin is bool or not isinstance(value, bool))
        _require(known, place, value, f"of type {origin.__name__}")
        if key in _FORMS and origin is str:
            _check_form(value, *_FORMS[key], place)


def _check_record(value: t.Any, hint: t.Any, place: str) -> None:
    _require(isinstance(value, dict), place, value, "a mapping")
    for name, of_key in t.get_type_hints(hint).items():
        if name in value:
            _check(value[name], _ELEMENTS.get(name, of_key), name, f"{place}.{name}")
            form = _FORMS_IN.get(hint, {}).get(name)
            if form is not None and value[name] is not None:
                _check_form(value[name], *form, f"{place}.{name}")
        else:
            _require(name not in hint.__required_keys__, f"{place}.{name}", None, "set")
    if hint is NetworkReport:
        _check_options(value, place)


def _check_form(value: str, parse: _Parse, expected: str, place: str) -> None:
    try:
        parse(value)
    except ValueError:
        raise _Invalid("", place, value, expected) from None


def _require(condition: bool, place: str, value: t.Any, expected: str) -> None:
    if not condition:
        raise _Invalid("", place, value, expected)
