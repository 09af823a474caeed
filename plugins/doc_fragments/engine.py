# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The connection options that every module with an engine connection has."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  docker_host:
    description:
      - The URL of the Docker engine's API. V(unix://), V(tcp://) with TLS and V(ssh://) URLs are understood.
      - V(ssh://) goes by the host's own C(ssh), with the keys and known hosts of the user there. The Docker SDK needs
        the Python library C(paramiko) for it all the same.
      - If not set, the environment variable E(DOCKER_HOST) is used.
    type: str
    default: unix:///var/run/docker.sock
    aliases: [docker_url]
  tls:
    description:
      - Connect by TLS without verifying the engine's certificate. O(validate_certs=true) takes precedence.
      - If not set, the environment variable E(DOCKER_TLS) is used.
    type: bool
    default: false
  validate_certs:
    description:
      - Connect by TLS and verify the engine's certificate.
      - If not set, the environment variable E(DOCKER_TLS_VERIFY) is used.
    type: bool
    default: false
    aliases: [tls_verify]
  tls_hostname:
    description:
      - The name that the engine's certificate has to be made out to, where that is not the host of O(docker_host).
      - If not set, the environment variable E(DOCKER_TLS_HOSTNAME) is used.
    type: str
  ca_path:
    description:
      - File with the certificates of the authorities that the engine's certificate is verified with.
      - If not set, it is C(ca.pem) in the folder that the environment variable E(DOCKER_CERT_PATH) names.
    type: path
    aliases: [ca_cert, tls_ca_cert, cacert_path]
  client_cert:
    description:
      - File with the client's TLS certificate. It is used with O(tls) or O(validate_certs).
      - If not set, it is C(cert.pem) in the folder that the environment variable E(DOCKER_CERT_PATH) names.
    type: path
    aliases: [tls_client_cert, cert_path]
  client_key:
    description:
      - File with the private key of O(client_cert).
      - If not set, it is C(key.pem) in the folder that the environment variable E(DOCKER_CERT_PATH) names.
    type: path
    aliases: [tls_client_key, key_path]
  api_version:
    description:
      - The version of the engine's API to speak. V(auto) takes the newest that both sides know.
      - If not set, the environment variable E(DOCKER_API_VERSION) is used.
    type: str
    default: auto
    aliases: [docker_api_version]
  timeout:
    description:
      - Seconds to wait for an answer of the engine.
      - If not set, the environment variable E(DOCKER_TIMEOUT) is used.
    type: int
    default: 60
requirements:
  - "Docker engine 20.10 or newer on the host"
  - "Docker SDK for Python (docker) 5.0 or newer on the host"
"""
