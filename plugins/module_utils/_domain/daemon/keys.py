# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The table of the keys of daemon.json that this collection manages: one record per key.

The argument spec of the module, the checks, the comparison with the running daemon and the plan follow from it. The
documentation of the module and of the role is prose; tests/unit/plugins/modules/test_documentation.py compares it with
the table.
"""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.constants import MTU_DEFAULT
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon import reported, values
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.observed import Json, Version
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.interface_name import DOCKER0

RESTART = "restart"  # the daemon reads the key when it starts
RELOAD = "reload"  # the daemon also reads the key on SIGHUP

BRIDGE = "bridge"  # a property of docker0: ignored at a start that finds live-restored containers running
DAEMON = "daemon"  # a property of the daemon: read at every start

OLDEST = (20, 10)

# Argument specs, as Ansible takes them.
TEXT: Json = {"type": "str"}
NUMBER: Json = {"type": "int"}
SWITCH: Json = {"type": "bool"}
TEXTS: Json = {"type": "list", "elements": "str"}
MAPPING: Json = {"type": "dict"}
POOLS: Json = {
    "type": "list",
    "elements": "dict",
    "options": {"base": {"type": "str", "required": True}, "size": {"type": "int", "required": True}},
}


class Key(t.NamedTuple):
    """One key of daemon.json.

    - ``name``: its name in daemon.json; the option's name has underscores instead of dashes.
    - ``scope``: BRIDGE or DAEMON.
    - ``spec``: the argument spec of the option.
    - ``default``: the engine's value if the key is missing, None if the engine chooses.
    - ``newer_default``: the first version with another default, and that default.
    - ``in_effect``: reads the value in effect from what the engine reports.
    - ``check``: raises InvalidValue if dockerd cannot work with a value.
    - ``normalize``: two values with the same normal form mean the same to dockerd.
    - ``since``: the first engine that knows the key.
    - ``apply``: RESTART or RELOAD.
    - ``flag``: the command line flag with the same meaning, required if its name is not that of the key.
    - ``decides_subnet``: whether the value contains docker0's subnet, which must not overlap with other networks.
    - ``of_interface``: whether the value is an address of the bridge itself: dockerd rejects the key together with a
      bridge that it did not create.
    """

    name: str
    scope: str
    spec: Json
    default: t.Any
    in_effect: reported.Reader
    check: values.Check
    normalize: values.Normalize
    since: Version = OLDEST
    apply: str = RESTART
    newer_default: tuple[Version, t.Any] | None = None
    flag: str | None = None
    decides_subnet: bool = False
    of_interface: bool = False

    @property
    def option(self) -> str:
        return self.name.replace("-", "_")


KEYS: tuple[Key, ...] = (
    Key(
        "bip", BRIDGE, TEXT, None,
        reported.bridge_address(4), values.bridge_address(4), values.as_address,
        decides_subnet=True, of_interface=True,
    ),
    Key(
        "bip6", BRIDGE, TEXT, None,
        reported.bridge_address(6), values.bridge_address(6), values.as_address,
        since=(28, 0), decides_subnet=True, of_interface=True,
    ),
    Key("fixed-cidr", BRIDGE, TEXT, None, reported.ipam_field(4, "IPRange"), values.fixed_range(4), values.as_address),
    Key(
        "fixed-cidr-v6", BRIDGE, TEXT, None,
        reported.ipam_field(6, "Subnet"), values.fixed_range(6), values.as_address,
        decides_subnet=True,
    ),
    Key("mtu", BRIDGE, NUMBER, MTU_DEFAULT, reported.mtu(), values.mtu, values.as_it_is),
    Key(
        "default-gateway", BRIDGE, TEXT, None,
        reported.ipam_field(4, "AuxiliaryAddresses", "DefaultGatewayIPv4"), values.gateway(4), values.as_address,
    ),
    Key(
        "default-gateway-v6", BRIDGE, TEXT, None,
        reported.ipam_field(6, "AuxiliaryAddresses", "DefaultGatewayIPv6"), values.gateway(6), values.as_address,
    ),
    Key("icc", BRIDGE, SWITCH, True, reported.bridge_switch("enable_icc"), values.anything, values.as_it_is),
    Key("ip", BRIDGE, TEXT, "0.0.0.0", reported.bridge_option("host_binding_ipv4"), values.address, values.as_address),
    Key(
        "ip-masq", BRIDGE, SWITCH, True,
        reported.bridge_switch("enable_ip_masquerade"), values.anything, values.as_it_is,
    ),
    Key("ipv6", BRIDGE, SWITCH, False, reported.ipv6, values.anything, values.as_it_is),
    Key("bridge", BRIDGE, TEXT, DOCKER0, reported.bridge_name, values.anything, values.as_text),
    Key("ip-forward", DAEMON, SWITCH, True, reported.ip_forward, values.anything, values.as_it_is),
    Key("ip-forward-no-drop", DAEMON, SWITCH, False, reported.nowhere, values.anything, values.as_it_is, since=(28, 0)),
    Key("iptables", DAEMON, SWITCH, True, reported.nowhere, values.anything, values.as_it_is),
    Key(
        "ip6tables", DAEMON, SWITCH, False,
        reported.nowhere, values.anything, values.as_it_is,
        newer_default=((27, 0), True),
    ),
    Key("userland-proxy", DAEMON, SWITCH, True, reported.nowhere, values.anything, values.as_it_is),
    Key(
        "default-address-pools", DAEMON, POOLS, [],
        reported.address_pools, values.address_pools, values.as_pools,
        flag="--default-address-pool",
    ),
    Key(
        "default-network-opts", DAEMON, MAPPING, {},
        reported.nowhere, values.anything, values.as_it_is,
        since=(24, 0), flag="--default-network-opt",
    ),
    Key(
        "allow-direct-routing", DAEMON, SWITCH, False,
        reported.nowhere, values.anything, values.as_it_is,
        since=(28, 2),
    ),
    Key(
        "bridge-accept-fwmark", DAEMON, TEXT, "",
        reported.nowhere, values.firewall_mark, values.as_text,
        since=(29, 0),
    ),
    Key(
        "firewall-backend", DAEMON, {**TEXT, "choices": ["iptables", "nftables"]}, "iptables",
        reported.firewall_backend, values.anything, values.as_text,
        since=(29, 0),
    ),
    Key("dns", DAEMON, TEXTS, [], reported.nowhere, values.addresses, values.as_list, flag="--dns"),
    Key("dns-opts", DAEMON, TEXTS, [], reported.nowhere, values.anything, values.as_list, flag="--dns-opt"),
    Key("dns-search", DAEMON, TEXTS, [], reported.nowhere, values.anything, values.as_list, flag="--dns-search"),
    Key("live-restore", DAEMON, SWITCH, False, reported.live_restore, values.anything, values.as_it_is, apply=RELOAD),
)  # fmt: skip

BY_OPTION: dict[str, Key] = {key.option: key for key in KEYS}
BY_NAME: dict[str, Key] = {key.name: key for key in KEYS}


def argument_spec() -> Json:
    """The argument spec of all keys, by option."""
    return {key.option: key.spec for key in KEYS}


def default_of(key: Key, version: Version) -> t.Any:
    """The value of an engine of ``version`` if ``key`` is missing."""
    if key.newer_default is not None and version >= key.newer_default[0]:
        return key.newer_default[1]
    return key.default
