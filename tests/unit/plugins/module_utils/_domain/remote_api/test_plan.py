# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The drop-in, reasons to restart the engine, and containers that this interrupts."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.observed import RunningContainer
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import FleetnetError
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.remote_api import plan as remote_api
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.remote_api.plan import (
    CA_FILE,
    CERT_FILE,
    KEY_FILE,
    DesiredRemoteApi,
    ObservedFile,
    ObservedRemoteApi,
    TlsFiles,
    plan_remote_api,
)

from ..planning import assert_golden, message_of

DROP_IN = "/etc/systemd/system/docker.service.d/zz-fleetnet-remote-api.conf"
COMMAND = "/usr/sbin/dockerd -H fd:// $DOCKER_OPTS"
TLS = TlsFiles("the authority\n", "the certificate\n", "the secret\n")
DESIRED = DesiredRemoteApi(("192.0.2.1",), 2376, TLS)
FLAGS = remote_api.tls_flags(("192.0.2.1",), 2376, True)
WEB = RunningContainer("1", "web")

FRESH = ObservedRemoteApi(
    version=(26, 1, 5),
    unit="docker.service",
    drop_in=DROP_IN,
    argv=("/usr/sbin/dockerd", "-H", "fd://"),
    exec_start=COMMAND,
    started=1000.0,
    files={},
    config_path="/etc/docker/daemon.json",
    config_text=None,
    info={"LiveRestoreEnabled": False, "Swarm": {"LocalNodeState": "inactive"}},
    containers=(),
)


def applied(changed: float = 900.0, **changes: t.Any) -> ObservedRemoteApi:
    """The host after DESIRED; the files changed at that time."""
    texts = dict(zip((CA_FILE, CERT_FILE, KEY_FILE), TLS, strict=True))
    files = {path: ObservedFile(text, 0o600, changed) for path, text in texts.items()}
    files[DROP_IN] = ObservedFile(remote_api.drop_in_text(COMMAND, FLAGS), 0o644, changed)
    return FRESH._replace(argv=FRESH.argv + FLAGS, files=files)._replace(**changes)


def test_a_fresh_host_gets_files_and_a_restart() -> None:
    plan = plan_remote_api(DESIRED, FRESH, allow_restart=False)
    assert [change.path for change in plan.changes] == [CA_FILE, CERT_FILE, KEY_FILE, DROP_IN]
    assert plan.reasons == ("listen on tcp://192.0.2.1:2376",)
    assert plan.argv == FRESH.argv + FLAGS
    assert "secret" not in str(plan.diff()) + str(plan.operations())


def test_a_second_run_changes_nothing() -> None:
    assert not plan_remote_api(DESIRED, applied(), allow_restart=False).changed


def test_files_newer_than_the_daemon_require_a_restart() -> None:
    plan = plan_remote_api(DESIRED, applied(changed=1001.0), allow_restart=False)
    assert (plan.changes, plan.reasons) == ((), ("its certificates are newer than its start",))


def test_a_mode_changes_without_a_restart() -> None:
    observed = applied()
    observed.files[KEY_FILE] = observed.files[KEY_FILE]._replace(mode=0o644)
    plan = plan_remote_api(DESIRED, observed, allow_restart=False)
    assert [change.path for change in plan.changes] == [KEY_FILE]
    assert not plan.reasons


def test_a_renewal_enables_live_restore_during_the_restart() -> None:
    renewed = DESIRED._replace(tls=TLS._replace(certificate="another\n"))
    plan = plan_remote_api(renewed, applied(containers=(WEB,), config_text='{"mtu": 1400}'), allow_restart=False)
    assert plan.reasons == ("read new certificates",)
    assert plan.interim is not None
    assert '"live-restore": true' in plan.interim
    assert '"mtu": 1400' in plan.interim
    assert plan.interrupted == ()


def test_live_restore_stays_enabled() -> None:
    plan = plan_remote_api(DESIRED, FRESH._replace(containers=(WEB,), info={"LiveRestoreEnabled": True}), False)
    assert (plan.interim, plan.interrupted) == (None, ())


SWARM = FRESH._replace(containers=(WEB,), info={"Swarm": {"LocalNodeState": "active"}})


def test_a_swarm_requires_consent() -> None:
    with pytest.raises(FleetnetError, match=r"interrupts 1 running container \(web\).*allow_restart: true\) to allow"):
        plan_remote_api(DESIRED, SWARM, allow_restart=False)
    plan = plan_remote_api(DESIRED, SWARM, allow_restart=True)
    assert (plan.interim, plan.interrupted, plan.resume) == (None, (WEB,), (WEB,))


@pytest.mark.parametrize(("version", "rejected"), [((20, 10, 24), True), ((26, 1, 5), False)])
def test_containers_that_the_restart_deletes_are_rejected(version: tuple[int, ...], rejected: bool) -> None:
    observed = FRESH._replace(version=version, containers=(WEB._replace(auto_remove=True),))
    if rejected:
        with pytest.raises(FleetnetError, match="which deletes web \\(started with --rm\\)"):
            plan_remote_api(DESIRED, observed, allow_restart=True)
    else:
        assert plan_remote_api(DESIRED, observed, allow_restart=False).interrupted == ()


