# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stays on a host: plain files under /etc/fleetnet, and units that apply the same files at boot and for good.

Pure: contents and the decision what to write. ``apply`` is one script for the modules, the boot and the timer, so that
what a module applies is what a reboot applies. It is a shell script since it runs at boot, every half minute, and where
Ansible is not.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.firewall import (
    FORWARD_CHAIN,
    RAW_CHAIN,
    TABLE,
)

FOLDER = "/etc/fleetnet"
STATE_FOLDER = "/var/lib/fleetnet"
APPLY = f"{FOLDER}/apply"
FIREWALL = f"{FOLDER}/firewall.nft"
IPTABLES = f"{FOLDER}/iptables.rules"
ROUTES = f"{FOLDER}/routes"
SYSCTL = "/etc/sysctl.d/60-fleetnet.conf"
UNIT = "fleetnet.service"
TIMER = "fleetnet-reassert.timer"
# Not in /etc/iproute2/rt_protos and not used by bird (12), FRR (186 to 196), babel (42) or openr (99).
ROUTE_PROTOCOL = 213
REASSERT_SECONDS = 30

_SCRIPT = r"""#!/bin/sh
# fleetnet.docker: applies what Ansible has put beside this file. Do not edit; the next run of the playbook replaces it.
#
#   apply [PART ...]             apply
#   apply --check [PART ...]     tell what differs, a line each; exit status 1 if anything does
#   apply --reassert [PART ...]  check, tell, and apply where something differs
# Parts: sysctl firewall routes; all of them if none is named. A part without a file here is left alone.
set -u
PATH=/usr/sbin:/usr/bin:/sbin:/bin
LC_ALL=C
export PATH LC_ALL
etc=@FOLDER@
state=@STATE_FOLDER@
mode=apply
case "${1:-}" in --check | --reassert) mode=${1#--}; shift ;; esac
[ $# -gt 0 ] || set -- sysctl firewall routes

# --- sysctl
check_sysctl() {
    [ -f @SYSCTL@ ] || return 0
    grep -E '^[a-z]' @SYSCTL@ | while read -r key _ wanted; do
        found=$(sysctl -n "$key" 2>/dev/null)
        [ "$found" = "$wanted" ] || echo "sysctl: $key is ${found:-not there}, not $wanted"
    done
}
apply_sysctl() {
    [ ! -f @SYSCTL@ ] || sysctl -q -p @SYSCTL@
}

# --- firewall: what the kernel listed right after loading is what it has to list ever after
list_table() { nft -s list table ip @TABLE@ 2>/dev/null; }
list_chain() { iptables -w -t "$1" -S "$2" 2>/dev/null; }
wanted_chain() { grep -qs "^:$1 " "$etc/iptables.rules"; }
hooked() { [ "$(iptables -w -t "$1" -S "$2" 1 2>/dev/null)" = "-A $2 -j $3" ]; }
unhook() { while iptables -w -t "$1" -D "$2" -j "$3" 2>/dev/null; do :; done; }
check_chain() { # TABLE, CHAIN of others, our CHAIN
    if wanted_chain "$3"; then
        list_chain "$1" "$3" | cmp -s - "$state/iptables.$3" || echo "iptables: chain $3 differs"
        hooked "$1" "$2" "$3" || echo "iptables: the jump to $3 is not the first rule of $1 $2"
    elif list_chain "$1" "$3" >/dev/null; then
        echo "iptables: chain $3 is not wanted"
    fi
}
check_firewall() {
    [ -f "$etc/firewall.nft" ] || return 0
    list_table | cmp -s - "$state/firewall" || echo "nftables: table ip @TABLE@ differs"
    check_chain filter DOCKER-USER @FORWARD_CHAIN@
    check_chain raw PREROUTING @RAW_CHAIN@
}
apply_chain() {
    if wanted_chain "$3"; then
        list_chain "$1" "$3" > "$state/iptables.$3.new" && mv "$state/iptables.$3.new" "$state/iptables.$3"
        if ! hooked "$1" "$2" "$3"; then
            unhook "$1" "$2" "$3"
            iptables -w -t "$1" -I "$2" 1 -j "$3"
        fi
    elif list_chain "$1" "$3" >/dev/null; then
        unhook "$1" "$2" "$3"
        iptables -w -t "$1" -F "$3" && iptables -w -t "$1" -X "$3"
        rm -f "$state/iptables.$3"
    fi
}
apply_firewall() {
    [ -f "$etc/firewall.nft" ] || return 0
    # the drops first, then the accepts that rely on them
    nft -f "$etc/firewall.nft" || return 1
    list_table > "$state/firewall.new" && mv "$state/firewall.new" "$state/firewall" || return 1
    if [ -f "$etc/iptables.rules" ]; then
        iptables-restore -w --noflush < "$etc/iptables.rules" || return 1
    fi
    apply_chain filter DOCKER-USER @FORWARD_CHAIN@ && apply_chain raw PREROUTING @RAW_CHAIN@
}

# --- routes
list_routes() { ip -4 route show proto @ROUTE_PROTOCOL@ | awk '{ print "found", $1, "via", $3 }'; }
wanted_routes() { awk '$1 == "route" { print "wanted", $3, $4, $5 }' "$etc/routes"; }
compare_routes() { # prints "missing ROUTE" and "unwanted ROUTE"
    { wanted_routes && list_routes; } | awk '
        { route = $2 " " $3 " " $4 }
        $1 == "wanted" { wanted[route] = 1 }
        $1 == "found" { found[route] = 1 }
        END {
            for (route in wanted) if (!(route in found)) print "missing", route
            for (route in found) if (!(route in wanted)) print "unwanted", route
        }' | sort
}
check_routes() {
    [ -f "$etc/routes" ] || return 0
    compare_routes | sed 's/^/routes: /'
}
apply_routes() {
    [ -f "$etc/routes" ] || return 0
    # replacing comes first: a route that only changes its gateway is never gone in between
    ip -force -batch "$etc/routes" || return 1
    compare_routes | awk '$1 == "unwanted" { print "route del", $2, $3, $4, "proto @ROUTE_PROTOCOL@" }' | ip -force -batch -
}

check() { for part; do "check_$part"; done; }
for part; do
    case "$part" in sysctl | firewall | routes) ;; *) echo "$0: unknown part $part" >&2; exit 2 ;; esac
done
if [ "$mode" = check ]; then
    found=$(check "$@")
    [ -z "$found" ] || { echo "$found"; exit 1; }
    exit 0
fi
mkdir -p "$state" && chmod 0700 "$state" || exit 1
exec 9> "$state/lock" && flock 9 || exit 1
if [ "$mode" = reassert ]; then
    found=$(check "$@")
    [ -n "$found" ] || exit 0
    echo "$found"
fi
failed=0
for part; do
    "apply_$part" || { echo "fleetnet: $part could not be applied" >&2; failed=1; }
done
exit $failed
"""

