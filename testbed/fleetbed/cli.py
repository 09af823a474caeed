"""The commands of script/fleet."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from . import address, console, state, status
from .engine import OuterEngine
from .errors import FleetError
from .fleet import Fleets, Up
from .paths import RECIPES, ROOT_VARIABLE, Paths
from .recipe import known
from .spec import DEFAULT_NAME, WORLD, Spec, check_name, decide

EPILOG = f"""
{ROOT_VARIABLE}=FOLDER runs a test bed apart from all others, with an outer engine of its own.
testbed/README.md tells what this needs, what it leaves and what it costs.
"""


def main(argv: Sequence[str]) -> int:
    """Runs one command; the exit status is 1 for what went wrong, 2 for a wrong command line."""
    arguments = _parse(argv)
    console.verbose = arguments.verbose
    try:
        if getattr(arguments, "name", None):
            check_name(arguments.name)
        return int(arguments.command(arguments, Paths.of(os.environ, os.geteuid())) or 0)
    except FleetError as error:
        if console.verbose and error.__cause__:
            console.debug(f"because of {error.__cause__!r}")
        console.failure(error)
        return 1
    except BrokenPipeError:
        return 1
    except OSError as error:
        if console.verbose:
            raise
        console.failure(FleetError(f"{error} (--verbose tells where)"))
        return 1
    except KeyboardInterrupt:
        console.warn("interrupted: the same command again goes on from here")
        return 130


def _up(arguments: argparse.Namespace, paths: Paths) -> None:
    def choose(recorded: Spec | None) -> Spec:
        return decide(arguments.name, recorded, known(RECIPES), arguments.hosts, arguments.engines, arguments.links)

    _summarise(Fleets(paths).up(choose, arguments.name, arguments.allow_missing, arguments.timeout))


def _summarise(up: Up) -> None:
    """What there is now, where, and what to do with it."""
    print(f"Fleet {up.spec.name}: {len(up.hosts)} hosts ready after {console.elapsed():.1f} s")
    for host in up.hosts:
        print(f"  {host.name:6} {host.address:15} {host.link.name}  engine {up.versions[host.name]}")
    print(f"  {up.world.name:6} {up.world.address:15} everything outside of the fleet, http://198.51.100.1/")
    print(f"Inventory: {up.inventory}")
    for host in up.hosts:
        if not up.versions[host.name].startswith(f"{host.engine}."):
            console.warn(f"{host.name} has engine {up.versions[host.name]}, not {host.engine}: its suite has moved on")
    absent = sorted(set(up.spec.host_names()) - {host.name for host in up.hosts})
    if absent:
        console.warn(f"fleet {up.spec.name} lacks {', '.join(absent)}: no host image")


def _inventory(arguments: argparse.Namespace, paths: Paths) -> None:
    inventory = state.FleetState(paths, arguments.name).inventory
    if not inventory.exists():
        raise FleetError(f"there is no fleet {arguments.name}: `script/fleet up --name {arguments.name}` makes it")
    print(inventory)


def _status(arguments: argparse.Namespace, paths: Paths) -> None:
    docker = OuterEngine(paths).running()
    names = [arguments.name] if arguments.name else status.fleets(docker, paths)
    rows = [row for name in names for row in status.rows(docker, paths, name)]
    called = (
        f" {arguments.name}: `script/fleet up --name {arguments.name}`" if arguments.name else ": `script/fleet up`"
    )
    print(status.table(rows) if rows else f"There is no fleet{called} makes one.")


def _exec(arguments: argparse.Namespace, paths: Paths) -> None:
    docker = OuterEngine(paths).running()
    if not docker:
        raise FleetError(f"the outer engine does not answer: `script/fleet up --name {arguments.name}` starts it")
    container = f"{arguments.name}-{arguments.host}"
    if not docker.ids("container", f"name=^/?{container}$", "status=running"):
        raise FleetError(f"fleet {arguments.name} has no running host {arguments.host}: see `script/fleet status`")
    terminal = ["--tty"] if sys.stdin.isatty() and sys.stdout.isatty() else []
    os.execvpe(
        "docker",
        ["docker", "exec", "--interactive", *terminal, container, *(arguments.argv or ["bash"])],
        docker.environment(),
    )


def _down(arguments: argparse.Namespace, paths: Paths) -> None:
    fleets = Fleets(paths)
    if arguments.all:
        fleets.down_all(arguments.purge)
        kept = "" if arguments.purge or not paths.cache.exists() else f" Host images are kept in {paths.cache}."
        print(f"All fleets of this test bed are gone.{kept}")
    elif fleets.down(arguments.name):
        print(f"Fleet {arguments.name} is gone.")
    else:
        print(f"There is no fleet {arguments.name}.")


def _images(arguments: argparse.Namespace, paths: Paths) -> None:
    for image in Fleets(paths).build(arguments.engines or known(RECIPES), arguments.allow_missing):
        print(image)


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="script/fleet",
        description="A fleet of real Docker hosts on this machine.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--verbose", action="store_true", help="show the commands that are run")
    named = argparse.ArgumentParser(add_help=False)
    named.add_argument("--name", default=DEFAULT_NAME, help=f"the fleet's name (default: {DEFAULT_NAME})")
    building = argparse.ArgumentParser(add_help=False)
    building.add_argument(
        "--engines", type=_listed, metavar="A,B,...", help=f"engine generations, of {', '.join(known(RECIPES))}"
    )
    building.add_argument(
        "--allow-missing", action="store_true", help="go on without hosts whose image cannot be built"
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    up = commands.add_parser("up", parents=[common, named, building], help="make, mend or change a fleet")
    up.add_argument(
        "--hosts", type=int, help=f"up to {address.MOST_HOSTS} (default: as before, else one of each engine)"
    )
    up.add_argument("--links", type=int, help="L2 segments to deal the hosts out to (default: as before, else 1)")
    up.add_argument("--timeout", type=float, default=180, help="seconds for hosts to get ready (default: 180)")
    up.set_defaults(command=_up)

    inventory = commands.add_parser("inventory", parents=[common, named], help="print the path of the inventory")
    inventory.set_defaults(command=_inventory)

    show = commands.add_parser("status", parents=[common], help="show what there is")
    show.add_argument("--name", help="of this fleet only")
    show.set_defaults(command=_status)

    execute = commands.add_parser("exec", parents=[common, named], help="run a command on a host")
    execute.add_argument("host", metavar="HOST", help=f"h1, h2, ... or {WORLD}")
    execute.set_defaults(command=_exec)

    down = commands.add_parser("down", parents=[common, named], help="remove a fleet and all that it left")
    down.add_argument("--all", action="store_true", help="all fleets, and the engine if the test bed started one")
    down.add_argument("--purge", action="store_true", help="with --all: the cached host images as well")
    down.set_defaults(command=_down)

    images = commands.add_parser("images", parents=[common, building], help="build the host images and no more")
    images.set_defaults(command=_images)

    own, command = _split(argv)
    arguments = parser.parse_args(own)
    arguments.argv = command
    if command and arguments.command is not _exec:
        parser.error("only exec takes a command after --")
    return arguments


def _split(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """Parts a command line at `--`."""
    words = list(argv)
    if "--" not in words:
        return words, []
    at = words.index("--")
    return words[:at], words[at + 1 :]


def _listed(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]