@pytest.mark.parametrize("text", ['{"hosts": ["fd://"]}', '{"tlsverify": true}', '{"tlscert": "/x"}'])
def test_a_key_that_conflicts_with_the_flags_is_rejected(text: str) -> None:
    with pytest.raises(FleetnetError, match="and dockerd does not start with both"):
        plan_remote_api(DESIRED, FRESH._replace(config_text=text), allow_restart=True)


def test_absent_removes_all_files() -> None:
    plan = plan_remote_api(DesiredRemoteApi((), 2376, None), applied(), allow_restart=False)
    assert {change.after for change in plan.changes} == {None}
    assert len(plan.changes) == 4
    assert plan.argv == FRESH.argv
    assert plan.reasons == ("stop listening on TCP",)


def test_absent_on_a_fresh_host_changes_nothing() -> None:
    assert not plan_remote_api(DesiredRemoteApi((), 2376, None), FRESH, allow_restart=False).changed


def test_the_default_socket_is_added_if_the_unit_names_none() -> None:
    plan = plan_remote_api(DESIRED, FRESH._replace(argv=("/usr/bin/dockerd",)), allow_restart=False)
    assert "--host=unix:///var/run/docker.sock" in plan.argv


def test_an_ipv6_address_is_in_brackets() -> None:
    assert remote_api.tls_flags(("fd00::1",), 2376, True)[-1] == "--host=tcp://[fd00::1]:2376"


SHOWN = r"""# /lib/systemd/system/docker.service
[Service]
EnvironmentFile=-/etc/default/docker
ExecStart=/usr/sbin/dockerd -H fd:// \
    $DOCKER_OPTS

# /etc/systemd/system/docker.service.d/debug.conf
[Service]
ExecStart=
ExecStart=/usr/sbin/dockerd -H fd:// -D

# /etc/systemd/system/docker.service.d/zz-fleetnet-remote-api.conf
[Service]
ExecStart=
ExecStart=/usr/sbin/dockerd -H fd:// --tlsverify
"""


def test_the_command_is_the_last_one_of_other_files() -> None:
    assert remote_api.exec_start(SHOWN, DROP_IN) == "/usr/sbin/dockerd -H fd:// -D"
    first = SHOWN.split("# /etc", 1)[0]
    assert remote_api.exec_start(first, DROP_IN).split() == COMMAND.split()
    assert remote_api.exec_start("", DROP_IN) == ""


INVALID = [
    (["192.0.2.1"], 2376, False, "mutual_tls: False: must be true: TCP without"),
    (["192.0.2.1"], 2375, True, "port: 2375: is Docker's port for plain TCP"),
    (["192.0.2.1"], 0, True, "port: 0: must be between"),
    ([], 2376, True, "listen: .*must contain at least one address"),
    (["tcp://192.0.2.1"], 2376, True, r"listen\[0\]: 'tcp://192.0.2.1': must be an IP address"),
]


@pytest.mark.parametrize(("listen", "port", "mutual", "says"), INVALID)
def test_invalid_listen_options_are_rejected(listen: list[str], port: int, mutual: bool, says: str) -> None:
    with pytest.raises(FleetnetError, match=says):
        remote_api.parse_listen(listen, port, mutual)


def test_addresses_are_normalized_and_unique() -> None:
    assert remote_api.parse_listen(["fd00::0:1", "fd00::1"], 2376, True) == ("fd00::1",)


def test_golden() -> None:
    renewed = DESIRED._replace(tls=TLS._replace(certificate="another\n", key="another\n"))
    running = applied(containers=(WEB,))
    made = {
        "fresh": plan_remote_api(DESIRED, FRESH, allow_restart=False),
        "renewed": plan_remote_api(renewed, running, allow_restart=False),
        "swarm": plan_remote_api(DESIRED, SWARM, allow_restart=True),
        "absent": plan_remote_api(DesiredRemoteApi((), 2376, None), applied(), allow_restart=False),
        "another port": plan_remote_api(DESIRED._replace(port=2377), applied(), allow_restart=False),
    }
    assert_golden(
        "remote_api/plans.yml",
        {
            name: {
                "operations": plan.operations(),
                "diff": plan.diff(),
                "argv": list(plan.argv),
                "modes": {change.path: change.mode for change in plan.changes},
                "interim": plan.interim,
                "endpoints": [list(each) for each in plan.endpoints],
            }
            for name, plan in made.items()
        },
    )
    deleted = FRESH._replace(version=(20, 10, 24), containers=(WEB._replace(auto_remove=True),))
    assert_golden(
        "remote_api/errors.yml",
        [
            *(message_of(remote_api.parse_listen, listen, port, mutual) for listen, port, mutual, _says in INVALID),
            message_of(plan_remote_api, DESIRED, SWARM, False),
            message_of(plan_remote_api, DESIRED, deleted, True),
            message_of(plan_remote_api, DESIRED, FRESH._replace(config_text='{"tlscert": "/x"}'), True),
            message_of(plan_remote_api, DESIRED, FRESH._replace(exec_start=""), True),
        ],
    )
