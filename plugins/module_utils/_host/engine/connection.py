# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Connecting to the Docker engine: the connection options of the modules, and the engine that they lead to."""

from __future__ import annotations

import os

from ansible.module_utils.basic import env_fallback

from ansible_collections.fleetnet.docker.plugins.module_utils._host.engine.port import Engine, Json

DEFAULT_SOCKET = "unix:///var/run/docker.sock"


def _in_cert_folder(name: str) -> str:
    """The path at which Docker's own client reads the file ``name``; a fallback like ``env_fallback``."""
    return os.path.join(str(env_fallback("DOCKER_CERT_PATH")), name)


def engine_argument_spec() -> Json:
    """The connection options of modules that use the engine, with the names that community.docker uses."""
    return {
        "docker_host": {
            "type": "str",
            "default": DEFAULT_SOCKET,
            "fallback": (env_fallback, ["DOCKER_HOST"]),
            "aliases": ["docker_url"],
        },
        "tls": {"type": "bool", "default": False, "fallback": (env_fallback, ["DOCKER_TLS"])},
        "validate_certs": {
            "type": "bool",
            "default": False,
            "fallback": (env_fallback, ["DOCKER_TLS_VERIFY"]),
            "aliases": ["tls_verify"],
        },
        "tls_hostname": {"type": "str", "fallback": (env_fallback, ["DOCKER_TLS_HOSTNAME"])},
        "ca_path": {
            "type": "path",
            "fallback": (_in_cert_folder, ["ca.pem"]),
            "aliases": ["ca_cert", "tls_ca_cert", "cacert_path"],
        },
        "client_cert": {
            "type": "path",
            "fallback": (_in_cert_folder, ["cert.pem"]),
            "aliases": ["tls_client_cert", "cert_path"],
        },
        "client_key": {
            "type": "path",
            "fallback": (_in_cert_folder, ["key.pem"]),
            "aliases": ["tls_client_key", "key_path"],
        },
        "api_version": {
            "type": "str",
            "default": "auto",
            "fallback": (env_fallback, ["DOCKER_API_VERSION"]),
            "aliases": ["docker_api_version"],
        },
        "timeout": {"type": "int", "default": 60, "fallback": (env_fallback, ["DOCKER_TIMEOUT"])},
    }


def connect(params: Json) -> Engine:
    """Connect with a module's parameters (:func:`engine_argument_spec`); raises EngineError if that fails."""
    scheme, found, path = params["docker_host"].partition("://")
    # Not every run needs the engine, and importing the SDK takes a third of a module's time.
    if found and scheme in ("unix", "http+unix"):
        from ansible_collections.fleetnet.docker.plugins.module_utils._host.engine.unix_socket import connect_to_socket

        return connect_to_socket(f"/{path.lstrip('/')}", params["timeout"], params["api_version"])
    from ansible_collections.fleetnet.docker.plugins.module_utils._host.engine.sdk import connect_by_sdk

    return connect_by_sdk(params)
