# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an engine with the nftables backend needs and leaves: forwarding to start, the policy of FORWARD."""

from __future__ import annotations

import dataclasses
import json
import types
import typing as t

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.addressing import Prefix
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.policy_line import PolicyLine
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import InvalidValue, Unsupported
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall import compiler, names
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.policy import Family, Policy
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.observed.host import DaemonRouting
from ansible_collections.fleetnet.docker.plugins.module_utils._host import persistence
from ansible_collections.fleetnet.docker.plugins.module_utils._host.engine.port import EngineError
from ansible_collections.fleetnet.docker.plugins.module_utils._host.parts import bridge_routing
from ansible_collections.fleetnet.docker.plugins.module_utils._host.task import Task


class Commands:
    """Programs that do nothing."""

    def find(self, program: str) -> str:
        return program

    def run(self, *argv: str, stdin: str | None = None) -> str:
        del argv, stdin
        return ""


class Host:
    """The files of a host, and its engine's firewall backend; None if the engine does not respond."""

    def __init__(self, backend: str | None, *paths: str) -> None:
        self.backend = backend
        self.files = dict.fromkeys(paths, "content")

    def firewall(self, _task: Task) -> compiler.EngineFirewall:
        if self.backend is None:
            raise EngineError("no response")
        return compiler.EngineFirewall((29, 7, 2), self.backend)

    def unlink(self, path: str) -> None:
        del self.files[path]


REMOVE: dict[str, t.Any] = {"state": "absent"}


@pytest.fixture
def removed(monkeypatch: pytest.MonkeyPatch) -> t.Callable[[Host], dict[str, t.Any]]:
    """Remove the rules of a host."""

    def run(host: Host) -> dict[str, t.Any]:
        monkeypatch.setattr(bridge_routing, "read_firewall", host.firewall)
        for module in (bridge_routing, persistence):
            monkeypatch.setattr(module, "read_text", host.files.get)
        monkeypatch.setattr(persistence, "require_systemd", lambda _commands: None)
        monkeypatch.setattr(persistence.os, "unlink", host.unlink)
        monkeypatch.setattr(persistence.os, "rmdir", lambda _path: None)
        return bridge_routing.apply(Task(REMOVE, False, t.cast(t.Any, Commands()), lambda _warning: None))

    return run


@pytest.mark.parametrize("backend", ["nftables", None])
def test_an_engine_that_requires_forwarding_keeps_it(
    removed: t.Callable[[Host], dict[str, t.Any]], backend: str | None
) -> None:
    host = Host(backend, names.EARLY_SYSCTL_FILE, names.SYSCTL_FILE, names.NFT_FILE)
    result = removed(host)
    assert (result["changed"], result["kept"]) == (True, [names.EARLY_SYSCTL_FILE])
    assert list(host.files) == [names.EARLY_SYSCTL_FILE]
    again = removed(host)
    assert (again["changed"], again["kept"]) == (False, [names.EARLY_SYSCTL_FILE])


@pytest.mark.parametrize("backend", ["iptables", "none"])
def test_other_engines_keep_nothing(removed: t.Callable[[Host], dict[str, t.Any]], backend: str) -> None:
    host = Host(backend, names.EARLY_SYSCTL_FILE, names.SYSCTL_FILE)
    assert removed(host)["kept"] == []
    assert host.files == {}


def test_a_host_without_the_file_keeps_nothing(removed: t.Callable[[Host], dict[str, t.Any]]) -> None:
    assert removed(Host("nftables", names.SYSCTL_FILE))["kept"] == []


class Iptables(Commands):
    """A host with iptables' table filter, as ``-S`` prints it."""

    def __init__(self, rules: t.Sequence[str]) -> None:
        self.rules = rules
        self.links: list[dict[str, t.Any]] = []
        self.accepted: list[str] = []

    def run(self, *argv: str, stdin: str | None = None) -> str:
        if argv[1:] == ("-w", "-P", "FORWARD", "ACCEPT"):
            self.accepted.append(argv[0])
        if argv[0] == "ip":
            return json.dumps(self.links)
        if argv[0] == "iptables" and argv[1:5] == ("-w", "-t", "filter", "-S"):
            return "\n".join(self.rules)
        return super().run(*argv, stdin=stdin)


POLICY = Policy((Family(Prefix.parse("10.64.0.0/12"), 0xF00, {}),), ())
DROP, USER = "-P FORWARD DROP", "-N DOCKER-USER"


