# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The body of the script that checks, applies and removes the firewall of a host."""

from __future__ import annotations

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.filled_sets import PREFIX
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall.names import (
    FIREWALLD_FILES,
    FORWARD_CHAIN,
    NFT_FILE,
    RAW_CHAIN,
    SYSCTL_FILE,
    TABLE,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.persistence.files import Script
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.persistence.part import NOT_RUNNING

_BODY = r"""
etc=@FOLDER@

each_sysctl() { # COMMAND; runs it with KEY DECLARED OBSERVED for each setting that differs
    grep -E '^[a-z]' @SYSCTL_FILE@ | while read -r key _ declared; do
        observed=$(sysctl -n "$key" 2>/dev/null)
        [ "$observed" = "$declared" ] || "$1" "$key" "$declared" "$observed" || exit
    done
}
check_sysctl() { difference sysctl "$1" value "$2" "$3"; }
# dockerd sets the policy of FORWARD to DROP when it enables forwarding itself, and only then. So forwarding is enabled
# after dockerd started, and if dockerd did not enable it (ip-forward: false), the policy is set here. If this part was
# applied since the host started, forwarding was on before, with the policy that FORWARD still has.
apply_sysctl() {
    case $1 in net.ipv6.*) iptables=ip6tables ;; *) iptables=iptables ;; esac
    applied || ! command -v $iptables >/dev/null ||
        ! list_chain $iptables filter DOCKER-USER >/dev/null || $iptables -w -P FORWARD DROP || return
    sysctl -q -w "$1=$2"
}

# A table or chain is as planned while the kernel lists it as in a network namespace with nothing but the files loaded.
# What the kernel lists right after loading may include changes by another program, so it is used only if the host
# cannot create a namespace.
record() { # FILE LISTED COMMAND... ; LISTED is a command for a new namespace, COMMAND lists what the host has
    saved=$1 listed=$2
    shift 2
    { unshare --net sh -c "$listed" 2>/dev/null || "$@"; } > "$saved.all" &&
        without_owner < "$saved.all" > "$saved.new" && mv "$saved.new" "$saved" && rm -f "$saved.all"
}

# Tables: FAMILY is ip, ip6 or bridge. What the reconciler adds is left out: its ownership, and the elements of sets
# whose names begin with @ENDPOINT@. The rules of a dormant table do not apply.
without_owner() {
    awk '
        /^table / { sub(/ # progname .*/, "") }
        /^\tflags / || /^$/ { if (/dormant/) print "\tflags dormant"; next }
        /^\t(set|map) / { filled = index($2, "@ENDPOINT@") == 1 }
        /^\tchain / { combined = index($2, "@ENDPOINT@") == 1 }
        filled && /^\t\telements = / { elements = 1 }
        !elements && !combined { print }
        /^\t}$/ { combined = 0 }
        /}$/ { elements = 0 }'
}
# What the tables and chains are made from. An application deletes its record first and writes it last: without the
# record of these files, they may not be applied.
recorded() { applied && inputs | cmp -s - "$state/@PART@.inputs"; }
inputs() {
    sha256sum "$etc/apply-@PART@" @NFT_FILE@ "$etc/iptables.rules" "$etc/ip6tables.rules" 2>/dev/null | sha256sum
}
list_table() { # FAMILY
    listed=$(nft -s list table "$1" @TABLE@ 2>/dev/null) || return
    echo "$listed" | without_owner
}
# The reconciler owns the tables. Without it they have no owner.
reconciler() { # COMMAND OTHERWISE...; OTHERWISE runs if there is no reconciler
    command=$1
    shift
    "$etc/reconciler" "$command" 2>"$state/@PART@.error"
    case $? in
    0) ;;
    @NOT_RUNNING@ | 126 | 127) "$@" ;;
    *) cat "$state/@PART@.error" >&2; return 1 ;;
    esac
}
load_tables() { reconciler load nft -f @NFT_FILE@; }
release_tables() { reconciler release true; }
each_table() { for family in @FAMILIES@; do "$1" $family || return; done; } # COMMAND
wanted_table() { grep -q "^table $1 " @NFT_FILE@; }
check_table() {
    if wanted_table "$1"; then
        { [ "$complete" ] && list_table "$1" | cmp -s - "$state/firewall.$1"; } ||
            differs table "$1 @TABLE@" list_table "$1"
    else
        find_table "$1"
    fi
}
find_table() { ! list_table "$1" >/dev/null || unexpected table "$1 @TABLE@"; }
apply_table() { wanted_table "$1" || { remove_table "$1" && rm -f "$state/firewall.$1"; }; }
record_table() {
    ! wanted_table "$1" ||
        record "$state/firewall.$1" "nft -f @NFT_FILE@ && nft -s list table $1 @TABLE@" list_table "$1"
}
remove_table() { ! list_table "$1" >/dev/null || nft delete table "$1" @TABLE@; }

# Chains: IPTABLES is iptables or ip6tables. The rules are in the file IPTABLES.rules.
list_chain() { "$1" -w -t "$2" -S "$3" 2>/dev/null; } # IPTABLES TABLE CHAIN
wanted_chain() { grep -qs "^:$2 " "$etc/$1.rules"; } # IPTABLES CHAIN
has_jump() { "$1" -w -t "$2" -C "$3" -j "$4" 2>/dev/null; } # IPTABLES TABLE HOOK CHAIN
jumps_first() { [ "$("$1" -w -t "$2" -S "$3" 1 2>/dev/null)" = "-A $3 -j $4" ]; }
remove_jumps() { while "$1" -w -t "$2" -D "$3" -j "$4" 2>/dev/null; do :; done; }
# DOCKER-USER, if it is the first rule of FORWARD. A flush of all iptables rules removes it, and only a restart of
# Docker restores it. After a reload of firewalld, engines before 27 insert their isolation before it. In ip6tables it
# is absent if the engine writes no IPv6 rules. The fleet's own jump in FORWARD does not count.
forward_hook() {
    list_chain "$1" filter DOCKER-USER >/dev/null &&
        [ "$(list_chain "$1" filter FORWARD | grep '^-A' | grep -v -e '-j @FORWARD_CHAIN@$' | head -n 1)" = \
            "-A FORWARD -j DOCKER-USER" ] && echo DOCKER-USER || echo FORWARD
}
each_chain() { # COMMAND; runs it with IPTABLES TABLE HOOK CHAIN
    for iptables in iptables ip6tables; do
        command -v $iptables >/dev/null || continue
        "$1" $iptables filter "$(forward_hook $iptables)" @FORWARD_CHAIN@ || return
        "$1" $iptables raw PREROUTING @RAW_CHAIN@ || return
    done
}

check_chain() {
    wanted_chain "$1" "$4" || { find_chain "$@"; return; }
    { [ "$complete" ] && list_chain "$1" "$2" "$4" | cmp -s - "$state/firewall.$1.$4"; } ||
        differs chain "$1 $4" list_chain "$1" "$2" "$4"
    if ! has_jump "$@"; then
        missing jump "$1 $3 -> $4"
    elif ! jumps_first "$@"; then
        difference jump "$1 $3 -> $4" @POSITION@ '@FIRST@' 'later rule'
    fi
    # from a time when DOCKER-USER was not the first rule of FORWARD
    [ "$3" != DOCKER-USER ] || ! has_jump "$1" filter FORWARD "$4" || unexpected jump "$1 FORWARD -> $4"
}
find_chain() { ! list_chain "$1" "$2" "$4" >/dev/null || unexpected chain "$1 $4"; }
apply_chain() {
    wanted_chain "$1" "$4" || { remove_chain "$@" && rm -f "$state/firewall.$1.$4"; return; }
    [ "$3" != DOCKER-USER ] || remove_jumps "$1" filter FORWARD "$4"
    ! jumps_first "$@" || return 0
    remove_jumps "$@"
    [ "$1 $3" != "iptables FORWARD" ] || list_chain "$1" filter DOCKER-USER >/dev/null ||
        echo "Docker's iptables rules are missing. Restart Docker to restore published ports."
    "$1" -w -t "$2" -I "$3" 1 -j "$4"
}
record_chain() {
    ! wanted_chain "$1" "$4" ||
        record "$state/firewall.$1.$4" "$1-restore -w --noflush < $etc/$1.rules && $1 -w -t $2 -S $4" \
            list_chain "$1" "$2" "$4"
}
remove_chain() {
    list_chain "$1" "$2" "$4" >/dev/null || return 0
    remove_jumps "$@"
    [ "$2" != filter ] || { remove_jumps "$1" filter FORWARD "$4"; remove_jumps "$1" filter DOCKER-USER "$4"; }
    "$1" -w -t "$2" -F "$4" && "$1" -w -t "$2" -X "$4"
}
load_chains() { # IPTABLES
    [ ! -f "$etc/$1.rules" ] || "$1-restore" -w --noflush < "$etc/$1.rules"
}

# firewalld reads its files at start and on reload. After a reload dockerd rewrites its rules asynchronously, so the
# chains of this collection come after that.
has_firewalld() { command -v firewall-cmd >/dev/null; }
each_firewalld_file() { # COMMAND; runs it with the planned file and firewalld's
    for file in @FIREWALLD_FILES@; do
        "$1" "$etc/firewalld.${file#*/}.xml" "/etc/firewalld/$file.xml" || return
    done
}
reload_firewalld() {
    ! systemctl -q is-active firewalld || { firewall-cmd -q --reload && sleep 2; } || return
    rm -f "$state/@PART@.reload"
}
check_file() { cmp -s "$1" "$2" || differs firewalld "${2#/etc/firewalld/}" test -f "$2"; }
find_file() { [ ! -f "$2" ] || unexpected firewalld "${2#/etc/firewalld/}"; }
install_file() {
    mkdir -p "${2%/*}" && cp "$1" "$2.new" && chmod 0644 "$2.new" && mv "$2.new" "$2"
}
remove_file() { rm -f "$2"; }
check_firewalld() { ! has_firewalld || each_firewalld_file check_file; }
apply_firewalld() {
    # a run that was killed may have installed the files only
    [ -z "$(check_firewalld)" ] && [ ! -e "$state/@PART@.reload" ] && return
    : > "$state/@PART@.reload" && each_firewalld_file install_file && reload_firewalld
}
remove_firewalld() {
    [ -z "$(each_firewalld_file find_file)" ] || { each_firewalld_file remove_file && reload_firewalld; }
}

check() {
    complete=$(recorded && echo yes)
    each_sysctl check_sysctl
    check_firewalld
    for family in @FAMILIES@; do check_table $family; done
    each_chain check_chain
}
traces() {
    for family in @FAMILIES@; do find_table $family; done
    each_chain find_chain
    each_firewalld_file find_file
}
# Whether a repair leaves the tables alone: they are not among the differences, and no other program can have changed
# what a check does not compare, the elements.
keeps_tables() {
    [ -n "${found-}" ] && recorded && ! echo "$found" | grep -q '^table' && each_table owned
}
owned() { ! wanted_table "$1" || nft -s list table "$1" @TABLE@ 2>/dev/null | grep -q '^.flags .*owner'; }
# Only tables that were loaded are compared and recorded.
as_recorded() {
    complete=yes
    ! { [ "$kept" ] || each_table check_table; each_chain check_chain; } | grep -q "@CONTENT@"
}
apply() {
    applying=$(inputs) && { recorded || rm -f "$state/@PART@.inputs"; } && kept=$(! keeps_tables || echo yes) &&
        # first the drops, then the accepts that rely on them
        each_sysctl apply_sysctl && { [ "$kept" ] || load_tables; } && each_table apply_table && apply_firewalld &&
        load_chains iptables && load_chains ip6tables && each_chain apply_chain || return
    # Records last: they take as long as all changes together, and no packet waits for them. They are made again only
    # if the kernel lists what was loaded in another form, as after an upgrade of nft or iptables.
    ! { recorded && as_recorded; } || return 0
    rm -f "$state/@PART@.inputs" && { [ "$kept" ] || each_table record_table; } && each_chain record_chain &&
        echo "$applying" > "$state/@PART@.inputs.new" && mv "$state/@PART@.inputs.new" "$state/@PART@.inputs"
}
remove() {
    # first the accepts: the tables drop what they would let through
    remove_firewalld && each_chain remove_chain && release_tables && each_table remove_table
}
"""

SCRIPT = Script(
    _BODY,
    {
        "ENDPOINT": PREFIX,
        "FAMILIES": "ip ip6 bridge",
        "FIREWALLD_FILES": " ".join(FIREWALLD_FILES),
        "FORWARD_CHAIN": FORWARD_CHAIN,
        "NFT_FILE": NFT_FILE,
        "NOT_RUNNING": str(NOT_RUNNING),
        "RAW_CHAIN": RAW_CHAIN,
        "SYSCTL_FILE": SYSCTL_FILE,
        "TABLE": TABLE,
    },
)
