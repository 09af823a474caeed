#!/usr/bin/python
# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: remote_api
short_description: Let a Docker engine be reached by TCP, with mutual TLS only
version_added: 0.1.0
author: The fleetnet maintainers (@fleetnet)
description:
  - Makes dockerd listen on TCP, beside its socket, for clients with a certificate of the right authority, and nobody
    else. The certificates are brought, or issued by a small authority that is kept in a folder on the controller.
  - The flags go into a drop-in of the daemon's unit. C(daemon.json) stays as it is, so
    M(fleetnet.docker.default_bridge) does not get in the way.
  - dockerd reads its certificates when it starts, and at no other time, so a renewal needs a restart of the engine as
    much as a new address does. Containers are kept running meanwhile. Where live restore is off it is switched on for
    the restart, by a reload, and off again. Where that cannot be, as in a swarm, O(allow_restart) is asked for.
  - Afterwards the daemon has to answer, has to show the certificate at each address, and containers have to run.
    Otherwise the former files are put back and the daemon is restarted with them.
extends_documentation_fragment:
  - fleetnet.docker.engine
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying the target.
    support: full
    details:
      - Certificates that would be issued are made in memory and written nowhere.
  diff_mode:
    description: Returns details on what has changed in diff mode.
    support: full
    details:
      - Certificates are shown by their fingerprints, private keys not at all.
  idempotent:
    description: When run twice in a row outside check mode, with the same arguments, the second run changes nothing.
    support: partial
    details:
      - A certificate that comes close to its end is renewed.
options:
  state:
    description: V(absent) makes the engine listen on its socket only and removes certificates and key from the host.
    type: str
    choices: [present, absent]
    default: present
  listen:
    description: IP addresses of the host to listen on. They have to be there when the engine starts.
    type: list
    elements: str
  port:
    description: The TCP port. V(2375), the port for plain TCP, is refused.
    type: int
    default: 2376
  mutual_tls:
    description:
      - Whether clients have to show a certificate. V(false) is refused, since whoever reaches such a port is root on
        the host.
    type: bool
    default: true
  authority:
    description:
      - An authority of our own that issues the certificates of hosts and clients. Needs the Python library
        C(cryptography) on the controller, which ansible-core brings along.
      - Either this is needed, or O(ca_certificate), O(certificate) and O(private_key).
    type: dict
    suboptions:
      folder:
        description:
          - A folder on the controller for C(ca.pem), C(ca-key.pem), C(hosts/) and C(clients/). It has mode 0700, its
            files 0600. Keep it as safe as root's keys to all of these hosts, for that is what it is.
          - C(clients/NAME) is a folder for the environment variable E(DOCKER_CERT_PATH).
        type: path
        required: true
      generation:
        description:
          - Raise it to have another authority made, with all certificates. That is how a client's certificate is
            revoked, for dockerd knows no revocation lists. It holds for each host once this module has run there.
        type: int
        default: 1
      clients:
        description: Names of clients that are to have a certificate.
        type: list
        elements: str
        default: []
      days:
        description: For how many days certificates of hosts and clients are issued.
        type: int
        default: 365
      renew_days:
        description: How many days before its end a certificate is issued anew.
        type: int
        default: 60
      ca_days:
        description:
          - For how many days the authority is issued. While it has less than O(authority.days) left it is issued anew
            with the same key, which leaves its certificates valid.
        type: int
        default: 3650
  names:
    description:
      - Names that the host's certificate is for, beside the addresses of O(listen). The inventory's name of the host
        unless given. Used with O(authority).
    type: list
    elements: str
  ca_certificate:
    description: The certificates of the authorities whose clients are let in, in PEM form.
    type: str
  certificate:
    description: The engine's certificate in PEM form, with those between it and its authority after it.
    type: str
  private_key:
    description: The private key of O(certificate) in PEM form, without a password.
    type: str
  allow_restart:
    description:
      - Consent to the interruption of running containers where live restore is neither on nor can be switched on.
        They are started again.
    type: bool
    default: false
  restart_timeout:
    description: Seconds that the daemon may take to start.
    type: int
    default: 90
  service:
    description: The daemon's systemd unit.
    type: str
    default: docker.service
notes:
  - Flags of the unit that is there are kept, C(-H fd://) as well. Keys of C(daemon.json) that would clash with ours,
    C(hosts) and C(tls*), are refused by name.
seealso:
  - module: fleetnet.docker.default_bridge
  - name: Protect the Docker daemon socket
    description: Docker's documentation of what is set up here.
    link: https://docs.docker.com/engine/security/protect-access/
"""

EXAMPLES = r"""
- name: Let the engine be reached by clients with a certificate of our own authority
  fleetnet.docker.remote_api:
    listen: [192.0.2.1]
    authority:
      folder: "{{ inventory_dir }}/docker_remote_api"
      clients: [admin]

- name: Bring the certificates
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
  description: What the authority has issued, each with the reason.
  returned: success
  type: list
  elements: str
  sample: ["server h1: it expires on 2027-01-24"]
operations:
  description: What was done on the host, or would be in check mode, in this order.
  returned: success
  type: list
  elements: str
restarted:
  description: Whether the daemon was restarted.
  returned: success
  type: bool
interrupted:
  description: Names of the containers that were interrupted by it.
  returned: success
  type: list
  elements: str
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.remote_api.plan import (
    DesiredRemoteApi,
    Material,
    parse_listen,
    plan_remote_api,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.daemon.remote_api import RemoteApiExecutor
from ansible_collections.fleetnet.docker.plugins.module_utils._host.daemon.remote_api_spec import ARGUMENT_SPEC
from ansible_collections.fleetnet.docker.plugins.module_utils._host.daemon.state import State
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
        raise FleetnetError("ca_certificate, certificate and private_key are needed, or authority")
    return DesiredRemoteApi(listen, params["port"], Material(*(text.strip() + "\n" for text in contents)))


def remote_api(module: AnsibleModule) -> dict[str, t.Any]:
    params = module.params
    desired = desired_state(params)
    commands = ModuleCommands(module)
    state = State(params["service"])
    host = RemoteApiExecutor(
        commands, Daemon(commands, params["service"]), state, lambda: connect(params), params["restart_timeout"]
    )
    if module.check_mode:
        return _run(host, desired, params["allow_restart"], check_mode=True)
    with state.locked():
        return _run(host, desired, params["allow_restart"], check_mode=False)


def _run(host: RemoteApiExecutor, desired: DesiredRemoteApi, allow_restart: bool, check_mode: bool) -> dict[str, t.Any]:
    given_back = None if check_mode else host.give_back()
    observed = host.observe()
    plan = plan_remote_api(desired, observed, allow_restart)
    host.validate(plan, desired, observed)
    if plan.changed and not check_mode:
        host.execute(plan, desired, observed)
    return {
        "changed": plan.changed or given_back is not None,
        "diff": plan.diff(),
        "operations": ([given_back] if given_back else []) + plan.operations(),
        "restarted": bool(plan.reasons),
        "interrupted": [container.name for container in plan.interrupted],
    }


def main() -> None:
    run_module(remote_api, argument_spec={**engine_argument_spec(), **ARGUMENT_SPEC})


if __name__ == "__main__":
    main()
