# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Installs meter.py on the hosts, and reads what it has counted."""

from __future__ import annotations

import contextlib
import json
import pathlib
import typing as t

HOSTS = ("h1", "h2", "h3")
PROGRAM, PLACES, UNIT = "/usr/local/sbin/leak-meter", "/etc/leak-meter.json", "leak-meter.service"
METER = pathlib.Path(__file__).with_name("meter.py").read_text("utf-8")
# Denied packets that are sent while a fault lasts, at least.
ENOUGH = 500
# In seconds: the state is written five times per second, and the machine is busy.
FLOWS = 0.5
SERVICE = f"""[Unit]
Description=Denied packets that arrive
DefaultDependencies=no
Before=docker.service network-pre.target
[Service]
Type=notify
ExecStart=/usr/bin/python3 {PROGRAM}
[Install]
WantedBy=multi-user.target
"""


class Metered(t.NamedTuple):
    """What a host has counted in a time. ``gap`` is the longest one between allowed packets of a source, in seconds."""

    sent: int
    leaked: dict[str, int]
    gap: float


class LeakMeter:
    """The meters of all hosts. ``run`` runs a command on a host, ``read`` returns its output, empty if it fails."""

    def __init__(self, run: t.Callable[[str, str], None], read: t.Callable[[str, str], str]) -> None:
        self._run, self._read = run, read

    def start(self, places: t.Mapping[str, t.Mapping[str, t.Sequence[str]]]) -> None:
        """``places``: the addresses to which a host sends, by network, and "others" for those of other hosts."""
        for name in HOSTS:
            files = {PROGRAM: METER, PLACES: json.dumps(places[name]), f"/etc/systemd/system/{UNIT}": SERVICE}
            for path, text in files.items():
                self._run(name, f"cat > {path} << 'END OF FILE'\n{text}\nEND OF FILE")
            self._run(name, f"systemctl daemon-reload && systemctl enable --quiet --now {UNIT}")

    def stop(self) -> None:
        for name in HOSTS:
            self._run(name, f"systemctl disable --quiet --now {UNIT}")
            self._run(name, f"rm -f {PROGRAM} {PLACES} /etc/systemd/system/{UNIT}")

    def state(self, name: str) -> dict[str, t.Any]:
        """The counters since the host started; empty while it starts."""
        with contextlib.suppress(ValueError):
            return dict(json.loads(self._read(name, "cat /run/leak-meter.json")))
        return {}

    def since(self, before: dict[str, t.Any], name: str) -> Metered | None:
        """The difference to an earlier state; None while the host starts, or has sent too few packets.

        None also while no allowed packets arrive from a source from which they did before: that gap has no end yet. One
        over a reboot of the host begins with the last packet before the earlier state.
        """
        now = self.state(name)
        if not now:
            return None
        rebooted = now["started"] != before["started"]
        flowed = {source: last for source, last in before["last"].items() if before["now"] - last <= FLOWS}
        sent = now["sent"] - (0 if rebooted else before["sent"])
        earlier = {} if rebooted else before["leaked"]
        leaked = {what: count - earlier.get(what, 0) for what, count in now["leaked"].items()}
        gaps = [length for end, length, _source in now["gaps"] if end > before["now"]]
        if sent < ENOUGH or any(now["now"] - now["last"].get(source, 0.0) > FLOWS for source in flowed):
            return None
        if rebooted:  # hosts share their machine's clock
            gaps += [now["first"][source] - last for source, last in flowed.items()]
        return Metered(sent, {what: count for what, count in leaked.items() if count}, max(gaps, default=0.0))
