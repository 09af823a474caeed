# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host whose Python answers with lies harms neither the controller nor other hosts, and each lie is named."""

from __future__ import annotations

import json
import os
import pathlib
import re
import subprocess
import typing as t

import pytest
import yaml

LIAR = "h3"
SUPERNET = "10.64.0.0/12"
HERE = pathlib.Path(__file__).parent
ANSWERS: list[dict[str, t.Any]] = yaml.safe_load((HERE / "answers.yml").read_text("utf-8"))
#: Each answer is that of another name of the same host.
NAMES = {f"liar{number}": answer for number, answer in enumerate(ANSWERS, 1)}
#: Variables of each host, and whether facts set some.
KEYS = ("gathered", "ansible_facts", "docker_fleet_supernet", "ansible_python_interpreter", "inventory_dir")
PLAY = [
    {
        "hosts": "docker_fleet",
        "gather_facts": False,
        "tasks": [
            {
                "fleetnet.docker.network_info": {"gather": ["engine", "links"]},
                "register": "gathered",
                # An answer without reading what it receives can stop the connection.
                "timeout": 120,
                "ignore_errors": True,
                "ignore_unreachable": True,
            },
            {
                "ansible.builtin.copy": {
                    "dest": "{{ inventory_dir }}/seen.json",
                    "content": "{{ dict(keys | zip(values)) | combine({'groups': groups}) | to_json }}",
                },
                "vars": {
                    "ansible_python_interpreter": "{{ ansible_playbook_python }}",
                    "keys": list(KEYS),
                    "hosts": "{{ groups['docker_fleet'] }}",
                    "values": [
                        f"{{{{ dict(hosts | zip(hosts | map('extract', hostvars, '{key}'))) }}}}" for key in KEYS
                    ],
                },
                "delegate_to": "localhost",
                "run_once": True,
            },
        ],
    }
]


def answer(lie: dict[str, t.Any]) -> dict[str, t.Any]:
    """The answer with the lie, by default added to an answer without lies."""
    link = {"name": "eth0", "index": 2, "kind": None, "mtu": 1500, "state": "up", "master": None, "mac": None}
    links = [{**link, "addresses": ["192.0.2.3/24"], **lie.get("link", {})}]
    honest = {"changed": False, "network_info": {"links": links}}
    return lie.get("answer", {**honest, **lie.get("adds", {})})


def interpreter(lie: dict[str, t.Any]) -> str:
    """A shell script that reads the module, unless the lie is not to do so, and prints the answer."""
    start = "#!/bin/sh\n" + ("" if lie.get("unread") else "cat >/dev/null\n")
    if lie.get("endless"):
        return start + "yes '{\"msg\": 1}'\n"
    if "values" in lie:
        text = json.dumps({"diff": [0] * lie["values"]})
    elif "characters" in lie:
        text = json.dumps({"msg": "a" * lie["characters"]})
    elif "levels" in lie:
        text = '{"diff": ' + "[" * lie["levels"] + "]" * lie["levels"] + "}"
    else:
        text = lie["text"] if "text" in lie else json.dumps(answer(lie))
    return f"{start}cat <<'END'\n{text}\nEND\n"


