"""Create, repair and remove fleets."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

from . import (
    checkout,
    console,
    coverage,
    hosts,
    images,
    inventory,
    locks,
    network,
    packages,
    repair,
    retry,
    ssh,
    state,
    status,
    variants,
)
from .docker import Docker, of_fleet
from .engine import OuterEngine
from .errors import FleetError
from .members import Machine, Member, members
from .parallel import attempt, run_parallel, tolerate_missing_images
from .paths import RECIPES, Paths
from .recipe import known, load
from .source import Source, parse
from .spec import Spec
from .sysctls import KernelSettings

#: Required programs, with the Debian packages that contain them.
TOOLS = (("ssh-keygen", "openssh-client"), ("ip", "iproute2"))

#: Building one image uses one core most of the time.
BUILDERS = 2
STARTERS = 8


@dataclass(frozen=True)
class Up:
    """A fleet that is ready."""

    spec: Spec
    world: Member
    hosts: list[Member]
    versions: dict[str, str]
    inventory: Path


class Fleets:
    """All fleets of one test bed."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._engine = OuterEngine(paths)
        self._images = images.ImageStore(paths)
        self._settings = KernelSettings(paths)

    def up(self, choose: Callable[[Spec | None], Spec], name: str, allow_missing: bool, timeout: float) -> Up:
        """Create, repair or change a fleet, and wait until it is ready. `choose` gets its recorded spec, if any."""
        files = state.FleetState(self._paths, name)
        with self._lock(name):
            spec = choose(files.spec())
            files.remember(spec, checkout.ROOT)
            docker = self._engine.ensure()
            packages.require(self._paths.locks, *TOOLS)
            world, fleet_hosts, versions = retry.converge(
                lambda: self._make_ready(docker, files, spec, allow_missing, timeout)
            )
            variants.clear(docker, self._paths.locks)
            state.write(files.inventory, inventory.render(fleet_hosts, versions, files.folder, files.sockets))
            return Up(spec, world, fleet_hosts, versions, files.inventory)

    def build(self, engines: Iterable[str], allow_missing: bool) -> tuple[list[Path], list[tuple[Source, str]]]:
        """Build the host images of these engines.

        Returns the paths of the images in the cache, and the engines that are not in them with their versions.
        """
        sources = [parse(engine, known(RECIPES)) for engine in engines]
        recipes = [load(RECIPES, name) for name in dict.fromkeys(source.generation for source in sources)]
        built, failures = attempt(self._images.ensure_built, recipes, BUILDERS)
        missing = tolerate_missing_images(failures, allow_missing)
        others = [source for source in sources if not source.packaged and source.generation not in missing]
        return built, [(source, self._variant(self._engine.ensure(), source).version) for source in others]

    def _variant(self, docker: Docker, source: Source) -> variants.Variant:
        """Return the image of an engine that differs from the one in its host image, whose tarball exists."""
        recipe = load(RECIPES, source.generation)
        self._images.ensure_loaded(recipe, docker)
        return variants.ensure(docker, self._paths.locks, source, images.reference(recipe))

    def down(self, name: str) -> bool:
        """Remove everything that belongs to a fleet. Returns False if the fleet does not exist."""
        files = state.FleetState(self._paths, name)
        with self._lock(name):
            docker = self._outer()
            known = files.folder.exists()
            ssh.close_connections(files.sockets)
            while docker and any(docker.ids(kind, of_fleet(name)) for kind in ("container", "volume", "network")):
                known = True
                retry.converge(lambda: _remove_objects(docker, name))
            if docker:
                variants.clear(docker, self._paths.locks)
            self._settings.release(self._user(name))
            files.forget()
        return known

    def down_all(self, purge: bool) -> None:
        """Remove all fleets, and the engine if it is our own; with `purge` also the images."""
        docker = self._outer()
        for name in status.fleets(docker, self._paths):
            self.down(name)
        if self._engine.is_own():
            self._engine.stop()
        elif docker and purge:
            images.unload(docker)
        if purge:
            self._images.purge()
        if not state.names(self._paths):
            shutil.rmtree(self._paths.root, ignore_errors=True)

    def down_orphans(self) -> list[str]:
        """Remove the fleets of checkouts that no longer exist, and return their names."""
        orphans = [name for name in status.fleets(self._outer(), self._paths) if status.orphaned(self._paths, name)]
        for name in orphans:
            self.down(name)
        return orphans

    def _outer(self) -> Docker | None:
        """Return the engine that may contain fleets. Start our own if it is stopped."""
        return self._engine.ensure() if self._engine.is_own() else self._engine.running()

    def _lock(self, name: str) -> AbstractContextManager[None]:
        return locks.held(self._paths.locks / f"fleet-{name}", f"working on the fleet {name}")

    def _user(self, name: str) -> str:
        """Return the name of this fleet, unique on this machine."""
        return f"{self._paths.root}:{name}"

    def _make_ready(
        self, docker: Docker, files: state.FleetState, spec: Spec, allow_missing: bool, timeout: float
    ) -> tuple[Member, list[Member], dict[str, str]]:
        """Make what exists in the engine match the fleet, and wait until the hosts are ready.

        Returns the world, the hosts and the versions of their engines.
        """
        available = self._provide_images(docker, spec, allow_missing)
        segments = network.ensure_segments(docker, self._paths, spec.name, spec.links)
        self._settings.acquire(self._user(spec.name))
        world, fleet_hosts = members(spec, segments, available, _machine())
        fleet_hosts = _with_keys(files, fleet_hosts)
        self._repair(docker, files, [world, *fleet_hosts])
        hosts.remove_other_volumes(docker, spec.name, [host.name for host in fleet_hosts])
        network.remove_others(docker, spec.name, segments)
        versions = self._wait(docker, fleet_hosts, timeout)
        if changed := _steps(docker, [world, *fleet_hosts]):
            raise retry.Unsettled(f"fleet {spec.name}: {changed[0].name}: {changed[0].reason} again")
        return world, fleet_hosts, versions

    def _provide_images(self, docker: Docker, spec: Spec, allow_missing: bool) -> dict[str, str]:
        """Return the names of the available images by engine."""
        sources = [parse(engine, known(RECIPES)) for engine in spec.used_engines()]
        recipes = {source.generation: load(RECIPES, source.generation) for source in sources}
        lacking = [recipe for recipe in recipes.values() if not docker.has_image(images.reference(recipe))]
        _, failures = attempt(self._images.ensure_built, lacking, BUILDERS)
        for generation in tolerate_missing_images(failures, allow_missing):
            del recipes[generation]
        if not recipes:
            raise FleetError("no host image available. The fleet cannot be created")
        for recipe in recipes.values():
            self._images.ensure_loaded(recipe, docker)
        return {
            source.name: images.reference(recipes[source.generation])
            if source.packaged
            else self._variant(docker, source).reference
            for source in sources
            if source.generation in recipes
        }

    def _repair(self, docker: Docker, files: state.FleetState, desired: Sequence[Member]) -> None:
        """Make the containers match the fleet."""
        wanted = {member.name: member for member in desired}
        steps = _steps(docker, desired)

        def carry_out(step: repair.RepairStep) -> None:
            if step.action is repair.Action.CREATE:
                keys = wanted[step.name].keys
                hosts.create(
                    docker, wanted[step.name], ssh.identity(keys[0], files.host_key(step.name)) if keys else b""
                )
            elif step.action is repair.Action.REMOVE:
                hosts.remove(docker, step.container)
                hosts.remove_volumes(docker, files.name, step.name)
            else:
                docker.run("container", step.action.value, step.container)

        removals = [step for step in steps if step.action is repair.Action.REMOVE]
        others = [step for step in steps if step.action is not repair.Action.REMOVE]
        for group in (removals, others):
            for step in group:
                console.say(f"{step.name}: {step.action.value} ({step.reason})")
            run_parallel(carry_out, group, STARTERS)

    def _wait(self, docker: Docker, fleet_hosts: Sequence[Member], timeout: float) -> dict[str, str]:
        """Wait until all hosts are ready, at most `timeout` seconds, and return engine versions by host."""
        deadline = time.monotonic() + timeout

        def ready(member: Member) -> tuple[str, str]:
            version = hosts.wait_ready(docker, member, deadline)
            coverage.install(docker, member.container)
            return member.name, version

        return dict(run_parallel(ready, fleet_hosts, STARTERS))


def _steps(docker: Docker, desired: Sequence[Member]) -> list[repair.RepairStep]:
    """Return the steps from the containers in the engine to the members of a fleet."""
    fingerprints = {member.name: member.fingerprint for member in desired}
    return repair.plan(fingerprints, hosts.observe(docker, desired[0].fleet))


def _remove_objects(docker: Docker, fleet: str) -> None:
    hosts.remove(docker, *docker.ids("container", of_fleet(fleet)))
    hosts.remove_volumes(docker, fleet)
    network.remove_others(docker, fleet, [])


def _with_keys(files: state.FleetState, fleet_hosts: Sequence[Member]) -> list[Member]:
    """Create missing keys, and return the hosts with the public keys of the fleet and of the host."""
    public = ssh.ensure_key(files.key, f"fleet {files.name}")
    keys = {host.address: ssh.ensure_key(files.host_key(host.name), host.name) for host in fleet_hosts}
    state.write(files.known_hosts, ssh.known_hosts(keys))
    return [replace(host, keys=(public, keys[host.address])) for host in fleet_hosts]


def _machine() -> Machine:
    return Machine(modules=os.path.isdir("/lib/modules"), tun=os.path.exists("/dev/net/tun"))
