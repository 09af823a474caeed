# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of what this collection adds to a host's firewall: table, chains, mark, files."""

from __future__ import annotations

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.persistence.part import FOLDER

# The nftables table, one for each IP version, and one for frames within bridges.
TABLE = "fleetnet"
TABLES = {4: f"ip {TABLE}", 6: f"ip6 {TABLE}"}
BRIDGE_TABLE = f"bridge {TABLE}"

# Chains of iptables and ip6tables.
CHAIN_PREFIX = "FLEETNET-"
FORWARD_CHAIN = f"{CHAIN_PREFIX}FORWARD"
RAW_CHAIN = f"{CHAIN_PREFIX}RAW"

# The mark of packets that the table allows: one bit that neither Kubernetes (0x4000, 0x8000), Tailscale (0xff0000) nor
# Cilium (0x0f00) uses.
MARK = 0x2000000

# firewalld's objects. The address sets are by IP version.
FIREWALLD_POLICY = "fleetnet"
FIREWALLD_ZONE = "fleetnet-own"
FIREWALLD_IPSETS = {4: f"{FIREWALLD_ZONE}4", 6: f"{FIREWALLD_ZONE}6"}
# Their files below /etc/firewalld, without extension. An address set comes before the zone that uses it.
FIREWALLD_FILES = (
    *(f"ipsets/{name}" for name in FIREWALLD_IPSETS.values()),
    f"zones/{FIREWALLD_ZONE}",
    f"policies/{FIREWALLD_POLICY}",
)

# The compiled rules, as files on the host.
NFT_FILE = f"{FOLDER}/firewall.nft"
IPTABLES_FILE = f"{FOLDER}/iptables.rules"
IP6TABLES_FILE = f"{FOLDER}/ip6tables.rules"
SYSCTL_FILE = f"{FOLDER}/sysctl.conf"
# systemd applies it before dockerd starts, as dockerd requires with the nftables backend.
EARLY_SYSCTL_FILE = "/etc/sysctl.d/60-fleetnet.conf"


def firewalld_file(name: str) -> str:
    """Path of the file of a firewalld object. The firewall's script copies it to /etc/firewalld."""
    return f"{FOLDER}/firewalld.{name}.xml"