@pytest.fixture
def applied(monkeypatch: pytest.MonkeyPatch) -> t.Callable[..., dict[str, t.Any]]:
    """Apply a policy. ``daemon`` are the declared options of the daemon, ``allowed`` and ``mark`` those in effect."""

    monkeypatch.setattr(bridge_routing, "read_bridges", list)

    def run(
        commands: Iptables, reported: str, check_mode: bool = False, allowed: bool = False, mark: str = "",
        lines: t.Sequence[PolicyLine] = (), adopted: t.Sequence[str] = (), internal: t.Sequence[str] = (),
        bridges: t.Mapping[str, str] = types.MappingProxyType({}), hosts: t.Sequence[int] = (),
        **daemon: t.Any,
    ) -> dict[str, t.Any]:  # fmt: skip
        engine = {"version": "29.7.2", "firewall_backend": reported, "iptables": True}
        monkeypatch.setattr(bridge_routing, "read_engine", lambda _engine: engine)
        monkeypatch.setattr(bridge_routing, "read_networks", lambda *_: list(map(network, ("docker0", *UNDECLARED))))
        monkeypatch.setattr(bridge_routing, "read_direct_routing", lambda: DaemonRouting(allowed, mark))
        monkeypatch.setattr(bridge_routing, "read_forwarding", lambda: FORWARDING)
        monkeypatch.setattr(persistence, "require_systemd", lambda _commands: None)
        monkeypatch.setattr(persistence, "unit_states", lambda *_: [])
        monkeypatch.setattr(persistence, "write_atomically", lambda *_, **__: None)
        family = dataclasses.replace(POLICY.families[0], hosts=tuple(hosts))
        policy = dataclasses.replace(POLICY, families=(family,), lines=tuple(lines)).to_data()
        params = {"state": "present", "policy": policy, "subnets": [], "internal": list(internal)}
        params.update(adopted=list(adopted), bridges={**{name: f"fn-{name}" for name in adopted}, **bridges})
        params.update(egress_sources={}, controller=None)
        task = Task(params, check_mode, t.cast(t.Any, commands), lambda _warning: None, daemon=daemon)
        monkeypatch.setattr(Task, "engine", lambda _self: None)
        return bridge_routing.apply(task)

    return run


# Undeclared networks with the gateway mode of their IPv4 addresses.
UNDECLARED = {"stranger": "nat", "open": "nat-unprotected"}


def network(name: str) -> dict[str, t.Any]:
    """A network as network_info returns it."""
    prefix = "com.docker.network.bridge."
    options = {f"{prefix}default_bridge": "true"} if name == "docker0" else {}
    if UNDECLARED.get(name) == "nat-unprotected":
        options[f"{prefix}gateway_mode_ipv4"] = "nat-unprotected"
    subnets = {"docker0": "172.17.0.0/16", "stranger": "172.29.0.0/24", "open": "172.30.0.0/24"}
    return {
        "name": name, "bridge": f"br-{name}", "managed": False, "labels": {}, "options": options,
        "subnets": [{"subnet": subnets[name]}],
    }  # fmt: skip


FORWARDING = {"ipv4": True, "ipv6": True, "bridge_nf_call_iptables": None, "bridge_nf_call_ip6tables": None,
              "rp_filter": {}}  # fmt: skip
LEFT = {"kind": "chain", "name": "iptables FORWARD", "key": "policy", "declared": "ACCEPT", "observed": "DROP"}


def test_the_policy_that_docker_left_in_iptables_is_reset(applied: t.Callable[..., dict[str, t.Any]]) -> None:
    commands = Iptables([DROP, USER])
    assert LEFT in applied(commands, "nftables", check_mode=True)["differences"]
    assert commands.accepted == []
    assert LEFT in applied(commands, "nftables")["differences"]
    assert commands.accepted == ["iptables"]


def test_a_switch_of_the_backend_predicts_it(applied: t.Callable[..., dict[str, t.Any]]) -> None:
    rules = [DROP, USER, "-A FORWARD -j DOCKER-USER", "-A FORWARD -j DOCKER-FORWARD"]
    result = applied(Iptables(rules), "iptables", check_mode=True, firewall_backend="nftables")
    assert LEFT in result["differences"]
    assert names.EARLY_SYSCTL_FILE in [each["name"] for each in result["differences"]]


def test_a_policy_that_another_program_may_have_set_prevents_the_switch(
    applied: t.Callable[..., dict[str, t.Any]],
) -> None:
    commands = Iptables([DROP, USER, "-A FORWARD -j DOCKER-USER", "-A FORWARD -j ufw-before-forward"])
    with pytest.raises(Unsupported, match="chain FORWARD has policy DROP"):
        applied(commands, "iptables", firewall_backend="nftables")
    assert LEFT not in applied(commands, "iptables")["differences"]


def test_with_the_iptables_backend_the_policy_is_dockers(applied: t.Callable[..., dict[str, t.Any]]) -> None:
    commands = Iptables([DROP, USER, "-A FORWARD -j DOCKER-USER"])
    assert LEFT not in applied(commands, "iptables")["differences"]
    assert LEFT not in applied(commands, "nftables", firewall_backend=None)["differences"]
    assert commands.accepted == []


def line(target: str) -> PolicyLine:
    return PolicyLine(("web",), (target,), "tcp", ((80, 80),), "docker_fleet_policy[0]")


