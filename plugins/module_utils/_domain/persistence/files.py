# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stays on a host: plain files under /etc/fleetnet, and units that apply the same files at boot and for good.

Pure: contents and the decision what to write. There are two parts, each with files, a script, a service and a timer of
its own: the firewall (with the sysctls that it relies on) and the routes. A part's script serves the module, the boot
and the timer alike, so that what a module applies is what a reboot applies. It is shell, since it runs at boot, by a
timer, and where Ansible is not.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.compiler import (
    FORWARD_CHAIN,
    RAW_CHAIN,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.nft_table import TABLE
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.persistence.part import (
    FOLDER,
    ROUTE_PROTOCOL,
    STATE_FOLDER,
    Part,
)

FIREWALL = f"{FOLDER}/firewall.nft"
IPTABLES = f"{FOLDER}/iptables.rules"
IP6TABLES = f"{FOLDER}/ip6tables.rules"
# Copied to where firewalld looks for them; see _domain/firewalld.py.
FIREWALLD_POLICY = f"{FOLDER}/firewalld.fleetnet.xml"
FIREWALLD_ZONE = f"{FOLDER}/firewalld.fleetnet-own.xml"
FIREWALLD_IPSETS = {4: f"{FOLDER}/firewalld.fleetnet-own4.xml", 6: f"{FOLDER}/firewalld.fleetnet-own6.xml"}
ROUTES = f"{FOLDER}/routes"
SYSCTL = "/etc/sysctl.d/60-fleetnet.conf"
REASSERT_SECONDS = 15

_HEAD = r"""#!/bin/sh
# fleetnet.docker: applies the @PART@ of the fleet that Ansible has put beside this file. Do not edit; the next run of
# the playbook replaces it.
#
#   @SCRIPT@             apply
#   @SCRIPT@ --check     tell what differs, a line each; exit status 1 if anything does
#   @SCRIPT@ --reassert  check, tell, and apply where something differs
#   @SCRIPT@ --traces    tell what of it is in the kernel, a line each
#   @SCRIPT@ --remove    take that away
set -u
PATH=/usr/sbin:/usr/bin:/sbin:/bin
LC_ALL=C
export PATH LC_ALL
etc=@FOLDER@
state=@STATE_FOLDER@
"""

_TAIL = r"""
case "${1:-}" in
--check)
    found=$(check)
    [ -z "$found" ] || { echo "$found"; exit 1; }
    exit 0
    ;;
--traces) traces; exit ;;
esac
mkdir -p "$state" && chmod 0700 "$state" || exit 1
# the module, the boot and the timer take turns
exec 9> "$state/@PART@.lock" && flock 9 || exit 1
case "${1:-}" in
--reassert)
    found=$(check)
    [ -n "$found" ] || exit 0
    echo "$found"
    apply
    ;;
--remove)
    remove && rm -f "$state/@PART@"* && { rmdir "$state" 2>/dev/null || :; }
    ;;
*) apply ;;
esac
"""

_FIREWALL_BODY = r"""
check_sysctl() {
    grep -E '^[a-z]' @SYSCTL@ | while read -r key _ wanted; do
        found=$(sysctl -n "$key" 2>/dev/null)
        [ "$found" = "$wanted" ] || echo "sysctl: $key is ${found:-not there}, not $wanted"
    done
}

# What the kernel listed right after loading is what it has to list ever after.
list_tables() { nft -s list table ip @TABLE@; nft -s list table ip6 @TABLE@; } 2>/dev/null
drop_table() { ! nft list table "$1" @TABLE@ >/dev/null 2>&1 || nft delete table "$1" @TABLE@; }

# Chains: IPTABLES is iptables or ip6tables, and its file of rules is IPTABLES.rules.
list_chain() { "$1" -w -t "$2" -S "$3" 2>/dev/null; } # IPTABLES TABLE CHAIN
wanted_chain() { grep -qs "^:$2 " "$etc/$1.rules"; } # IPTABLES CHAIN
hooked() { [ "$("$1" -w -t "$2" -S "$3" 1 2>/dev/null)" = "-A $3 -j $4" ]; } # IPTABLES TABLE HOOK CHAIN
unhook() { while "$1" -w -t "$2" -D "$3" -j "$4" 2>/dev/null; do :; done; }
# DOCKER-USER, where it comes first. Somebody who flushes all of iptables takes it too, and only a restart of Docker
# brings it back; after a reload of firewalld, engines before 27 put their isolation before it. For IPv6 there is none
# where the engine writes no rules for it.
forward_hook() {
    list_chain "$1" filter DOCKER-USER >/dev/null && hooked "$1" filter FORWARD DOCKER-USER && echo DOCKER-USER ||
        echo FORWARD
}
each_chain() { # COMMAND; runs it with IPTABLES TABLE HOOK CHAIN
    for iptables in iptables ip6tables; do
        command -v $iptables >/dev/null || continue
        "$1" $iptables filter "$(forward_hook $iptables)" @FORWARD_CHAIN@ || return
        "$1" $iptables raw PREROUTING @RAW_CHAIN@ || return
    done
}

check_chain() {
    if wanted_chain "$1" "$4"; then
        list_chain "$1" "$2" "$4" | cmp -s - "$state/firewall.$1.$4" || echo "$1: chain $4 differs"
        hooked "$1" "$2" "$3" "$4" || echo "$1: the jump to $4 is not the first rule of $2 $3"
    elif list_chain "$1" "$2" "$4" >/dev/null; then
        echo "$1: chain $4 is not wanted"
    fi
}
apply_chain() {
    wanted_chain "$1" "$4" || { remove_chain "$@" && rm -f "$state/firewall.$1.$4"; return; }
    saved=$state/firewall.$1.$4
    list_chain "$1" "$2" "$4" > "$saved.new" && mv "$saved.new" "$saved" || return
    [ "$3" != DOCKER-USER ] || unhook "$1" filter FORWARD "$4"
    ! hooked "$1" "$2" "$3" "$4" || return 0
    unhook "$1" "$2" "$3" "$4"
    [ "$1 $3" != "iptables FORWARD" ] || list_chain "$1" filter DOCKER-USER >/dev/null ||
        echo "Docker's rules are gone: published ports need a restart of Docker"
    "$1" -w -t "$2" -I "$3" 1 -j "$4"
}
remove_chain() {
    list_chain "$1" "$2" "$4" >/dev/null || return 0
    unhook "$1" "$2" "$3" "$4"
    [ "$2" != filter ] || { unhook "$1" filter FORWARD "$4"; unhook "$1" filter DOCKER-USER "$4"; }
    "$1" -w -t "$2" -F "$4" && "$1" -w -t "$2" -X "$4"
}
trace_chain() { ! list_chain "$1" "$2" "$4" >/dev/null || echo "$1: chain $4"; }
load_chains() { # IPTABLES
    [ ! -f "$etc/$1.rules" ] || "$1-restore" -w --noflush < "$etc/$1.rules"
}

# firewalld reads its files when it starts and when it is told to. A reload makes dockerd write its rules anew, at its
# own pace, so ours come after that.
has_firewalld() { command -v firewall-cmd >/dev/null; }
each_firewalld_file() { # COMMAND; runs it with our file and firewalld's
    for file in ipsets/fleetnet-own4 ipsets/fleetnet-own6 zones/fleetnet-own policies/fleetnet; do
        "$1" "$etc/firewalld.${file#*/}.xml" "/etc/firewalld/$file.xml" || return
    done
}
reload_firewalld() { ! systemctl -q is-active firewalld || { firewall-cmd -q --reload && sleep 2; }; }
tell_difference() { cmp -s "$1" "$2" || echo "firewalld: ${2##*/} differs"; }
tell_file() { [ ! -f "$2" ] || echo "firewalld: ${2##*/}"; }
put_file() {
    mkdir -p "${2%/*}" && cp "$1" "$2.new" && chmod 0644 "$2.new" && mv "$2.new" "$2"
}
drop_file() { rm -f "$2"; }
check_firewalld() { ! has_firewalld || each_firewalld_file tell_difference; }
apply_firewalld() { [ -z "$(check_firewalld)" ] || { each_firewalld_file put_file && reload_firewalld; }; }
remove_firewalld() {
    [ -z "$(each_firewalld_file tell_file)" ] || { each_firewalld_file drop_file && reload_firewalld; }
}

traces() {
    list_tables | grep '^table'
    each_chain trace_chain
    each_firewalld_file tell_file
}
remove() {
    # the accepts first: what they let through is judged by the tables
    remove_firewalld && each_chain remove_chain && drop_table ip && drop_table ip6
}
check() {
    check_sysctl
    check_firewalld
    list_tables | cmp -s - "$state/firewall" || echo "nftables: table @TABLE@ differs"
    each_chain check_chain
}
apply() {
    sysctl -q -p @SYSCTL@ || return
    # the drops first, then the accepts that rely on them
    nft -f "$etc/firewall.nft" || return
    for ip in ip ip6; do
        grep -q "^table $ip " "$etc/firewall.nft" || drop_table $ip || return
    done
    list_tables > "$state/firewall.new"
    mv "$state/firewall.new" "$state/firewall" && apply_firewalld && load_chains iptables && load_chains ip6tables &&
        each_chain apply_chain
}
"""

_ROUTES_BODY = r"""
list_routes() { for family in -4 -6; do ip $family route show proto @ROUTE_PROTOCOL@; done; }
compare() { # prints "missing ROUTE" and "unwanted ROUTE"
    { awk '$1 == "route" { print "wanted", $3, $4, $5 }' "$etc/routes" && list_routes | sed 's/^/found /'; } | awk '
        # a route that leads nowhere has no more than type and destination; for IPv6 a link is printed besides
        { route = $2 " " $3 ($2 ~ /^(blackhole|unreachable|prohibit)$/ ? "" : " " $4) }
        $1 == "wanted" { wanted[route] = 1 }
        $1 == "found" { found[route] = 1 }
        END {
            for (route in wanted) if (!(route in found)) print "missing", route
            for (route in found) if (!(route in wanted)) print "unwanted", route
        }' | sort
}

traces() { list_routes | sed 's/^/route: /'; }
remove() { for family in -4 -6; do ip $family route flush proto @ROUTE_PROTOCOL@ || return; done; }
check() { compare | sed 's/^/routes: /'; }
apply() {
    # replacing comes first: a route that only changes its gateway is never gone in between
    ip -force -batch "$etc/routes" &&
        compare | awk '$1 == "unwanted" { print "route del", $2, $3, $4, "proto @ROUTE_PROTOCOL@" }' |
        ip -force -batch -
}
"""

_SERVICE = """# Written by fleetnet.docker.
[Unit]
Description=Fleet of Docker hosts: @PART@
Wants=network-online.target
After=network-online.target docker.service @AFTER@
PartOf=docker.service @PART_OF@

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=@SCRIPT@

[Install]
WantedBy=multi-user.target docker.service
"""

_REASSERT = """# Written by fleetnet.docker.
[Unit]
Description=Fleet of Docker hosts: re-assert the @PART@
After=@SERVICE@ @FLUSHED_BY@

[Service]
Type=oneshot
ExecStart=@SCRIPT@ --reassert
"""

# A unit that others' starts pull in, and that itself is started for a moment only, is no part of a conflict between
# these others (firewalld's with nftables).
_REASSERT_INSTALL = """
[Install]
WantedBy=@FLUSHED_BY@
"""

_TIMER = """# Written by fleetnet.docker.
[Unit]
Description=Fleet of Docker hosts: re-assert the @PART@ every @SECONDS@ seconds

[Timer]
OnActiveSec=@SECONDS@
OnUnitActiveSec=@SECONDS@
AccuracySec=1

[Install]
WantedBy=timers.target
"""


class File(t.NamedTuple):
    """A file as it shall be: text and mode."""

    text: str
    mode: int = 0o644


_BODIES = {"firewall": _FIREWALL_BODY, "routes": _ROUTES_BODY}


def part_files(part: Part) -> dict[str, File]:
    """The part's script and units by path."""
    units = "/etc/systemd/system"
    install = _REASSERT_INSTALL if part.flushed_by else ""
    texts = {
        part.script: _HEAD + _BODIES[part.name] + _TAIL,
        f"{units}/{part.service}": _SERVICE,
        f"{units}/{part.reassert}": _REASSERT + install,
        f"{units}/{part.timer}": _TIMER,
    }
    return {path: File(_filled(text, part), 0o755 if path == part.script else 0o644) for path, text in texts.items()}


def _filled(text: str, part: Part) -> str:
    for name, value in {
        "AFTER": part.after,
        "FLUSHED_BY": part.flushed_by,
        "FOLDER": FOLDER,
        "FORWARD_CHAIN": FORWARD_CHAIN,
        "PART": part.name,
        "PART_OF": part.part_of,
        "RAW_CHAIN": RAW_CHAIN,
        "ROUTE_PROTOCOL": str(ROUTE_PROTOCOL),
        "SCRIPT": part.script,
        "SECONDS": str(REASSERT_SECONDS),
        "SERVICE": part.service,
        "STATE_FOLDER": STATE_FOLDER,
        "SYSCTL": SYSCTL,
        "TABLE": TABLE,
    }.items():
        text = text.replace(f"@{name}@", value)
    return text


@dataclasses.dataclass(frozen=True)
class ObservedFiles:
    """A host's files as they are (None: not there), what differs in the kernel, and units that do not run.

    ``drift`` is what the part's script says to ``--check``, or, where all shall be gone, to ``--traces``.
    """

    files: t.Mapping[str, str | None]
    drift: tuple[str, ...] = ()
    idle_units: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class FilesPlan:
    """What to write, in this order, what to delete, and whether to apply. ``before`` is for the diff."""

    write: t.Mapping[str, File]
    delete: tuple[str, ...]
    drift: tuple[str, ...]
    enable: tuple[str, ...]
    before: t.Mapping[str, str | None]
    removal: bool = False

    @property
    def changed(self) -> bool:
        return bool(self.write or self.delete or self.drift or self.enable)

    def diff(self) -> list[dict[str, str]]:
        """Ansible's form: one entry a file, and one for what differs in the kernel."""
        entries = []
        for path in [*self.write, *self.delete]:
            after = self.write[path].text if path in self.write else ""
            entries.append(
                {"before_header": path, "after_header": path, "before": self.before.get(path) or "", "after": after}
            )
        for header, lines in (("kernel", self.drift), ("units", tuple(f"{unit} does not run" for unit in self.enable))):
            if lines:
                before = "".join(f"{line}\n" for line in lines)
                entries.append({"before_header": header, "after_header": header, "before": before, "after": ""})
        return entries


def plan_files(desired: t.Mapping[str, File | None], observed: ObservedFiles) -> FilesPlan:
    """Compare the files that a module wants (None: no such file) with the host. Drift in the kernel is a change too."""
    write = {path: file for path, file in desired.items() if file and observed.files.get(path) != file.text}
    delete = tuple(path for path, file in desired.items() if not file and observed.files.get(path) is not None)
    removal = not any(desired.values())
    return FilesPlan(write, delete, observed.drift, observed.idle_units, dict(observed.files), removal)
