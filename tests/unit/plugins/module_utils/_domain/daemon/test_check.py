# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Values and command lines that dockerd rejects, some of them only after its own validation."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.check import (
    check_swarm,
    check_values,
    check_versions,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.flags import (
    FLAG_KEYS,
    check_flags,
    check_known,
    keys_of_flags,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.keys import BY_OPTION, KEYS
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import (
    FleetnetError,
    InvalidValue,
    Unsupported,
)

from ..planning import assert_golden, message_of

PATH = "/etc/docker/daemon.json"

INVALID: list[tuple[dict[str, t.Any], str]] = [
    ({"bip": "10.64.0.0/24"}, "bip: '10.64.0.0/24': is not an address of a host in 10.64.0.0/24. Use 10.64.0.1"),
    ({"bip": "10.64.0.255/24"}, "not an address of a host"),
    ({"bip": "10.64.0.1"}, "with its prefix length, as in 10.64.0.1/24"),
    ({"bip": "10.64.0.1/33"}, "with its prefix length"),
    ({"bip": "fd00::1/64"}, "IPv4 address"),
    ({"bip": "10.64.0.1/32"}, "host"),
    ({"bip6": "10.64.0.1/24"}, "IPv6 address"),
    ({"bip": "10.64.0.1/24", "fixed-cidr": "10.65.0.0/25"}, "fixed_cidr: '10.65.0.0/25': is not inside docker0"),
    ({"fixed-cidr": "10.64.0.1/25"}, "has host bits set"),
    ({"bip": "10.64.0.1/24", "default-gateway": "10.65.0.1"}, "default_gateway: '10.65.0.1': is not inside"),
    ({"default-gateway": "gateway"}, "must be an IP address"),
    ({"mtu": 20}, "between 68 and 65535 bytes"),
    ({"mtu": 1000, "ipv6": True, "fixed-cidr-v6": "fd00::/64"}, "between 1280 and 65535 bytes"),
    ({"default-address-pools": [{"base": "10.64.8.1/21", "size": 24}]}, "default_address_pools[0].base"),
    ({"default-address-pools": [{"base": "10.64.8.0/21", "size": 20}]}, "default_address_pools[0].size: 20"),
    (
        {"default-address-pools": [{"base": "10.64.8.0/21", "size": 24}, {"base": "10.64.9.0/24", "size": 26}]},
        "default_address_pools[1].base: '10.64.9.0/24': overlaps with the pool 10.64.8.0/21",
    ),
    ({"dns": ["10.0.0.1", "resolver"]}, "dns[1]: 'resolver': must be an IP address"),
    ({"ip": "any"}, "ip: 'any'"),
    ({"icc": False, "iptables": False}, "icc: False"),
    ({"ip-masq": True, "iptables": False}, "ip_masq: True"),
    ({"ipv6": True}, "requires fixed_cidr_v6 on engines before 27.0"),
    ({"ip6tables": True}, "experimental"),
    ({"firewall-backend": "ipchains"}, "iptables or nftables"),
    ({"bridge-accept-fwmark": "0x1/"}, "MARK or MARK/MASK"),
    ({"bridge-accept-fwmark": "0x1\n"}, "MARK or MARK/MASK"),
    ({"ip6tables": True, "iptables": False}, "requires iptables: true on engines before 27.0"),
    ({"bridge": "br0", "bip": "10.64.0.1/24"}, "daemon.json names the bridge br0"),
    ({"bridge": "br0", "bip6": "fd00::1/64"}, "daemon.json names the bridge br0"),
]


@pytest.mark.parametrize(("config", "message"), INVALID)
def test_invalid_values_are_rejected(config: dict[str, t.Any], message: str) -> None:
    with pytest.raises(InvalidValue) as raised:
        check_values(config, config, (20, 10, 24))
    assert message in str(raised.value)


@pytest.mark.parametrize(
    "config",
    [
        {"bip": "10.64.0.1/24", "fixed-cidr": "10.64.0.128/25", "default-gateway": "10.64.0.254", "mtu": 9000},
        {"bip6": "fd00:64::1/64", "ipv6": True, "fixed-cidr-v6": "fd00:64::/64"},
        {"default-address-pools": [{"base": "10.64.8.0/21", "size": 24}, {"base": "fd00:8::/48", "size": 64}]},
        {"default-address-pools": [{"base": "10.64.8.0/21", "size": 24}, {"base": "10.64.16.0/21", "size": 24}]},
        {"bridge": "br0", "ipv6": True},
        {"bip": "10.64.0.1/24", "bip6": "fd00:64::1/64"},
        {"bridge-accept-fwmark": "0x10/0xf0", "firewall-backend": "nftables"},
        {"ip": "0.0.0.0", "dns": ["10.0.0.1", "fd00::53"]},
    ],
)
def test_valid_values_pass(config: dict[str, t.Any]) -> None:
    check_values(config, config, (29, 0, 0))


def test_nothing_is_checked_if_no_key_is_declared() -> None:
    check_values({}, {"mtu": 3}, (28, 5, 2))


def test_an_unsupported_key_names_the_required_version() -> None:
    with pytest.raises(
        Unsupported, match=r"^bip6: requires Docker engine 28\.0 or newer, and this host has 26\.1\.5\."
    ):
        check_versions(["bip", "bip6"], (26, 1, 5))


def test_the_newest_engine_knows_every_key() -> None:
    check_versions(BY_OPTION, (29, 0, 0))
    assert len(BY_OPTION) == len(KEYS)


@pytest.mark.parametrize(("option", "value"), [("live-restore", True), ("firewall-backend", "nftables")])
def test_a_swarm_rejects_live_restore_and_nftables(option: str, value: object) -> None:
    check_swarm({option: value}, {"Swarm": {"LocalNodeState": "inactive"}})
    with pytest.raises(InvalidValue, match="swarm"):
        check_swarm({option: value}, {"Swarm": {"LocalNodeState": "active"}})


DEBIAN = ("/usr/sbin/dockerd", "-H", "fd://", "--containerd=/run/containerd/containerd.sock")


def test_flags_map_to_keys() -> None:
    argv = (*DEBIAN, "--bip", "10.1.0.1/24", "--dns=10.0.0.1", "-Htcp://127.0.0.1", "--default-address-pool", "base=x")
    assert set(keys_of_flags(argv)) == {"hosts", "containerd", "bip", "dns", "default-address-pools"}


def test_flags_with_other_names_than_their_keys() -> None:
    assert_golden("daemon/flags.yml", FLAG_KEYS)
    assert keys_of_flags(("dockerd", "-D", "-", "value", "-G=docker", "-lwarn", "--label", "a=b", "--icc")) == {
        "debug": "-D", "group": "-G=docker", "log-level": "-lwarn", "labels": "--label", "icc": "--icc",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("config", "flags", "key"),
    [
        ({"hosts": ["unix:///run/docker.sock"]}, (), "hosts"),
        ({"bip": "10.64.0.1/24"}, ("--bip=10.64.0.1/24",), "bip"),
        ({"default-address-pools": []}, ("--default-address-pool", "base=10.0.0.0/8,size=24"), "default-address-pools"),
        ({"proxies": {"http-proxy": "x"}}, ("--http-proxy=y",), "http-proxy"),
    ],
)
def test_a_key_in_the_file_and_on_the_command_line_is_rejected(
    config: dict[str, t.Any], flags: tuple[str, ...], key: str
) -> None:
    with pytest.raises(
        FleetnetError, match=rf"^/etc/docker/daemon\.json: {key}: docker\.service sets the same key by the flag "
    ):
        check_flags(config, (*DEBIAN, *flags), PATH, "docker.service")


def test_other_flags_are_accepted() -> None:
    check_flags({"bip": "x", "log-opts": {"dns": "10m"}, "runtimes": {}}, (*DEBIAN, "--add-runtime=a=b"), PATH, "unit")


HELP = """
      --bip string          Specify network bridge IP
      --dns list            DNS server to use
  -H, --host list           Daemon socket(s) to connect to
"""


def test_an_unknown_key_is_rejected_without_validate() -> None:
    check_known({"bip": "x", "hosts": [], "features": {"buildkit": True}, "dns": []}, HELP, PATH)
    with pytest.raises(FleetnetError, match="bpi: this dockerd does not know the key"):
        check_known({"bpi": "x"}, HELP, PATH)


def test_messages() -> None:
    swarm = {"Swarm": {"LocalNodeState": "active"}}
    assert_golden(
        "daemon/check.yml",
        [
            *(message_of(check_values, config, config, (20, 10, 24)) for config, _message in INVALID),
            message_of(check_versions, ["bip", "bip6"], (26, 1, 5)),
            message_of(check_versions, ["bip"], (19, 3, 15)),
            message_of(check_swarm, {"live-restore": True}, swarm),
            message_of(check_swarm, {"firewall-backend": "nftables"}, swarm),
            message_of(check_flags, {"bip": "x"}, (*DEBIAN, "--bip=y"), PATH, "docker.service"),
            message_of(check_known, {"bpi": "x"}, HELP, PATH),
        ],
    )
