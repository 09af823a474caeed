# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files for firewalld: a policy, a zone, and the address sets that are the sources of the zone. Pure.

After Docker's chains, firewalld rejects packets that are forwarded from or to an unknown zone, for example a reply of
a container to another host. It must accept what the collection's table filters: all between the fleet's addresses, and
all from or to the declared networks of this host. What the table drops does not reach firewalld.

The policy accepts it. The zone, whose sources are this host's networks, activates the policy: firewalld 2 applies
policies only between active zones, and Docker's zone is not active if firewalld starts after dockerd. Like Docker's
zone, it accepts packets from containers to the host.
"""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.addressing import Prefix
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.names import (
    FIREWALLD_IPSETS,
    FIREWALLD_ZONE,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.policy import Policy

_HEAD = """\
<?xml version="1.0" encoding="utf-8"?>
<!-- Written by fleetnet.docker: accepts what nftables table fleetnet filters. -->
<policy priority="-100" target="CONTINUE">
  <short>fleetnet</short>
  <description>Traffic of the fleet's containers, which nftables table fleetnet filters.</description>
  <ingress-zone name="ANY"/>
  <egress-zone name="ANY"/>
"""
_TAIL = "</policy>\n"

ZONE_FILE = f"""\
<?xml version="1.0" encoding="utf-8"?>
<!-- Written by fleetnet.docker: the declared networks of this host. -->
<zone target="ACCEPT">
  <short>{FIREWALLD_ZONE}</short>
  <description>Containers on the declared networks of this host.</description>
  <source ipset="{FIREWALLD_IPSETS[4]}"/>
  <source ipset="{FIREWALLD_IPSETS[6]}"/>
</zone>
"""


def ipset_file(version: int, own: t.Sequence[Prefix]) -> str:
    """The text of ``/etc/firewalld/ipsets/fleetnet-own4.xml`` or ``fleetnet-own6.xml``: the host's declared subnets."""
    entries = [f"  <entry>{subnet}</entry>\n" for subnet in sorted(own) if subnet.version == version]
    return f"""\
<?xml version="1.0" encoding="utf-8"?>
<!-- Written by fleetnet.docker: the declared networks of this host. -->
<ipset type="hash:net">
  <option name="family" value="{"inet" if version == 4 else "inet6"}"/>
{"".join(entries)}</ipset>
"""


def policy_file(policy: Policy, own: t.Sequence[Prefix]) -> str:
    """The text of ``/etc/firewalld/policies/fleetnet.xml``: two rules per network of the host (``own`` subnets)."""
    rules: list[str] = []
    for family in policy.families:
        supernet = family.supernet
        rules.append(_rule(supernet, supernet))
        # pinned subnets of other hosts, and docker0 of this host
        for subnet in family.pinned:
            if subnet not in own:
                rules += [_rule(supernet, subnet), _rule(subnet, supernet)]
        for subnet in sorted(own):
            if subnet.version == family.version:
                rules += [_rule(subnet, None), _rule(None, subnet)]
    return _HEAD + "".join(rules) + _TAIL


def _rule(source: Prefix | None, target: Prefix | None) -> str:
    version = (source or target or Prefix(4, 0, 0)).version
    ends = [f'    <{name} address="{end}"/>\n' for name, end in (("source", source), ("destination", target)) if end]
    return f'  <rule family="ipv{version}">\n{"".join(ends)}    <accept/>\n  </rule>\n'
