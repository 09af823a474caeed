# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The body of the script that checks, applies and removes the routes to the other hosts, and bridges' addresses."""

from __future__ import annotations

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.constants import ROUTE_PROTOCOL
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.persistence.files import Script
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.routes.bridge_addresses import ADDRESSES_FILE
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.routes.routes import ROUTES_FILE

_BODY = r"""
# A route is printed as DESTINATION via GATEWAY.
planned_routes() { awk '$1 == "route" { print $3, $4, $5 }' @FILE@; }
list_routes() {
    # a blackhole and its like have only a type and a destination; for IPv6 an interface follows; next hops of one route
    # follow on lines of their own
    for family in -4 -6; do ip $family route show proto @PROTOCOL@; done |
        awk '$1 != "nexthop" { print $1, $2 ($1 ~ /^(blackhole|unreachable|prohibit)$/ ? "" : " " $3) }'
}
compare() { # prints "missing ROUTE" and "unexpected ROUTE"
    { planned_routes | sed 's/^/+/'; list_routes | sed 's/^/-/'; } | awk '
        /^[+]/ { planned[substr($0, 2)] = 1 }
        /^-/ { found[substr($0, 2)] = 1 }
        END {
            for (route in planned) if (!(route in found)) print "missing", route
            for (route in found) if (!(route in planned)) print "unexpected", route
        }' | sort
}
# The kernel removes the IPv6 addresses of a bridge that goes down. The engine sets a bridge up last, so that a bridge
# that is down may not be complete.
missing_addresses() { # prints "ADDRESS dev BRIDGE"
    [ -e @ADDRESSES@ ] || return 0
    { ip -o link show up type bridge && ip -o address show up type bridge; } | awk '
        NR == FNR { if ($1 == "address") identified[$2] = $4; next }
        { sub(/:$/, "", $2) }
        $3 ~ /^</ { bridge[$2] = $2; next }
        { bridge[$4] = $2; found[$4, $2] = 1 }
        END {
            for (address in identified) {
                name = bridge[identified[address]]
                if (name != "" && !((address, name) in found)) print address, "dev", name
            }
        }' @ADDRESSES@ - | sort
}

check() {
    compare | while read -r which route; do "$which" route "$route"; done
    missing_addresses | while read -r address; do missing address "$address"; done
}
traces() { list_routes | while read -r route; do unexpected route "$route"; done; }
apply() {
    # replace first: a route whose gateway changes is never absent
    ip -force -batch @FILE@ &&
        compare | sed -n 's/^unexpected \(.*\)/route del \1 proto @PROTOCOL@/p' | ip -force -batch - &&
        missing_addresses | sed 's/.*/address replace & nodad/' | ip -force -batch -
}
remove() { for family in -4 -6; do ip $family route flush proto @PROTOCOL@ || return; done; }
"""

SCRIPT = Script(_BODY, {"ADDRESSES": ADDRESSES_FILE, "FILE": ROUTES_FILE, "PROTOCOL": str(ROUTE_PROTOCOL)})
