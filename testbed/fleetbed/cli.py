"""The commands of script/fleet."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from . import address, console, source, state, status
from .checkout import full_name
from .engine import OuterEngine
from .errors import FleetError
from .fleet import Fleets, Up
from .paths import RECIPES, ROOT_VARIABLE, Paths
from .recipe import known
from .spec import DEFAULT_NAME, WORLD, Spec, check_name, decide

EPILOG = f"""
{ROOT_VARIABLE}=FOLDER isolates a test bed from all others, with an outer engine of its own.
{source.VARIABLE}=A,B,... is the default of --engines for new fleets.
See testbed/README.md for requirements, side effects and costs.
"""


def main(argv: Sequence[str]) -> int:
    """Run one command and return its exit status: 1 if it failed, 2 if the command line is invalid."""
    arguments = _parse(argv)
    console.verbose = arguments.verbose
    try:
        if getattr(arguments, "name", None):
            arguments.name = full_name(check_name(arguments.name))
        return int(arguments.command(arguments, Paths.of(os.environ, os.geteuid())) or 0)
    except FleetError as error:
        if console.verbose and error.__cause__:
            console.debug(f"caused by {error.__cause__!r}")
        console.failure(error)
        return 1
    except BrokenPipeError:
        return 1
    except OSError as error:
        if console.verbose:
            raise
        console.failure(FleetError(f"{error} (run with --verbose for a traceback)"))
        return 1
    except KeyboardInterrupt:
        console.warn("interrupted. Run the same command again to continue")
        return 130


def _up(arguments: argparse.Namespace, paths: Paths) -> None:
    def choose(recorded: Spec | None) -> Spec:
        generations, wanted = known(RECIPES), (arguments.hosts, arguments.engines, arguments.links)
        return decide(arguments.name, recorded, generations, *wanted, default=_default_engines())

    _summarise(Fleets(paths).up(choose, arguments.name, arguments.allow_missing, arguments.timeout))


def _summarise(up: Up) -> None:
    """Print the fleet: its hosts, their addresses and the inventory."""
    print(f"Fleet {up.spec.name}: {len(up.hosts)} hosts ready after {console.elapsed():.1f} s")
    sources = {host.name: source.parse(host.engine, known(RECIPES)) for host in up.hosts}
    for host in up.hosts:
        backend = sources[host.name].backend
        text = f"{up.versions[host.name]}{', ' if backend else ''}{backend}"
        print(f"  {host.name:6} {host.address:15} {host.segment.name}  engine {text}")
    print(f"  {up.world.name:6} {up.world.address:15} everything outside the fleet, http://198.51.100.1/")
    print(f"Inventory: {up.inventory}")
    for host in up.hosts:
        origin = sources[host.name]
        if not origin.folder and not up.versions[host.name].startswith(f"{origin.generation}."):
            console.warn(
                f"host {host.name}: engine {up.versions[host.name]} instead of {origin.generation}. "
                "The Debian suite has a newer version"
            )
    absent = sorted(set(up.spec.host_names()) - {host.name for host in up.hosts})
    if absent:
        console.warn(f"fleet {up.spec.name}: missing hosts: {', '.join(absent)}: no host image available")


def _inventory(arguments: argparse.Namespace, paths: Paths) -> None:
    inventory = state.FleetState(paths, arguments.name).inventory
    if not inventory.exists():
        raise FleetError(
            f"fleet {arguments.name} does not exist. Create it with `script/fleet up --name {arguments.name}`"
        )
    print(inventory)


def _status(arguments: argparse.Namespace, paths: Paths) -> None:
    docker = OuterEngine(paths).running()
    names = [arguments.name] if arguments.name else status.fleets(docker, paths)
    rows = [row for name in names for row in status.rows(docker, paths, name)]
    option = f" --name {arguments.name}" if arguments.name else ""
    what = f"Fleet {arguments.name} does not exist." if arguments.name else "No fleet exists."
    print(status.table(rows) if rows else f"{what} Create one with `script/fleet up{option}`.")


def _exec(arguments: argparse.Namespace, paths: Paths) -> None:
    docker = OuterEngine(paths).running()
    if not docker:
        raise FleetError(f"the outer engine does not respond. Start it with `script/fleet up --name {arguments.name}`")
    container = f"{arguments.name}-{arguments.host}"
    if not docker.ids("container", f"name=^/?{container}$", "status=running"):
        raise FleetError(f"fleet {arguments.name}: host {arguments.host} is not running. See `script/fleet status`")
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
        print(f"All fleets of this test bed are removed.{kept}")
    elif arguments.orphans:
        for name in fleets.down_orphans():
            print(f"Fleet {name} is removed.")
    elif fleets.down(arguments.name):
        print(f"Fleet {arguments.name} is removed.")
    else:
        print(f"Fleet {arguments.name} does not exist.")


def _images(arguments: argparse.Namespace, paths: Paths) -> None:
    engines = arguments.engines or _default_engines() or known(RECIPES)
    built, tried = Fleets(paths).build(engines, arguments.allow_missing)
    for image in built:
        print(image)
    for origin, version in tried:
        print(f"{origin.name}: engine {version}")


def _untested(arguments: argparse.Namespace, paths: Paths) -> None:
    """Print which supported engines a new fleet does not contain, for script/test. Nothing if there are none."""
    del arguments
    _, tried = Fleets(paths).build(_default_engines(), allow_missing=True)
    present = [(version, origin.backend) for origin, version in tried]
    if absent := source.untested(present):
        print(f"NOT TESTED: {', '.join(absent)}. Use --engine FOLDER with a folder with it, see testbed/README.md.")


def _default_engines() -> list[str]:
    """Return the engines of new fleets, if the user sets them; else none."""
    return source.listed(os.environ.get(source.VARIABLE, ""))


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="script/fleet",
        description="A fleet of real Docker hosts on this machine.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--verbose", action="store_true", help="print each command that runs")
    named = argparse.ArgumentParser(add_help=False)
    named.add_argument(
        "--name",
        default=DEFAULT_NAME,
        help=f"name of the fleet in this checkout, or a full name as `status` shows it (default: {DEFAULT_NAME})",
    )
    building = argparse.ArgumentParser(add_help=False)
    building.add_argument(
        "--engines",
        type=source.listed,
        metavar="A,B,...",
        help=f"Docker versions, from {', '.join(known(RECIPES))}, or folders with programs of an engine; "
        "with :nftables or :iptables, the engine uses this firewall backend",
    )
    building.add_argument(
        "--allow-missing", action="store_true", help="continue without hosts whose image cannot be built"
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    up = commands.add_parser("up", parents=[common, named, building], help="create, repair or change a fleet")
    up.add_argument(
        "--hosts", type=int, help=f"number of hosts, up to {address.MAX_HOSTS} (default: unchanged, or one per engine)"
    )
    up.add_argument("--links", type=int, help="number of L2 segments for the hosts (default: unchanged, or 1)")
    up.add_argument("--timeout", type=float, default=180, help="seconds to wait for the hosts (default: 180)")
    up.set_defaults(command=_up)

    inventory = commands.add_parser("inventory", parents=[common, named], help="print the path of the inventory")
    inventory.set_defaults(command=_inventory)

    show = commands.add_parser("status", parents=[common], help="show all fleets and their hosts")
    show.add_argument("--name", help="show only this fleet")
    show.set_defaults(command=_status)

    execute = commands.add_parser("exec", parents=[common, named], help="run a command on a host")
    execute.add_argument("host", metavar="HOST", help=f"h1, h2, ... or {WORLD}")
    execute.set_defaults(command=_exec)

    down = commands.add_parser("down", parents=[common, named], help="remove a fleet and everything that belongs to it")
    down.add_argument("--all", action="store_true", help="remove all fleets, and the engine if the test bed started it")
    down.add_argument("--orphans", action="store_true", help="remove the fleets of checkouts that no longer exist")
    down.add_argument("--purge", action="store_true", help="with --all: also remove the cached host images")
    down.set_defaults(command=_down)

    images = commands.add_parser("images", parents=[common, building], help="build the host images only")
    images.set_defaults(command=_images)

    untested = commands.add_parser("untested", parents=[common], help="print which supported engines new fleets lack")
    untested.set_defaults(command=_untested)

    own, command = _split(argv)
    arguments = parser.parse_args(own)
    arguments.argv = command
    if command and arguments.command is not _exec:
        parser.error("only exec accepts a command after --")
    return arguments


def _split(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """Split a command line at `--`."""
    words = list(argv)
    if "--" not in words:
        return words, []
    at = words.index("--")
    return words[:at], words[at + 1 :]
