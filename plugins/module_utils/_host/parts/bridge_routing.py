# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Forwarding, policy and NAT between bridges: read, compile, plan, execute."""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.addressing import Prefix, parse_block
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.constants import BRIDGE_PREFIX
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.drift.difference import CHAIN, POLICY, Difference
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall import compiler, firewalld, names, sysctl
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.binding import (
    Local,
    adopted_bridges,
    internal_bridges,
    parse_bridges,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.closed_targets import parse_controller
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.direct_routing import (
    DirectRouting,
    accepts_mark,
    dockers_drop,
    needs_direct_routing,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.egress import parse_egress_sources
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.policy import Policy
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.script import SCRIPT
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.undeclared import may_be_dockers, uplinks
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.ownership import is_labeled
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.persistence.files import File, plan_files
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.persistence.part import FIREWALL_PART, ROUTES_PART
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.reconciler.state import state_warnings
from ansible_collections.fleetnet.docker.plugins.module_utils._host.engine.port import EngineError, EngineVersion
from ansible_collections.fleetnet.docker.plugins.module_utils._host.files import read_text
from ansible_collections.fleetnet.docker.plugins.module_utils._host.observe.host_state import (
    read_bridges,
    read_direct_routing,
    read_forwarding,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.observe.survey import read_engine, read_networks
from ansible_collections.fleetnet.docker.plugins.module_utils._host.parts.reconciler import reconciler_of
from ansible_collections.fleetnet.docker.plugins.module_utils._host.persistence import PartFiles
from ansible_collections.fleetnet.docker.plugins.module_utils._host.programs.iproute import (
    read_links,
    read_ports_of_others,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.programs.iptables import (
    PROGRAMS,
    accept_forwarded,
    list_rules,
    read_forward_drops,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.reconciler.state_file import read_state
from ansible_collections.fleetnet.docker.plugins.module_utils._host.task import Result, Task

OPTIONS: dict[str, t.Any] = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "policy": {"type": "dict"},
    "subnets": {"type": "list", "elements": "str"},
    "bridges": {"type": "dict"},
    "internal": {"type": "list", "elements": "str", "default": []},
    "adopted": {"type": "list", "elements": "str", "default": []},
    "egress_sources": {"type": "dict", "default": {}},
    "controller": {"type": "str"},
}
NFTABLES = "nftables"
REQUIRED_IF = [("state", "present", ("policy", "subnets", "bridges"))]

# The files of the compiled rules, in the order in which they are written. After a run that was killed, the reconciler
# and the boot apply those that were written: first the drops, then the accepts that rely on them.
FILES: dict[str, t.Callable[[compiler.Ruleset], str]] = {
    names.NFT_FILE: lambda rules: rules.nft,
    names.SYSCTL_FILE: lambda rules: rules.sysctl,
    names.EARLY_SYSCTL_FILE: lambda rules: rules.early_sysctl,
    names.IPTABLES_FILE: lambda rules: rules.iptables,
    names.IP6TABLES_FILE: lambda rules: rules.ip6tables,
    names.firewalld_file(names.FIREWALLD_POLICY): lambda rules: rules.firewalld,
    names.firewalld_file(names.FIREWALLD_ZONE): lambda _rules: firewalld.ZONE_FILE,
    names.firewalld_file(names.FIREWALLD_IPSETS[4]): lambda rules: rules.firewalld_own4,
    names.firewalld_file(names.FIREWALLD_IPSETS[6]): lambda rules: rules.firewalld_own6,
}


def read_firewall(task: Task) -> compiler.EngineFirewall:
    """Read what the rules depend on from the host and its engine."""
    info = read_engine(task.engine())
    forwarding = read_forwarding()
    # "iptables+firewalld" if firewalld runs
    reported = str(info["firewall_backend"]).split("+", maxsplit=1)[0]
    firewall = task.daemon_option("firewall_backend", reported, default="iptables")
    writes_rules = task.daemon_option("iptables", info["iptables"] is not False, default=True)
    drops = read_forward_drops(task.commands)
    if writes_rules and firewall == NFTABLES:
        leftovers = _read_leftover_drops(task)
        drops = tuple(version for version in drops if version not in leftovers)
    return compiler.EngineFirewall(
        version=EngineVersion.parse(info["version"]),
        firewall=firewall if writes_rules else "none",
        forward_drops=drops,
        forwarding_off=tuple(
            version for version, on in ((4, forwarding["ipv4"]), (6, forwarding["ipv6"])) if on is False
        ),
        host_has_ipv6=forwarding["ipv6"] is not None,
        routing=_read_routing(task) if firewall == NFTABLES else DirectRouting(),
    )


def _read_leftover_drops(task: Task) -> tuple[int, ...]:
    """The IP versions in which Docker, and nothing else, set the policy DROP of the chain FORWARD."""
    return tuple(version for version in PROGRAMS if dockers_drop(list_rules(task.commands, version, "filter")))


def _read_routing(task: Task) -> DirectRouting:
    """What the engine lets into containers, and the networks of others to which this applies."""
    observed = read_direct_routing()
    networks = {
        network["name"]: [
            block
            for block in (Prefix.parse(each["subnet"]) for each in network["subnets"] if each["subnet"])
            if needs_direct_routing(network["options"], block.version)
        ]
        for network in read_networks(task.engine(), task.commands)
        if network["bridge"]
        and not is_labeled(network["labels"])
        and f"{BRIDGE_PREFIX}default_bridge" not in network["options"]
    }
    declared = set(task.params["adopted"]).difference(task.params["internal"])
    return DirectRouting(
        task.daemon_option("allow_direct_routing", observed.allowed, default=False),
        accepts_mark(task.daemon_option("bridge_accept_fwmark", observed.mark, default="")),
        {name: blocks for name, blocks in networks.items() if name not in task.params["adopted"]},
        sorted(name for name, blocks in networks.items() if blocks and name in declared),
    )


def _read_other_bridges(task: Task, policy: Policy, declared: t.Iterable[str]) -> list[str]:
    """The bridges that are not those of undeclared networks, but whose names begin as those of Docker."""
    there = set(read_bridges()).difference(declared)
    found = set(may_be_dockers(there))
    if found:
        found.difference_update(network["bridge"] for network in read_networks(task.engine(), task.commands))
    if there:
        hosts = {(family.version, host) for family in policy.families for host in family.hosts}
        found |= uplinks(read_links(task.commands), hosts) & there
    return sorted(found)


def desired_files(task: Task, policy: Policy, engine: compiler.EngineFirewall) -> dict[str, File | None]:
    """The files that the policy compiles to for this host's engine."""
    subnets = sorted(parse_block(f"subnets[{number}]", text) for number, text in enumerate(task.params["subnets"]))
    sources = parse_egress_sources("egress_sources", task.params["egress_sources"], subnets)
    bridges = parse_bridges("bridges", task.params["bridges"])
    adopted: dict[str, str] = {}
    if task.params["adopted"]:
        networks = [each for each in read_networks(task.engine(), task.commands) if each["name"] not in task.replaced]
        ports = read_ports_of_others(task.commands)
        adopted = adopted_bridges("adopted", task.params["adopted"], bridges, networks, ports)
    local = Local(
        subnets,
        bridges,
        internal_bridges("internal", task.params["internal"], bridges, adopted),
        sources,
        parse_controller(task.params["controller"]),
        other_bridges=_read_other_bridges(task, policy, bridges.values()),
        adopted=adopted,
        adoptable=task.params["adopted"],
    )
    rules = compiler.compile_rules(policy, local, engine)
    texts = {path: text(rules) for path, text in FILES.items()}
    return {path: File(text) if text else None for path, text in texts.items()}


def _kept(task: Task) -> list[str]:
    """The files that a removal keeps: an engine with the nftables backend does not start without forwarding."""
    if read_text(names.EARLY_SYSCTL_FILE) is None:
        return []
    try:
        needed = read_firewall(task).firewall == NFTABLES
    except EngineError:  # it is stopped, and may start again
        needed = True
    return [names.EARLY_SYSCTL_FILE] if needed else []


def apply(task: Task) -> Result:
    """Read, compile, plan, execute unless in check mode."""
    part = PartFiles(task.commands, FIREWALL_PART, SCRIPT, reconciler_of(task, FIREWALL_PART, ROUTES_PART))
    kept = _kept(task) if task.params["state"] == "absent" else []
    desired = part.absent(path for path in FILES if path not in kept)
    settings: list[sysctl.Setting] = []
    leftovers: tuple[int, ...] = ()
    if task.params["state"] == "present":
        policy, engine = Policy.from_data(task.params["policy"]), read_firewall(task)
        desired = part.desired(desired_files(task, policy, engine))
        versions = [family.version for family in policy.families]
        drops = read_forward_drops(task.commands)
        settings = sysctl.settings(versions, read_forwarding(), drops, engine.firewall)
        # What a switch to the nftables backend leaves. The engine accepts declared traffic in tables of its own.
        leftovers = _read_leftover_drops(task) if engine.firewall == NFTABLES else ()
    observed = part.observe(desired)
    differences = [Difference(CHAIN, f"{PROGRAMS[each]} FORWARD", POLICY, "ACCEPT", "DROP") for each in leftovers]
    plan = plan_files(desired, dataclasses.replace(observed, kernel=(*observed.kernel, *differences)))
    if not task.check_mode and plan.changed:
        part.execute(plan)
        for version in leftovers:
            accept_forwarded(task.commands, version)
    for warning in state_warnings(read_state()):
        task.warn(warning)
    rules = desired[names.NFT_FILE]
    return {
        "changed": plan.changed,
        "diff": plan.diff(),
        "differences": [difference.to_data() for difference in plan.differences],
        "drift": plan.drift,
        "kernel": settings,
        "kept": kept,
        "rules": rules.text if rules else "",
    }
