# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Golden cases of the compiler (golden/firewall/*): declaration and engine in, rules out."""

from __future__ import annotations

import dataclasses
import os
import re
import xml.etree.ElementTree

import pytest
import yaml

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.addressing import Prefix
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import InvalidValue, Unsupported
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.binding import (
    Local,
    adopted_bridges,
    internal_bridges,
    parse_bridges,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.closed_targets import parse_controller
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.compiler import (
    EngineFirewall,
    compile_rules,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.direct_routing import (
    DirectRouting,
    accepts_mark,
    dockers_drop,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.egress import parse_egress_sources
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.firewalld import ZONE_FILE, ipset_file
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.policy import Policy
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.undeclared import may_be_dockers
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.plan.slices import host_slice

from ..planning import GOLDEN, assert_golden, message_of, plan_of


def compiled(fleet, engine, hosts=3, controller=None):
    plan = plan_of(
        fleet,
        {
            f"h{number}": {
                "ansible_host": f"198.18.{number >> 8}.{number & 255}",
                "underlay_address_v6": f"fd00::{number:x}",
            }
            for number in range(1, hosts + 1)
        },
    )
    host = plan.hosts[0]
    own = [subnet for network, subnet in plan.networks_of(host) if not network.internal]
    # the policy is passed to a module and back, which is tested too
    policy = Policy.from_data(plan.policy.to_data())
    assert policy == plan.policy
    item = host_slice(plan, host)
    bridges = {each["name"]: each["bridge_name"] for each in item["networks"] if each["driver"] == "bridge"}
    adopted = engine.get("adopted", {})
    local = Local(
        own,
        parse_bridges("bridges", bridges),
        internal_bridges("internal", [each["name"] for each in item["networks"] if each["internal"]], bridges, adopted),
        parse_egress_sources("egress_sources", item.get("egress_sources", {}), own),
        parse_controller(controller),
        other_bridges=engine.get("other_bridges", ()),
        adopted=adopted,
        adoptable=[each["name"] for each in item["networks"] if each.get("adopt")],
    )
    firewall = EngineFirewall(
        tuple(engine["version"]),
        engine.get("firewall", "iptables"),
        tuple(engine.get("forward_drops", ())),
        tuple(engine.get("forwarding_off", ())),
        routing_of(engine.get("routing", {})),
    )
    return compile_rules(policy, local, firewall)


def routing_of(given):
    """What an engine lets be routed to undeclared networks, whose subnets are texts."""
    networks = given.get("networks", {})
    blocks = {name: [Prefix.parse(subnet) for subnet in subnets] for name, subnets in networks.items()}
    return DirectRouting(given.get("allowed", False), given.get("marked", False), blocks, given.get("adopted", ()))


def outputs(rules):
    """File name to text. An empty text means no file."""
    return {f"rules.{name}": text for name, text in dataclasses.asdict(rules).items()}


@pytest.mark.parametrize("case", sorted(path.name for path in (GOLDEN / "firewall").iterdir()))
def test_golden(case):
    folder = GOLDEN / "firewall" / case
    given = yaml.safe_load((folder / "input.yml").read_text(encoding="utf-8"))
    rules = compiled(given["fleet"], given["engine"], controller=given.get("controller"))
    for name, text in outputs(rules).items():
        if os.environ.get("FLEETNET_RECORD"):  # read the difference before committing it
            (folder / name).write_text(text, encoding="utf-8")
        assert text == (folder / name).read_text(encoding="utf-8")


# All releases that require other rules, some in between, and those of the test bed.
RELEASES = (
    "20.10.24",
    "23.0.6",
    "24.0.9",
    "25.0.6",
    "26.1.5",
    "27.5.1",
    "28.0.4",
    "28.2.2",
    "28.5.2",
    "29.0.0",
    "29.6.0",
)
ENGINES = [(release, firewall) for release in RELEASES for firewall in ("iptables", "nftables")]


@pytest.mark.parametrize("case", sorted(path.name for path in (GOLDEN / "firewall_engines").iterdir()))
def test_every_engine(case):
    """``engines.yml`` has for each engine why it is rejected, or the first engine with the same rules."""
    folder = GOLDEN / "firewall_engines" / case
    fleet = yaml.safe_load((folder / "input.yml").read_text(encoding="utf-8"))
    engines, seen = {}, {}
    for release, firewall in ENGINES:
        name = f"{release} {firewall}"
        try:
            rules = compiled(fleet, {"version": map(int, release.split(".")), "firewall": firewall})
        except Unsupported as error:
            engines[name] = f"rejected: {error}"
        else:
            engines[name] = seen.setdefault(rules, name.replace(" ", "_"))
    files = {"engines.yml": yaml.safe_dump(engines, sort_keys=False, width=1000)}
    for rules, name in seen.items():
        files.update({f"{name}.{kind}": text for kind, text in outputs(rules).items() if text})
    if os.environ.get("FLEETNET_RECORD"):
        for path in folder.iterdir():
            if path.name != "input.yml":
                path.unlink()
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
    found = {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir() if path.name != "input.yml"}
    assert files == found


FLEET = {
    "supernet": "10.64.0.0/12",
    "networks": ["web", "db"],
    "policy": [{"from": "web", "to": "db", "ports": 5432}],
}


def test_rules_do_not_grow_with_the_fleet():
    """Except for the set of the hosts' addresses, which is one lookup."""
    engine = {"version": (28, 5, 2)}
    fleet = {
        **FLEET,
        "supernet": "10.0.0.0/8",
        "host_prefix_length": 22,
        "network_prefix_length": 26,
        "policy": [*FLEET["policy"], {"from": "world", "to": "web", "ports": 80}, {"from": "db", "to": "host"}],
    }
    few, many = compiled(fleet, engine, hosts=3), compiled(fleet, engine, hosts=10_000)
    hosts = re.compile(r"(\tset hosts \{\n.*\n\t\telements = ).*\n")
    assert dataclasses.replace(few, nft="") == dataclasses.replace(many, nft="")
    assert hosts.sub(r"\1", few.nft) == hosts.sub(r"\1", many.nft)
    assert hosts.search(few.nft)[0].count("198.18.0.") == 3


def test_bridges_whose_owner_their_name_does_not_show():
    names = ["br-0123456789ab", "br-lan", "br-0123456789abc", "br0", "docker0", "br-"]
    assert may_be_dockers(names) == ["br-lan", "br-0123456789abc", "br-"]


UNDECLARED = {"stranger": ["172.29.0.0/24", "fd00:29::/64"]}
BOTH = r'allow_direct_routing: true and bridge_accept_fwmark: "0x2000000/0x2000000"'


@pytest.mark.parametrize(
    ("line", "routing", "problem"),
    [
        ({"from": "web", "to": "docker0"}, {}, f"between docker0 and other networks. Set {BOTH} in docker_fleet_def"),
        ({"from": "docker0", "to": "web"}, {}, "between docker0 and other networks. Set allow_direct_routing: true in"),
        ({"from": "web", "to": "172.29.0.9"}, {}, f"between the undeclared network stranger and other.* Set {BOTH} in"),
        ({"from": "172.0.0.0/8", "to": "web"}, {}, "network stranger .* Set allow_direct_routing: true in"),
        ({"from": "fd00:29::1", "to": "web"}, {}, "network stranger .* Set allow_direct_routing: true in"),
        ({"from": "web", "to": "docker0"}, {"allowed": True}, 'Set bridge_accept_fwmark: "0x2000000/0x2000000" in'),
        ({"from": "web", "to": "docker0"}, {"marked": True}, "Set allow_direct_routing: true in"),
        ({"from": "web", "to": "docker0"}, {"allowed": True, "marked": True}, None),
        ({"from": "docker0", "to": "web"}, {"allowed": True}, None),
        ({"from": "web", "to": "192.0.2.1"}, {}, None),
        ({"from": "docker0", "to": "world"}, {}, None),
        ({"from": "host", "to": "docker0"}, {}, None),
    ],
)
def test_the_nftables_backend_routes_to_undeclared_networks_as_the_daemon_is_configured(line, routing, problem):
    fleet = {**FLEET, "supernet_v6": "fd00:64::/40", "policy": [line]}
    engine = {"version": (29, 0, 0), "firewall": "nftables", "routing": {"networks": UNDECLARED, **routing}}
    if problem:
        with pytest.raises(Unsupported, match=rf"^docker_fleet_policy\[0\] \(.*\): .*{problem}"):
            compiled(fleet, engine)
    else:
        assert compiled(fleet, engine)
    assert compiled(fleet, {**engine, "firewall": "iptables"}), "Docker leaves hooks for rules of others"


@pytest.mark.parametrize(
    ("setting", "accepted"),
    [
        ("0x2000000/0x2000000", True),
        ("0x2000000", True),
        ("33554432/0x2000000", True),
        ("0x2000010/0x2000010", False),
        ("0x10/0xf0", False),
        ("0/0x10", False),
        ("", False),
        ("x", False),
    ],
)
def test_the_mark_of_allowed_packets_is_accepted(setting, accepted):
    assert accepts_mark(setting) is accepted


DROP, USER, HOOK = "-P FORWARD DROP", "-N DOCKER-USER", "-A FORWARD -j DOCKER-USER"


@pytest.mark.parametrize(
    ("rules", "dockers"),
    [
        ([DROP, USER], True),
        ([DROP, USER, HOOK, "-A FORWARD -j DOCKER-FORWARD", "-A FORWARD -j FLEETNET-FORWARD"], True),
        (["-P FORWARD ACCEPT", USER, HOOK], False),
        ([DROP, USER, HOOK, "-A FORWARD -j ufw-before-forward"], False),
        ([DROP, USER, "-A FORWARD -i eth0 -j ACCEPT"], False),
        ([DROP], False),
        ([], False),
    ],
)
def test_whether_docker_set_the_policy_of_forward(rules, dockers):
    assert dockers_drop(rules) is dockers


@pytest.mark.parametrize("subnets", [{}, {"h1": "172.18.0.0/16"}], ids=["leased", "kept"])
@pytest.mark.parametrize("found", [{}, {"web": "br-0123456789ab"}], ids=["ours", "theirs"])
def test_a_limited_network_that_others_may_create_is_limited_by_its_address_and_bridge(subnets, found):
    """Whatever bridge it has when the rules are compiled, it may get another one, which the reconciler finds."""
    web = {"name": "web", "adopt": True, "egress": "policy", **({"subnets": subnets} if subnets else {})}
    nft = compiled({**FLEET, "networks": [web, "db"]}, {"version": (28, 5, 2), "adopted": found}).nft
    own = subnets.get("h1", "10.64.1.0/24")
    assert f'\t\tiifname != "lo" ip saddr {own} goto to_host_web\n' in nft
    assert "\t\tiifname @endpoint_of_web goto to_host_web\n" in nft
    assert nft.count("goto to_host_web\n") == 2


@pytest.mark.parametrize("ipv6", [{}, {"supernet_v6": "fd00:64::/48"}], ids=["IPv4", "dual stack"])
@pytest.mark.parametrize("found", [{}, {"vault": "br-0123456789ab"}], ids=["ours", "theirs"])
def test_an_internal_network_that_others_may_create_stays_internal(found, ipv6):
    """The reconciler fills the set."""
    vault = {"name": "vault", "adopt": True, "internal": True}
    nft = compiled({**FLEET, **ipv6, "networks": ["web", "db", vault]}, {"version": (28, 5, 2), "adopted": found}).nft
    assert nft.count("\t# endpoint_internal: vault\n\tset endpoint_internal {\n") == (2 if ipv6 else 1)
    assert nft.count("iifname @endpoint_internal fib daddr . iif oif missing counter drop") == (2 if ipv6 else 1)
    assert nft.count("# endpoint_closed_out: vault\n") == (0 if ipv6 else 1)


@pytest.mark.parametrize("address", ["h1", "192.0.2.1/32", "192.0.2.1 } accept"])
def test_the_controller_is_an_address(address):
    with pytest.raises(InvalidValue, match=r"controller: .*: is not a valid IP address"):
        parse_controller(address)
    assert parse_controller("") is None


def test_a_policy_without_sources_has_no_rules_for_the_remote_api():
    """Such as the policy of an earlier version, in a file of a plan."""
    data = plan_of(FLEET, {"h1": {"ansible_host": "198.18.0.1"}}).policy.to_data()
    del data["remote_api"]
    assert "remote_api" not in compile_rules(Policy.from_data(data), Local([], {}), EngineFirewall((28, 5, 2))).nft


def test_ports_of_several_lines_are_in_the_map_once():
    """nft loads no two ranges of one key that overlap."""
    policy = [{"from": "web", "to": "db", "ports": ports} for ports in ("80-90", [85, "88-95"], "96-99", 70)]
    elements = compiled({**FLEET, "policy": policy}, {"version": (26, 1, 5)}).nft.splitlines()
    found = [line.split(" comment")[0].strip() for line in elements if " tcp . " in line]
    assert found == ["0.0.1.0 . 0.0.2.0 . tcp . 70", "0.0.1.0 . 0.0.2.0 . tcp . 80-99"]


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ('web"; flush ruleset #', "is not a valid interface name: it has 21 characters. Use at most 15."),
        (
            "fn-*",
            "is not a valid interface name. Use letters, digits, '_', '.' and '-', and start with a letter or digit.",
        ),
        (None, None),
        ("br-lan", None),
    ],
)
def test_the_names_of_bridges_are_checked(name, problem):
    """They become part of the rules."""
    if problem:
        with pytest.raises(InvalidValue, match=f"^bridges.web: .*: {re.escape(problem)}$"):
            parse_bridges("bridges", {"web": name})
    elif name:
        assert parse_bridges("bridges", {"web": name}) == {"docker0": "docker0", "web": name}
    else:
        assert parse_bridges("bridges", {}) == {"docker0": "docker0"}


def test_comments_fit():
    long = ["a" * 100, "b" * 100]
    nft = compiled(
        {
            "supernet": "10.64.0.0/12",
            "networks": [{"name": name, "bridge_name": name[:4]} for name in long],
            "policy": [{"from": long[0], "to": [long[1]]}, {"from": long[0], "to": "world"}],
        },
        {"version": (26, 1, 5)},
    ).nft
    assert max(len(comment) for comment in re.findall(r'comment "([^"]*)"', nft)) == 127


@pytest.mark.parametrize("firewall", ["nftables", "none"])
def test_an_engine_without_iptables_rules_is_rejected_if_iptables_drops(firewall):
    engine = {"version": (29, 0, 0), "firewall": firewall, "forward_drops": [4]}
    with pytest.raises(Unsupported, match=r"iptables chain FORWARD has policy DROP.*DEFAULT_FORWARD_POLICY"):
        compiled(FLEET, engine)
    assert compiled(FLEET, {**engine, "forward_drops": [6]}), "IPv6 is not routed in a fleet without an IPv6 supernet"


@pytest.mark.parametrize("firewall", ["nftables", "none"])
def test_forwarding_is_not_enabled_where_docker_does_not_close_forward(firewall):
    engine = {"version": (29, 0, 0), "firewall": firewall, "forwarding_off": [4]}
    with pytest.raises(Unsupported, match=r"net\.ipv4\.ip_forward is 0, .* backend is .*/etc/sysctl\.d"):
        compiled(FLEET, engine)
    assert compiled(FLEET, {**engine, "firewall": "iptables"})
    assert compiled(FLEET, {**engine, "forwarding_off": [6]}), "IPv6 is not forwarded without an IPv6 supernet"


def test_an_engine_that_writes_iptables_rules_is_accepted_if_iptables_drops():
    engine = {"version": (26, 1, 5), "forward_drops": [4, 6]}
    assert compiled(FLEET, engine) == compiled(FLEET, {**engine, "forward_drops": []})


def test_firewalld_files_contain_the_hosts_own_networks_and_the_fleet_only():
    text = compiled({**FLEET, "networks": ["web", {"name": "pinned", "subnet": "192.0.2.0/24", "hosts": ["h2"]}],
                     "policy": []}, {"version": (28, 5, 2)}).firewalld  # fmt: skip
    ends = [(rule.get("source"), rule.get("destination")) for rule in rules_of(text)]
    fleet, web, pinned = "10.64.0.0/12", "10.64.1.0/24", "192.0.2.0/24"
    assert ends == [(fleet, fleet), (fleet, pinned), (pinned, fleet), (web, None), (None, web)]
    own = [Prefix.parse("10.64.2.0/24"), Prefix.parse("10.64.1.0/24"), Prefix.parse("fd00:1::/64")]
    files = {"zone": ZONE_FILE, "policy": text, "ipset": ipset_file(4, own), "ipset6": ipset_file(6, own)}
    assert_golden("firewalld.yml", files)


def rules_of(text):
    """The accepting rules of a firewalld policy, as a mapping of each one's ends to addresses."""
    rules = xml.etree.ElementTree.fromstring(text.encode()).findall("rule")
    assert all(rule.find("accept") is not None for rule in rules)
    return [{end.tag: end.get("address") for end in rule if end.tag != "accept"} for rule in rules]


def reported(name, bridge, **labels):
    """A network as network_info reports it."""
    return {"name": name, "bridge": bridge, "labels": labels}


BRIDGES = {"docker0": "docker0", "web": "fn-web", "db": "fn-db"}


def test_the_bridge_of_a_network_that_others_created_is_its_own():
    networks = [
        reported("web", "br-0123456789ab", **{"com.docker.compose.project": "shop"}),
        reported("db", "br-ba9876543210", **{"io.fleetnet.managed": "true"}),  # is recreated
        reported("lan", None),
        reported("other", "br-111111111111"),
    ]
    assert adopted_bridges("adopted", ["web", "db"], BRIDGES, networks, {}) == {"web": "br-0123456789ab"}
    assert adopted_bridges("adopted", [], BRIDGES, networks, {}) == {}
    assert adopted_bridges("adopted", ["web"], BRIDGES, [reported("web", "fn-web")], {}) == {}
    assert adopted_bridges("adopted", ["web"], BRIDGES, [], {}) == {}
    assert message_of(adopted_bridges, "adopted", ["web", "lan"], BRIDGES, networks, {}) == (
        "adopted[1]: 'lan': is not in bridges. Add its bridge there."
    )
    assert message_of(adopted_bridges, "adopted", ["web"], BRIDGES, networks, {"br-0123456789ab": ["eth0"]}) == (
        "adopted[0]: 'web': cannot be adopted: its bridge br-0123456789ab has ports that are not containers' "
        "interfaces (eth0), and what arrives there would have the rights of the network. Remove these ports from the "
        "bridge, or leave the network out of the declaration."
    )


@pytest.mark.parametrize(
    ("routing", "missing"),
    [
        ({}, 'allow_direct_routing: true and bridge_accept_fwmark: "0x2000000/0x2000000"'),
        ({"allowed": True}, 'bridge_accept_fwmark: "0x2000000/0x2000000"'),
        ({"marked": True}, "allow_direct_routing: true"),
        ({"allowed": True, "marked": True}, None),
    ],
)
def test_an_adopted_network_requires_direct_routing_on_nftables(routing, missing):
    fleet = {
        "supernet": "10.64.0.0/12",
        "networks": [{"name": "web", "adopt": True, "subnets": {"h1": "172.18.0.0/16"}}],
    }
    engine = {"version": [29, 7, 2], "firewall": "nftables", "routing": {**routing, "adopted": ["web"]}}
    if missing is None:
        assert compiled(fleet, engine).nft
        return
    assert message_of(compiled, fleet, engine) == (
        "network web: adopt: with the nftables firewall backend, the engine drops packets between this network, whose "
        f"gateway mode is not nat-unprotected, and other networks. Set {missing} in docker_fleet_default_bridge (in "
        "docker_fleet_host_default_bridge for this host alone), remove the network with 'docker network rm web', so "
        "that the run creates it with this mode, or use the iptables backend."
    )
