#!/usr/bin/python
# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: remote_api
short_description: Make a Docker engine listen on TCP, with mutual TLS only
version_added: 0.1.0
author: The fleetnet maintainers (@fleetnet)
description:
  - Makes dockerd listen on TCP, in addition to its socket, only for clients with a certificate of the declared
    authority. You provide the certificates, or an authority in a folder on the controller issues them.
  - The flags go into a drop-in of the daemon's unit. C(daemon.json) stays unchanged, so that the module does not
    conflict with M(fleetnet.docker.default_bridge).
  - dockerd reads its certificates only when it starts, so a renewal requires a restart of the engine, as a new address
    does. Containers keep running. If live restore is disabled, the module enables it for the restart, by a reload, and
    disables it again. If that is not possible, for example in a swarm, the module requires O(allow_restart).
  - After the restart the module verifies that the daemon answers, that it presents the certificate at each address and
    that containers run. Otherwise it restores the former files and restarts the daemon with them.
extends_documentation_fragment:
  - fleetnet.docker.engine
  - fleetnet.docker.run
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying the target.
    support: full
    details:
      - Certificates are created in memory and not written.
  diff_mode:
    description: Returns details on what has changed in diff mode.
    support: full
    details:
      - Shows the fingerprints of certificates. Private keys are not shown.
  idempotent:
    description: When run twice in a row outside check mode, with the same arguments, the second run changes nothing.
    support: partial
    details:
      - A certificate that expires soon is renewed.
options:
  state:
    description: V(absent) makes the engine listen on its socket only and removes certificates and key from the host.
    type: str
    choices: [present, absent]
    default: present
  listen:
    description: IP addresses of the host to listen on. They must exist when the engine starts.
    type: list
    elements: str
  port:
    description: The TCP port. V(2375), the port for plain TCP, is rejected.
    type: int
    default: 2376
  mutual_tls:
    description:
      - Whether clients must present a certificate. V(false) is rejected, because it gives root access to the host to
        anyone who can connect.
    type: bool
    default: true
  authority:
    description:
      - An authority on the controller that issues the certificates of hosts and clients. Requires the Python library
        C(cryptography) on the controller, which ansible-core depends on.
      - Set either this, or O(ca_certificate), O(certificate) and O(private_key).
    type: dict
    suboptions:
      folder:
        description:
          - A folder on the controller for C(ca.pem), C(ca-key.pem), C(hosts/) and C(clients/). It has mode 0700, its
            files 0600. Protect it, because its keys give root access to all of these hosts.
          - A folder with files of something else is an error.
          - C(clients/NAME) is a folder for the environment variable E(DOCKER_CERT_PATH).
        type: path
        required: true
      generation:
        description:
          - Raise it to replace the authority and all certificates. dockerd does not support revocation lists, so this
            revokes a client's certificate. It takes effect on each host when this module has run there.
        type: int
        default: 1
      clients:
        description: Names of clients that get a certificate.
        type: list
        elements: str
        default: []
      days:
        description: Days that certificates of hosts and clients are valid.
        type: int
        default: 365
      renew_days:
        description: Days before its expiry that a certificate is issued again.
        type: int
        default: 60
      ca_days:
        description:
          - Days that the authority is valid. If it expires in less than O(authority.days) it is issued again with the
            same key, so that its certificates stay valid.
        type: int
        default: 3650
  names:
    description:
      - Names in the host's certificate, in addition to the addresses of O(listen). Defaults to the host's name in the
        inventory. Used with O(authority).
    type: list
    elements: str
  ca_certificate:
    description: The certificates of the authorities whose clients are accepted, in PEM format.
    type: str
  certificate:
    description: The engine's certificate in PEM format, followed by intermediate certificates.
    type: str
  private_key:
    description: The private key of O(certificate) in PEM format, without a password.
    type: str
  allow_restart:
    description:
      - Allows interrupting running containers if live restore is disabled and cannot be enabled. The module starts them
        again.
    type: bool
    default: false
  restart_timeout:
    description:
      - Maximum time in seconds for the daemon to start with the new configuration. The former one, which is restored
        if the daemon does not start, has at least 180 seconds.
    type: int
    default: 90
  service:
    description: The daemon's systemd unit.
    type: str
    default: docker.service