def playbook(inventories: t.Sequence[pathlib.Path], play: str, *arguments: str) -> tuple[int, str]:
    """The exit code and the output of a run."""
    command = ["ansible-playbook", play, *(f"--inventory={path}" for path in inventories), *arguments]
    done = subprocess.run(
        command,
        env={**os.environ, "ANSIBLE_FORCE_COLOR": "0", "ANSIBLE_NOCOLOR": "1", "ANSIBLE_LOCALHOST_WARNING": "0"},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def write(on_host) -> t.Callable[..., None]:
    """Write executable files to /run/liar on the host that lies."""
    program = (
        "import json, pathlib, sys\n"
        "for name, text in json.load(sys.stdin).items():\n"
        "    path = pathlib.Path('/run/liar', name)\n"
        "    path.parent.mkdir(exist_ok=True)\n"
        "    path.write_text(text)\n"
        "    path.chmod(0o755)\n"
    )

    def write(files: dict[str, str]) -> None:
        *command, _program = on_host(LIAR, "liar.py")
        subprocess.run([*command, program], input=json.dumps(files), text=True, check=True)

    return write


@pytest.fixture(scope="module")
def fleet(inventory) -> dict[str, t.Any]:
    """The fleet in the test bed's inventory."""
    found: dict[str, t.Any] = yaml.safe_load(pathlib.Path(inventory).read_text("utf-8"))["docker_fleet"]
    return found


class Answered(t.NamedTuple):
    """What the controller knows after one task, by key and host; the output; the inventory's folder."""

    seen: dict[str, dict[str, t.Any]]
    output: str
    folder: pathlib.Path


@pytest.fixture(scope="module")
def answered(fleet, write, tmp_path_factory) -> Answered:
    """The fleet's first host and each host that lies have answered."""
    folder = tmp_path_factory.mktemp("lies")
    write({name: interpreter(lie) for name, lie in NAMES.items()})
    liar = fleet["hosts"][LIAR]
    hosts = {name: {**liar, "ansible_python_interpreter": f"/run/liar/{name}"} for name in NAMES}
    declared = {"docker_fleet_supernet": SUPERNET, "ansible_pipelining": True}
    group = {"hosts": {"h1": fleet["hosts"]["h1"], **hosts}, "vars": {**fleet["vars"], **declared}}
    (folder / "hosts.yml").write_text(yaml.safe_dump({"docker_fleet": group}))
    (folder / "play.yml").write_text(yaml.safe_dump(PLAY))
    _code, output = playbook([folder / "hosts.yml"], str(folder / "play.yml"), "--forks", "4", "--diff")
    assert (folder / "seen.json").exists(), output[-3000:]
    return Answered(json.loads((folder / "seen.json").read_text()), output, folder)


def test_there_are_enough_lies():
    assert len(ANSWERS) >= 50
    assert len({lie["case"] for lie in ANSWERS}) == len(ANSWERS)


@pytest.mark.parametrize("name", NAMES, ids=[lie["case"] for lie in ANSWERS])
def test_a_lie_is_named_with_its_host(answered, name):
    lie, result = NAMES[name], answered.seen["gathered"][name]
    fails = lie.get("fails", False)
    said = result["msg"] if fails else " ".join(map(str, result["warnings"]))
    assert len(lie["says"]) > 10
    assert bool(result.get("failed")) == fails, result
    # Without a reader of the module, the connection may stop. The time limit of the task is Ansible's own.
    stopped = lie.get("unread") and "Timed out after" in said
    assert stopped or lie["says"] in " ".join(said.split())
    assert stopped or f"host {name}: " in said
    assert (f"fatal: [{name}]: FAILED! => " if fails else f"[WARNING]: host {name}: ") in answered.output


@pytest.mark.parametrize("name", NAMES, ids=[lie["case"] for lie in ANSWERS])
def test_a_lie_sets_no_variable(answered, name):
    seen, _output, folder = answered
    assert {key: seen[key][name] for key in KEYS[1:]} == {
        "ansible_facts": {},
        "docker_fleet_supernet": SUPERNET,
        "ansible_python_interpreter": f"/run/liar/{name}",
        "inventory_dir": str(folder),
    }


def test_lies_add_no_host_and_no_group(answered):
    hosts = {"h1", *NAMES}
    assert {name: set(found) for name, found in answered.seen["groups"].items()} == {
        "all": hosts,
        "docker_fleet": hosts,
        "ungrouped": set(),
    }


def test_another_host_is_read_as_before(answered):
    seen = answered.seen
    assert seen["gathered"]["h1"]["network_info"]["engine"]["version"]
    assert "warnings" not in seen["gathered"]["h1"]
    assert seen["docker_fleet_supernet"]["h1"] == SUPERNET
    assert re.findall(r"^h1 +: +(ok=\d+ +changed=\d+ +unreachable=\d+ +failed=\d+)", answered.output, re.MULTILINE)
    # Neither a line about it nor a warning is forged.
    begins = r"(fatal: \[h1|Reachability|\[[A-Z ]+\]: (Task failed: Module failed: )?host h1)"
    forged = [line for line in answered.output.splitlines() if re.match(begins, line)]
    assert forged == []
    assert "\x1b" not in answered.output


def test_no_text_of_a_host_is_a_template_and_no_file_is_written(answered):
    found = {path.name for path in answered.folder.iterdir()}
    assert found == {"hosts.yml", "play.yml", "seen.json"}


# --- whole runs -------------------------------------------------------------------------------------------------------

FORGED = {"container": "db", "protocol": "udp", "source": "10.64.1.2", "destination": "10.64.3.2", "port": 5000}
ARRIVALS = [{**FORGED, "token": number} for number in range(2000)]
#: The hosts of both containers in a line about a probe.
PAIR = re.compile(r" on (h\d) .* -> .* on (h\d) ")
INFO = "network_info"
NETWORKS = [INFO, "networks"]
CONTAINER_NAMES = [INFO, "containers", "*", "name"]
#: What is said of a lie about a pair's probe. Such a line matches PAIR.
OF_PAIRS = ("on h3",)
#: By case: what the host that lies replaces, and what the run then reports.
REPORTS: dict[str, tuple[list[tuple[list[str], t.Any]], tuple[str, ...]]] = {
    "every probe was answered": (
        [(["results", "*", "reached"], True), (["results", "*", "outcome"], "reply")],
        OF_PAIRS,
    ),
    "no probe was answered": (
        [(["results", "*", "reached"], False), (["results", "*", "outcome"], "timeout")],
        OF_PAIRS,
    ),
    "nothing arrived": ([(["arrivals"], [])], OF_PAIRS),
    "everything arrived": ([(["arrivals"], ARRIVALS)], OF_PAIRS),
    "the observer saw only a part": ([(["complete"], False)], OF_PAIRS),
    "text instead of addresses": (
        [([INFO, "containers", "*", "networks", "*", "ipv4"], "everywhere")],
        ("host h3: its report has containers",),
    ),
    "containers with an address of another host's": (
        [([INFO, "containers", "*", "networks", "*", "ipv4"], "10.64.1.2/24")],
        OF_PAIRS,
    ),
    "a container whose name is a line about other hosts": (
        [(CONTAINER_NAMES, "db on h1 (db, 10.64.3.2) -> web on h2")],
        ("host h3: its report has containers[0].name: 'db on h1 (db, 10.64.3.2) -> web on h2', which must be",),
    ),
    "no network": ([([INFO, "networks"], [])], ("h3: web: the network is missing.",)),
    # The plan names all conflicts at once: no lie hides another one.
    "networks with names that are lines about other hosts, or with another host's addresses": (
        [
            # The plan accepts networks with the collection's label.
            *(([*NETWORKS, f"name={name}", "labels"], {}) for name in ("web", "db", "ops")),
            ([*NETWORKS, "name=web", "name"], "a\n  h1: web: the network is missing"),
            ([*NETWORKS, "name=db", "name"], "db    web   tcp/5432  passes    0 of 12 pass  WRONG"),
            ([*NETWORKS, "name=ops", "name"], "other"),
            ([*NETWORKS, "name=stranger", "subnets", "*", "subnet"], "10.64.1.0/24"),
        ],
        (
            r"host h3: Docker network 'a\\n h1: web: the network is missing' (10.64.33.0/24) overlaps",
            "host h3: Docker network 'db web tcp/5432 passes 0 of 12 pass WRONG' (10.64.35.0/24) overlaps",
            "host h3: Docker network other (10.64.34.0/24) overlaps",
            "host h3: Docker network stranger (10.64.1.0/24) overlaps the block of host h1 (10.64.0.0/20).",
        ),
    ),
    "an interface, a route, a name server and a controller in another host's block, a network with all addresses": (
        [
            ([INFO, "links", "*", "addresses"], ["10.64.1.9/24"]),
            ([INFO, "routes", "*", "destination"], "10.64.1.0/24"),
            ([INFO, "resolver"], ["10.64.1.2"]),
            ([INFO, "control_path"], {"client": "10.64.1.2", "server": "10.64.1.3"}),
            ([*NETWORKS, "*", "subnets", "*", "subnet"], "0.0.0.0/0"),
        ],
        (
            "host h3: address 10.64.1.9/24 of interface lo (10.64.1.0/24) overlaps the block of host h1",
            "host h3: route to 10.64.1.0/24 ",
            "host h3: name server 10.64.1.2 (10.64.1.2/32) overlaps the block of host h1",
            "host h3: Ansible controller 10.64.1.2 (10.64.1.2/32) overlaps the block of host h1",
            "host h3: Docker network stranger (0.0.0.0/0) overlaps the block of host h1 (10.64.0.0/20) and 2 more.",
        ),
    ),
    "an MTU that no engine accepts": (
        [([*NETWORKS, "*", "options"], {"com.docker.network.driver.mtu": "-5"})],
        ("host h3: its report has networks[0].options.com.docker.network.driver.mtu: '-5', which must be",),
    ),
    "an MTU that leaves no room": (
        [([INFO, "links", "*", "mtu"], 68)],
        ("host h3: docker_fleet_link: 'l1': interface eth0 has MTU 68, and eth0 of host h1",),
    ),
}

#: By case: what the host that lies replaces, and its failure. The run goes on without it. A unit test (test_answer.py)
#: has more such answers.
REFUSED: dict[str, tuple[list[tuple[list[str], t.Any]], str]] = {
    "an arrival without values": (
        [(["arrivals"], [{}])],
        "host h3: answer of module probe_observer: arrivals[0].container, arrivals[0].protocol, arrivals[0].source",
    ),
    "a result without values": (
        [(["results"], [{}])],
        "host h3: answer of module reachability_info: results[0].source, results[0].destination",
    ),
}


@pytest.fixture
def verified(inventory, write, tmp_path) -> t.Callable[..., tuple[int, str]]:
    """Verify the fleet while a host lies."""
    override = {"hosts": {LIAR: {"ansible_python_interpreter": "/run/liar/python"}}}
    (tmp_path / "liar.yml").write_text(yaml.safe_dump({"docker_fleet": override}))

    def verified(lies: list[tuple[list[str], t.Any]], *arguments: str) -> tuple[int, str]:
        program = "#!/usr/bin/python3\n" + (HERE / "liar.py").read_text("utf-8")
        write({"python": program, "lies.json": json.dumps(lies)})
        return playbook([inventory, tmp_path / "liar.yml"], "fleetnet.docker.verify", *arguments)

    return verified


def test_without_lies_everything_is_as_declared(verified):
    """Also after the flood of test_flood.py, which runs before."""
    code, output = verified([])
    assert code == 0, output[-3000:]


def files_beside(inventory: str) -> dict[str, bytes]:
    """The files in the inventory's folder, the lock file among them."""
    return {path.name: path.read_bytes() for path in pathlib.Path(inventory).parent.iterdir() if path.is_file()}


@pytest.mark.parametrize("case", REPORTS)
def test_a_lie_to_a_verification_is_named_and_concerns_no_other_pair(verified, inventory, case):
    lies, says = REPORTS[case]
    files = files_beside(inventory)
    code, output = verified(lies)
    assert files_beside(inventory) == files
    assert code != 0
    assert [text for text in says if text not in " ".join(output.split())] == []
    pairs = PAIR.findall(output)
    assert bool(pairs) == (says == OF_PAIRS)
    assert [pair for pair in pairs if LIAR not in pair] == []


@pytest.mark.parametrize("case", REFUSED)
def test_an_invalid_answer_to_a_verification_fails_its_host_only(verified, case):
    lies, says = REFUSED[case]
    code, output = verified(lies)
    assert code != 0
    assert says in " ".join(output.split())
    failures = re.findall(r"^fatal: \[(h\d)\]: FAILED! =>(.*(?:\n .*)*)", output, re.MULTILINE)
    assert {host for host, text in failures if "answer of module" in text} == {LIAR}
    assert [pair for pair in PAIR.findall(output) if LIAR not in pair] == []


def test_after_all_lies_a_verification_without_the_host_passes(verified):
    """The host, which would now lie in each answer, is not contacted: a verification does so whatever the lie was."""
    lies = [lie for found, _says in (REPORTS | REFUSED).values() for lie in found]
    code, output = verified(lies, f"--limit=!{LIAR}")
    assert code == 0, output[-3000:]
    assert f"[{LIAR}]" not in output
