# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The connection options of the modules that use the Docker engine, and the action group of these modules."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  docker_host:
    description:
      - The URL of the Docker engine's API. V(unix://), V(tcp://) with TLS and V(ssh://) URLs are supported.
      - V(ssh://) uses the C(ssh) program of the host, with the keys and known hosts of the user there. The Docker SDK
        nevertheless requires the Python library C(paramiko).
      - If not set, the environment variable E(DOCKER_HOST) is used.
    type: str
    default: unix:///var/run/docker.sock
    aliases: [docker_url]
  tls:
    description:
      - Connect over TLS without verifying the engine's certificate. O(validate_certs=true) takes precedence.
      - If not set, the environment variable E(DOCKER_TLS) is used.
    type: bool
    default: false
  validate_certs:
    description:
      - Connect over TLS and verify the engine's certificate.
      - If not set, the environment variable E(DOCKER_TLS_VERIFY) is used.
    type: bool
    default: false
    aliases: [tls_verify]
  tls_hostname:
    description:
      - The host name that the engine's certificate must contain, if it differs from the host in O(docker_host).
      - If not set, the environment variable E(DOCKER_TLS_HOSTNAME) is used.
    type: str
  ca_path:
    description:
      - File with the CA certificates that verify the engine's certificate.
      - If not set, C(ca.pem) in the folder of the environment variable E(DOCKER_CERT_PATH) is used.
    type: path
    aliases: [ca_cert, tls_ca_cert, cacert_path]
  client_cert:
    description:
      - File with the client's TLS certificate. Used with O(tls) or O(validate_certs).
      - If not set, C(cert.pem) in the folder of the environment variable E(DOCKER_CERT_PATH) is used.
    type: path
    aliases: [tls_client_cert, cert_path]
  client_key:
    description:
      - File with the private key of O(client_cert).
      - If not set, C(key.pem) in the folder of the environment variable E(DOCKER_CERT_PATH) is used.
    type: path
    aliases: [tls_client_key, key_path]
  api_version:
    description:
      - The version of the engine's API to use. V(auto) selects the newest version that both sides support.
      - If not set, the environment variable E(DOCKER_API_VERSION) is used.
    type: str
    default: auto
    aliases: [docker_api_version]
  timeout:
    description:
      - Timeout for requests to the engine, in seconds.
      - If not set, the environment variable E(DOCKER_TIMEOUT) is used.
    type: int
    default: 60
attributes:
  action_group:
    description: Use C(group/fleetnet.docker.docker) in C(module_defaults) to set defaults for this module.
    support: full
    details:
      - The group contains the modules that have the connection options of the Docker engine, and no others.
    membership:
      - fleetnet.docker.docker
requirements:
  - "Docker engine 20.10 or newer on the host"
  - "Docker SDK for Python (docker) 5.0 or newer on the host, if O(docker_host) is not a V(unix://) URL"
"""
