# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An imported declaration as a document for people: variables, and comments about what they do not contain. Pure.

Names and texts of hosts are data. Comments contain them quoted; the writer of the file escapes line feeds.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.default_bridge import KEEP
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.keys import PREFIX
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.errors import named_hosts
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.importing.document_steps import step_comments
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.importing.expressible import is_of_default_pools
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.importing.imported_fleet import (
    FoundFleet,
    ImportedFleet,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.importing.imported_network import ImportedNetwork
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.importing.places import HostNetwork, Report
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.importing.renumbering import (
    RenumberingStep,
    renumbering,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.importing.wording import (
    Comment,
    containers,
    fixed_addresses,
    listed,
    published,
    subnets,
    title,
    used_by,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.printable import quoted_name


class DocumentEntry(t.NamedTuple):
    """An element of a variable that is a list."""

    comments: tuple[Comment, ...]
    value: t.Any


@dataclasses.dataclass(frozen=True)
class DocumentSection:
    """A variable with its comments; without a name only comments. ``entries`` are the elements of a list."""

    comments: tuple[Comment, ...]
    name: str = ""
    value: t.Any = None
    entries: tuple[DocumentEntry, ...] = ()


#: The first paragraph of each document, by which a later import knows it.
FIRST_LINE = "Written by the playbook fleetnet.docker.import."
_HEAD = (
    FIRST_LINE,
    "What the hosts have, imported as a declaration that keeps it. Review it before you apply it: "
    "everything here is what the hosts report, and a host that is compromised reports what it wants. "
    "Each network names its hosts, and each line of the policy the containers that publish its ports.",
    "The first run of site.yml changes no network, no container, not docker0 and no key of daemon.json. It adds the "
    "files, units and rules of this collection, routes to the other hosts, and a record of the adopted networks. While "
    "it goes from host to host, connections to published ports of other hosts can fail for some seconds.",
    "What changes for traffic: between networks of this file nothing passes without a line of the policy, also where "
    "other programs allowed it. Containers on them do not reach the remote API of the engines (tcp/2376), and send "
    "packets from addresses of their network only.",
)
_SOURCES = (
    "Services of the hosts themselves, such as a database without a container, see the containers of other hosts with "
    "another source: the first address of the container's network, and no longer the address of its host. Allow these "
    "addresses where sources are limited: in firewalls, pg_hba.conf, exports of NFS. {sources}. Run site.yml on all "
    "hosts: with --limit, the other hosts have no route for replies, and do not answer the containers."
)
_SUPERNET = "Hosts lease blocks of it in the lock file. Networks with subnets of their own use no part of it."
_LOCAL = (
    "local keeps the containers of a network from those on other hosts, as before the import. Without it, a network "
    "that exists on several hosts becomes one network, and its containers reach each other."
)
_POLICY = (
    "A published port of another host was open to all containers, as to the world. These lines keep that, for ports "
    "that each host of the network publishes: otherwise the rules would deny it between the networks. They also allow "
    "connections to these ports at the addresses of all containers of the network. Replace any with the networks that "
    "use a port."
)
_WITHOUT_LINES = (
    "Not allowed: ports that some hosts of a network publish and others do not. A line would open them on all hosts of "
    "the network. From the first run of site.yml on, containers on the networks of this file do not reach them; the "
    "outside and containers on other networks do. If no other container of the network listens at such a port, add a "
    "line."
)
_KEEP = (
    "keep leaves docker0 and the engines' address pools as they are, which differ from the plan. Without it, the next "
    f"run with -e {PREFIX}allow_restart=true gives them addresses of the host's block, and restarts the engines. Until "
    "then, nothing keeps networks that other programs create from getting the same subnets on several hosts."
)
_UNREACHED = (
    "From the first run of site.yml on, containers on the networks of this file do not reach the published ports of "
    "these networks, which are not declared, on any host; the outside and containers on other networks do. Where that "
    "matters, take these steps before: renumber or declare the network, or connect its containers to a declared one."
)
_CROSSINGS = (
    "Not declared: networks that share addresses with a network of another host. Packets are routed by their "
    "destination, so that only one of them can be part of the fleet with these addresses. They stay as they are. The "
    "proposed renumbering follows. Each step can be taken alone. The item before it undoes it, with the same consent."
)


def import_document(found: FoundFleet, imported: ImportedFleet) -> list[DocumentSection]:
    """The sections of the document, in their order."""
    steps = renumbering(imported, found.names)
    sources = [_SOURCES.format(sources=each) for each in [_all_sources(imported, steps)] if each]
    blocking = [f"Examine first: {text}." for text in _blocking(imported)]
    sections = [DocumentSection((*_HEAD, *blocking, *sources, *_seen(found.reports), *_unseen(found)))]
    for key, value in imported.variables.items():
        name = PREFIX + key
        if key == "networks":
            entries = tuple(_network(network, imported, found.names) for network in imported.networks)
            sections.append(DocumentSection((_LOCAL,) if entries else (), name, [], entries))
        elif key == "policy":
            lines = tuple(DocumentEntry((f"published: {who}",), line) for line, who in zip(value, imported.publishers))
            sections.append(DocumentSection((_POLICY,) if lines else (), name, [], lines))
        else:
            sections.append(DocumentSection(_about(key, value), name, value))
    comments = (_without_lines(imported), _unreached(imported), _left_out(imported), _renumbered(steps))
    sections += [section for section in comments if section.comments]
    return sections


def import_summary(found: FoundFleet, imported: ImportedFleet) -> list[str]:
    """The report of an import, as lines."""
    lines = ["Import", "", *(f"  examine first: {text}" for text in _blocking(imported))]
    for network in imported.networks:
        where = ", ".join(f"{place.host} {subnets(place)}" for place in network.places)
        lines.append(f"  network {network.name}: {where}")
    lines += [f"  {text}" for text in _far_routes(imported.networks)]
    if not imported.networks:
        lines.append("  no network")
    if found.unread:
        lines.append(f"  not read: {named_hosts(found.unread)}")
    lines += _proposal(imported)
    lines += [f"  left out: {title(each.place)}: {each.reason}" for each in imported.left_out]
    for crossing in imported.crossings:
        others = listed([title(other) for other in crossing.others])
        what = "keeps its addresses once the others are renumbered" if crossing.keeps else "is to be renumbered"
        lines.append(f"  left out: {title(crossing.place)} {what}: it shares addresses with {others}")
    for place in (*imported.without_lines, *imported.unreached) if imported.networks else ():
        lines.append(f"  not reached from the networks above: {published(place)}, {title(place)}")
    for network in imported.networks:
        if stopped := _stopped(network):
            lines.append(f"  without lines for ports, since stopped: {stopped}, network {network.name}")
    later = [source for step in renumbering(imported, found.names) for source in step.sources()]
    sources = _sources(imported)
    if sources or later:
        active = sorted(host for host, names in _firewalls(found.reports).items() if names)
        firewalls = f"; active firewalls: {named_hosts(active)}" if active else ""
        instead = "to services of other hosts, instead of the address of the host"
        for what, each in (
            (f"from the networks above {instead}", sources),
            (f"{instead}, after the steps of the renumbering", list(dict.fromkeys(later))),
        ):
            if each:
                lines.append(f"  source of connections {what}: {listed(each)}{firewalls}")
    return lines


def _blocking(imported: ImportedFleet) -> list[str]:
    """The hosts that keep networks of several others out. A host that is compromised may report them for that."""
    shared: dict[str, list[HostNetwork]] = {}
    own: dict[str, set[int]] = {}
    for crossing in imported.crossings:
        by_host: dict[str, list[HostNetwork]] = {}
        for other in crossing.others:
            by_host.setdefault(other.host, []).append(other)
        for host, others in by_host.items():
            # The same subnet on many hosts is what Docker does.
            if len(by_host) == 1 or not all(_is_usual(crossing.place, other) for other in others):
                shared.setdefault(host, []).append(crossing.place)
                own.setdefault(host, set()).update(map(id, others))
    counted = [(len({place.host for place in places}), len(places), host) for host, places in shared.items()]
    return [
        f"host {host} shares addresses with {networks} networks of {hosts} other host{'s' if hosts > 1 else ''}, which "
        "are not declared for that reason"
        for hosts, networks, host in sorted(counted, key=lambda each: (-each[0], -each[1]))
        if hosts > 1 or networks > len(own[host])
    ]


def _is_usual(place: HostNetwork, other: HostNetwork) -> bool:
    """Whether two engines without configuration may have chosen these subnets."""
    return place.subnets == other.subnets and all(map(is_of_default_pools, place.subnets))


def _stopped(network: ImportedNetwork) -> str:
    """The stopped containers of a network that is routed. The engine reports no published ports of them."""
    places = [place for place in network.places if place.routed]
    return listed([f"{each.name} on {place.host}" for place in places for each in place.containers if not each.running])


def _far_routes(networks: t.Iterable[ImportedNetwork]) -> t.Iterator[str]:
    """The subnets that are routed to a host and that no engine chooses by default."""
    for network in networks:
        for place in network.places if network.places[0].routed else ():
            for subnet in place.subnets:
                if not is_of_default_pools(subnet):
                    yield f"all hosts route {subnet} to host {place.host}: it is not of Docker's default address pools"


def _proposal(imported: ImportedFleet) -> t.Iterator[str]:
    if imported.space is not None and imported.space.taken is not None:
        yield f"  proposed supernet, of which no host reports an address: {imported.space.supernet}"
        blocks: dict[str, list[str]] = {}
        for block, taken in imported.space.taken:
            blocks.setdefault(str(taken), []).append(str(block))
        yield from (f"  not free: {listed(found)} because of {taken}" for taken, found in blocks.items())


def _sources(imported: ImportedFleet) -> list[str]:
    """The sources that other hosts see of packets to them, in a fleet of several hosts."""
    if len(imported.plan.hosts) < 2:
        return []
    places = [place for network in imported.networks for place in network.places if place.routed]
    policy = imported.plan.policy
    return [policy.source_to_hosts(subnet.host(1)) for place in places for subnet in place.subnets]


def _all_sources(imported: ImportedFleet, steps: t.Sequence[RenumberingStep]) -> str:
    """The sources of the first run and of the steps, not shortened: services may deny the others."""
    first, later = _sources(imported), [source for step in steps for source in step.sources()]
    found = [f"Before the first run: {', '.join(first)}"] if first else []
    if later:
        found.append(f"Before the steps at the end of this file: {', '.join(dict.fromkeys(later))}")
    return ". ".join(found)


def _firewalls(reports: t.Mapping[str, Report]) -> dict[str, list[str]]:
    """The active programs that write firewall rules, by host."""
    found = {host: (report.get("firewall") or {}).get("services") or {} for host, report in reports.items()}
    return {host: sorted(name for name, active in services.items() if active) for host, services in found.items()}


def _about(key: str, value: t.Any) -> tuple[Comment, ...]:
    if key == "default_bridge" and value == {KEEP: True}:
        return (_KEEP,)
    return (_SUPERNET,) if key == "supernet" else ()


def _seen(reports: t.Mapping[str, Report]) -> t.Iterator[str]:
    """Other programs that write rules, and hosts without a report."""
    active = _firewalls(reports)
    for host, report in reports.items():
        if active[host]:
            names = " and ".join(map(quoted_name, active[host]))
            yield f"Host {host}: {names} active. These rules stay, and packets must pass them too."
        if (report.get("engine") or {}).get("iptables") is False:
            yield f"Host {host}: its engine writes no firewall rules (iptables: false)."


def _unseen(found: FoundFleet) -> t.Iterator[str]:
    if found.unread:
        yield f"Not read, and so without networks here: {named_hosts(found.unread)}."


def _network(network: ImportedNetwork, imported: ImportedFleet, hosts: t.Sequence[str]) -> DocumentEntry:
    comments: list[Comment] = []
    comments += [f"{place.host}: {containers(place)}" for place in network.places if place.containers]
    stopped = _stopped(network)
    if stopped:
        comments.append(f"Ports that these containers publish when they run are not known, and have no line: {stopped}")
    comments += [f"{text[0].upper()}{text[1:]}." for text in _far_routes([network])]
    fixed = list(fixed_addresses(network.places))
    if fixed:
        comments.append(f"Fixed addresses, which these containers keep: {', '.join(fixed)}")
    for key, reason in sorted(imported.without.get(network.name, {}).items()):
        comments.append(f"Without {key}, which the network keeps: {reason}.")
    if network.odd_labels:
        names = ", ".join(map(quoted_name, network.odd_labels))
        comments.append(f"Without these labels, which the network keeps and a template would change: {names}")
    return DocumentEntry(tuple(comments), network.item(hosts))


def _without_lines(imported: ImportedFleet) -> DocumentSection:
    lines = [f"- {title(place)}: {published(place)}" for place in imported.without_lines]
    return DocumentSection((_WITHOUT_LINES, *lines) if lines else ())


def _unreached(imported: ImportedFleet) -> DocumentSection:
    lines = [f"- {title(place)}: {published(place)}" for place in imported.unreached]
    return DocumentSection((_UNREACHED, *lines) if lines and imported.networks else ())


def _left_out(imported: ImportedFleet) -> DocumentSection:
    if not imported.left_out:
        return DocumentSection(())
    lines = [f"- {title(each.place)}: {each.reason}.{used_by(each.place)}" for each in imported.left_out]
    return DocumentSection(("Not declared. These networks stay as they are, without routes and policy.", *lines))


def _renumbered(steps: t.Sequence[RenumberingStep]) -> DocumentSection:
    if not steps:
        return DocumentSection(())
    comments: list[Comment] = [_CROSSINGS]
    for number, step in enumerate(steps, 1):
        comments += step_comments(number, step)
    return DocumentSection(tuple(comments))