notes:
  - Existing flags of the unit stay, including C(-H fd://). Keys of C(daemon.json) that conflict with the new flags,
    C(hosts) and C(tls*), are rejected.
seealso:
  - module: fleetnet.docker.default_bridge
  - name: Protect the Docker daemon socket
    description: Docker's documentation of mutual TLS.
    link: https://docs.docker.com/engine/security/protect-access/
"""

EXAMPLES = r"""
- name: Accept clients with a certificate of the authority on the controller
  fleetnet.docker.remote_api:
    listen: [192.0.2.1]
    authority:
      folder: "{{ inventory_dir }}/docker_remote_api"
      clients: [admin]

- name: Provide the certificates
  fleetnet.docker.remote_api:
    listen: [192.0.2.1]
    ca_certificate: "{{ lookup('ansible.builtin.file', 'ca.pem') }}"
    certificate: "{{ lookup('ansible.builtin.file', inventory_hostname ~ '.pem') }}"
    private_key: "{{ vaulted_private_key }}"

- name: Listen on the socket only
  fleetnet.docker.remote_api:
    state: absent
"""

RETURN = r"""
issued:
  description: What the authority issued, each with the reason.
  returned: success
  type: list
  elements: str
  sample: ["server h1: expires on 2027-01-24"]
operations:
  description: What was done on the host, or would be done in check mode, in order.
  returned: success
  type: list
  elements: str
restarted:
  description: Whether the daemon was restarted.
  returned: success
  type: bool
interrupted:
  description: Names of the containers that the restart interrupted.
  returned: success
  type: list
  elements: str
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.remote_api.plan import (
    DesiredRemoteApi,
    TlsFiles,
    parse_listen,
    plan_remote_api,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.checkpoint.covering import RUN_OPTION, alone
from ansible_collections.fleetnet.docker.plugins.module_utils._host.daemon.options import REMOTE_API_OPTIONS
from ansible_collections.fleetnet.docker.plugins.module_utils._host.daemon.remote_api import RemoteApiExecutor
from ansible_collections.fleetnet.docker.plugins.module_utils._host.daemon.run_records import RunRecords
from ansible_collections.fleetnet.docker.plugins.module_utils._host.daemon.unit import Daemon
from ansible_collections.fleetnet.docker.plugins.module_utils._host.engine.connection import (
    connect,
    engine_argument_spec,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.module import run_module
from ansible_collections.fleetnet.docker.plugins.module_utils._host.programs.commands import ModuleCommands


def desired_state(params: dict[str, t.Any]) -> DesiredRemoteApi:
    if params["state"] == "absent":
        return DesiredRemoteApi((), params["port"], None)
    listen = parse_listen(params["listen"] or [], params["port"], params["mutual_tls"])
    contents = (params["ca_certificate"], params["certificate"], params["private_key"])
    if not all(contents):
        raise FleetnetError("ca_certificate, certificate and private_key: missing. Set all three, or authority")
    return DesiredRemoteApi(listen, params["port"], TlsFiles(*(text.strip() + "\n" for text in contents)))


def remote_api(module: AnsibleModule) -> dict[str, t.Any]:
    params = module.params
    desired = desired_state(params)
    commands = ModuleCommands(module)
    records = RunRecords(params["service"])
    executor = RemoteApiExecutor(
        commands, Daemon(commands, params["service"]), records, lambda: connect(params), params["restart_timeout"]
    )
    if module.check_mode:
        return _run(executor, desired, params["allow_restart"], check_mode=True)
    with alone(params["run"], check_mode=False), records.locked():
        return _run(executor, desired, params["allow_restart"], check_mode=False)


def _run(
    executor: RemoteApiExecutor, desired: DesiredRemoteApi, allow_restart: bool, check_mode: bool
) -> dict[str, t.Any]:
    recovered = None if check_mode else executor.recover()
    observed = executor.observe()
    plan = plan_remote_api(desired, observed, allow_restart)
    executor.validate(plan, desired, observed)
    if plan.changed and not check_mode:
        executor.execute(plan, desired, observed)
    return {
        "changed": plan.changed or recovered is not None,
        "diff": plan.diff(),
        "operations": ([recovered] if recovered else []) + plan.operations(),
        "restarted": bool(plan.reasons),
        "interrupted": [container.name for container in plan.interrupted],
    }


def main() -> None:
    run_module(
        remote_api, needs_root=True, argument_spec={**engine_argument_spec(), **REMOTE_API_OPTIONS, **RUN_OPTION}
    )


if __name__ == "__main__":
    main()
