# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""docker0 and the daemon's addressing: read, plan, validate, execute."""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.desired import desired_state
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.plan import DesiredDaemon, plan_daemon
from ansible_collections.fleetnet.docker.plugins.module_utils._host.daemon.default_bridge import DefaultBridgeExecutor
from ansible_collections.fleetnet.docker.plugins.module_utils._host.daemon.state import State
from ansible_collections.fleetnet.docker.plugins.module_utils._host.daemon.unit import Daemon
from ansible_collections.fleetnet.docker.plugins.module_utils._host.task import Result, Task

OPTIONS: dict[str, t.Any] = {
    "bip": {"type": "str"},
    "bip6": {"type": "str"},
    "fixed_cidr": {"type": "str"},
    "fixed_cidr_v6": {"type": "str"},
    "mtu": {"type": "int"},
    "default_gateway": {"type": "str"},
    "default_gateway_v6": {"type": "str"},
    "icc": {"type": "bool"},
    "ip": {"type": "str"},
    "ip_masq": {"type": "bool"},
    "ip_forward": {"type": "bool"},
    "ip_forward_no_drop": {"type": "bool"},
    "ipv6": {"type": "bool"},
    "iptables": {"type": "bool"},
    "ip6tables": {"type": "bool"},
    "userland_proxy": {"type": "bool"},
    "default_address_pools": {
        "type": "list",
        "elements": "dict",
        "options": {"base": {"type": "str", "required": True}, "size": {"type": "int", "required": True}},
    },
    "default_network_opts": {"type": "dict"},
    "allow_direct_routing": {"type": "bool"},
    "bridge_accept_fwmark": {"type": "str"},
    "firewall_backend": {"type": "str", "choices": ["iptables", "nftables"]},
    "dns": {"type": "list", "elements": "str"},
    "dns_opts": {"type": "list", "elements": "str"},
    "dns_search": {"type": "list", "elements": "str"},
    "live_restore": {"type": "bool"},
    "bridge": {"type": "str"},
    "allow_overlap": {"type": "list", "elements": "str", "default": []},
    "unset": {"type": "list", "elements": "str", "default": []},
    "allow_restart": {"type": "bool", "default": False},
    "restart_timeout": {"type": "int", "default": 90},
    "service": {"type": "str", "default": "docker.service"},
}


def apply(task: Task) -> Result:
    params = task.params
    desired = desired_state(params)
    state = State(params["service"])
    host = DefaultBridgeExecutor(
        task.commands,
        Daemon(task.commands, params["service"]),
        state,
        lambda: task.connection.anew(params),  # also after a restart, with what may be another release
        params["restart_timeout"],
    )
    if task.check_mode:
        return _run(host, desired, task)
    with state.locked():
        return _run(host, desired, task)


def _run(host: DefaultBridgeExecutor, desired: DesiredDaemon, task: Task) -> Result:
    recovered = None if task.check_mode else host.recover()
    observed = host.observe()
    plan = plan_daemon(desired, observed, task.params["allow_restart"])
    host.validate(plan, observed)
    result: Result = {
        "changed": plan.changed or recovered is not None,
        "diff": plan.diff(),
        "operations": ([recovered] if recovered else []) + plan.operations(),
        "restarted": plan.signal == "restart",
        "interrupted": [container.name for container in plan.interrupted],
    }
    if not task.check_mode:
        backup = host.execute(plan, desired, observed)
        if backup:
            result["backup_file"] = backup
    return result
