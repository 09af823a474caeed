# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The names of the variables that users write: their prefix, those of the declaration, and those that steer a run."""

from __future__ import annotations

PREFIX = "docker_fleet_"

# The variables of the declaration, without their prefix.
FLEET_KEYS = (
    "adopt",
    "backend",
    "cloud_metadata",
    "default_bridge",
    "host_prefix_length",
    "host_prefix_length_v6",
    "isolate_spoofing",
    "network_prefix_length",
    "networks",
    "policy",
    "public_supernet",
    "remote_api",
    "reservations",
    "supernet",
    "supernet_v6",
)
HOST_KEYS = (
    "host_default_bridge",
    "host_networks",
    "link",
    "other_addresses",
    "underlay_address",
    "underlay_address_v6",
)
# Variables with the prefix that steer a run and do not belong to the declaration.
RUN_KEYS = (
    "allow_disconnect",
    "allow_restart",
    "confirm",
    "confirm_timeout",
    "group",
    "import_file",
    "lock_file",
    "observed",
    "on_drift",
    "plan",
    "plan_gather",
    "plan_group",
    "plan_json_file",
    "plan_lock_file",
    "plan_markdown_file",
    "plan_observed",
    "plan_reclaim",
    "plan_removed",
    "plan_renumber",
    "plan_show",
    "plan_without",
    "plan_write_lock",
    "probes",
    "prune",
    "reclaim",
    "remove",
    "remove_unreachable",
    "renumber",
    "report_dir",
    "rollback_to",
    "run_wait",
    "state",
    "verify",
    "verify_from",
)