MARK = "0x2000000/0x2000000"


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({}, "network stranger .* Set allow_direct_routing: true and bridge_accept_fwmark"),
        ({"allowed": True, "mark": MARK}, None),
        ({"allow_direct_routing": True, "bridge_accept_fwmark": MARK}, None),
        ({"allowed": True, "mark": MARK, "bridge_accept_fwmark": None}, "Set bridge_accept_fwmark"),
        ({"allowed": True, "mark": MARK, "allow_direct_routing": False}, "Set allow_direct_routing: true in"),
    ],
)
def test_lines_to_undeclared_networks_depend_on_the_options_of_the_daemon(
    applied: t.Callable[..., dict[str, t.Any]], options: dict[str, t.Any], problem: str | None
) -> None:
    """Those that are declared are in effect when the rules are applied."""
    commands = Iptables([])
    if problem:
        with pytest.raises(Unsupported, match=problem):
            applied(commands, "nftables", lines=[line("172.29.0.0/24")], **options)
    else:
        assert applied(commands, "nftables", lines=[line("172.29.0.0/24")], **options)["changed"]
    assert applied(commands, "iptables", lines=[line("172.29.0.0/24")])["changed"]
    assert applied(commands, "nftables", lines=[line("172.30.0.0/24")])["changed"], "nat-unprotected"


def test_an_adopted_network_is_no_undeclared_one(applied: t.Callable[..., dict[str, t.Any]]) -> None:
    """The rules have its own bridge. With the nftables backend its gateway mode matters, unless it is internal."""
    rules = applied(Iptables([]), "iptables", adopted=["stranger"])["rules"]
    assert '{ "br-stranger", "docker0", "fn-stranger" } goto bound' in rules
    with pytest.raises(Unsupported, match=r"network stranger: adopt: .* Set allow_direct_routing: true and bridge_"):
        applied(Iptables([]), "nftables", adopted=["stranger"])
    for options in (
        {"adopted": ["stranger"], "allowed": True, "mark": MARK},
        {"adopted": ["stranger"], "internal": ["stranger"]},
        {"adopted": ["open"]},
    ):
        assert applied(Iptables([]), "nftables", **options)["changed"]


def test_a_bridge_with_an_uplink_is_not_adopted(applied: t.Callable[..., dict[str, t.Any]]) -> None:
    commands = Iptables([])
    uplink = {"ifname": "eth0", "master": "br-stranger", "linkinfo": {"info_slave_kind": "bridge"}}
    commands.links.append(uplink)
    with pytest.raises(InvalidValue, match=r"adopted\[0\]: 'stranger': cannot be adopted: its bridge br-stranger has"):
        applied(commands, "iptables", adopted=["stranger"])
    uplink["master"] = "br-open"
    assert applied(commands, "iptables", adopted=["stranger"])["changed"]


HOSTS = (0xC0000201, 0xC0000202)  # 192.0.2.1 and .2


def link(name: str, *addresses: str) -> dict[str, t.Any]:
    """An interface as iproute2 reports it."""
    ends = [
        {
            "family": "inet6" if ":" in text else "inet",
            "scope": "global",
            "local": text[:-3],
            "prefixlen": int(text[-2:]),
        }
        for text in addresses
    ]
    return {"ifname": name, "ifindex": 1, "mtu": 1500, "addr_info": ends}


@pytest.mark.parametrize(
    ("addresses", "exempt"),
    [
        (["172.29.0.1/24", "192.0.2.1/24"], True),
        (["172.29.0.1/24"], False),
        # a network of Docker that overlaps the underlay, or that has an address of this host, but leads to no other one
        (["192.0.2.9/24"], False),
        (["192.0.2.1/32"], False),
        (["2001:db8::1/64"], False),
    ],
)
def test_an_uplink_that_is_the_bridge_of_an_undeclared_network_is_none_of_its_bridges(
    applied: t.Callable[..., dict[str, t.Any]], monkeypatch: pytest.MonkeyPatch, addresses: list[str], exempt: bool
) -> None:
    """What arrives there comes from other hosts, and what leaves there goes to them."""
    monkeypatch.setattr(bridge_routing, "read_bridges", lambda: ["br-stranger", "br-open", "br-lan", "virbr0"])
    commands = Iptables([])
    commands.links += [link("br-stranger", *addresses), link("br-open", "172.30.0.1/24"), link("eth0", "192.0.2.1/24")]
    rules = applied(commands, "iptables", hosts=HOSTS)["rules"]
    others = '{ "br-lan", "br-stranger" }' if exempt else '{ "br-lan" }'
    assert f'iifname "br-*" iifname != {others} meta iifkind "bridge" goto bound' in rules


def test_an_uplink_that_is_the_bridge_of_a_declared_network_is_its_bridge(
    applied: t.Callable[..., dict[str, t.Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bridge_routing, "read_bridges", lambda: ["br-mine"])
    commands = Iptables([])
    commands.links.append(link("br-mine", "192.0.2.1/24"))
    rules = applied(commands, "iptables", hosts=HOSTS, bridges={"mine": "br-mine"})["rules"]
    assert 'iifname "br-*" meta iifkind "bridge" goto bound' in rules