_UNIT = f"""# Written by fleetnet.docker.
[Unit]
Description=Docker networks of the fleet: routes, policy and forwarding
Documentation=man:ip-route(8) man:nft(8)
Wants=network-online.target
After=network-online.target docker.service nftables.service firewalld.service ufw.service
PartOf=docker.service nftables.service firewalld.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart={APPLY}

[Install]
WantedBy=multi-user.target docker.service
"""

_REASSERT = f"""# Written by fleetnet.docker.
[Unit]
Description=Re-assert the fleet's routes, policy and forwarding
After={UNIT}

[Service]
Type=oneshot
ExecStart={APPLY} --reassert
"""

_TIMER = f"""# Written by fleetnet.docker.
[Unit]
Description=Re-assert the fleet's routes, policy and forwarding every {REASSERT_SECONDS} seconds

[Timer]
OnActiveSec={REASSERT_SECONDS}
OnUnitActiveSec={REASSERT_SECONDS}
AccuracySec=5

[Install]
WantedBy=timers.target
"""


class File(t.NamedTuple):
    """A file as it shall be: text and mode."""

    text: str
    mode: int = 0o644


def script() -> File:
    """The ``apply`` script."""
    text = _SCRIPT
    for name, value in {
        "FOLDER": FOLDER,
        "STATE_FOLDER": STATE_FOLDER,
        "SYSCTL": SYSCTL,
        "TABLE": TABLE,
        "FORWARD_CHAIN": FORWARD_CHAIN,
        "RAW_CHAIN": RAW_CHAIN,
        "ROUTE_PROTOCOL": str(ROUTE_PROTOCOL),
    }.items():
        text = text.replace(f"@{name}@", value)
    return File(text, 0o755)


def common_files() -> dict[str, File]:
    """What every part needs: the script and the units that run it."""
    return {
        APPLY: script(),
        f"/etc/systemd/system/{UNIT}": File(_UNIT),
        "/etc/systemd/system/fleetnet-reassert.service": File(_REASSERT),
        f"/etc/systemd/system/{TIMER}": File(_TIMER),
    }


@dataclasses.dataclass(frozen=True)
class Observed:
    """A host's files as they are (None: not there), what ``apply --check`` says, and units that do not run."""

    files: t.Mapping[str, t.Optional[str]]
    drift: tuple[str, ...] = ()
    idle_units: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class FilesPlan:
    """What to write, in this order, what to delete, and whether to apply. ``before`` is for the diff."""

    write: t.Mapping[str, File]
    delete: tuple[str, ...]
    drift: tuple[str, ...]
    enable: tuple[str, ...]
    before: t.Mapping[str, t.Optional[str]]

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


def plan_files(desired: t.Mapping[str, t.Optional[File]], observed: Observed) -> FilesPlan:
    """Compare the files that a module wants (None: no such file) with the host. Drift in the kernel is a change too."""
    write = {path: file for path, file in desired.items() if file and observed.files.get(path) != file.text}
    delete = tuple(path for path, file in desired.items() if not file and observed.files.get(path) is not None)
    return FilesPlan(write, delete, observed.drift, observed.idle_units, dict(observed.files))
