# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps of a renumbering as comments. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.declaration.keys import PREFIX
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.importing.renumbering import RenumberingStep
from ansible_collections.fleetnet.docker.plugins.module_utils._domain.importing.wording import (
    MOST_NAMES,
    Comment,
    containers,
    fixed_addresses,
    listed,
    published,
    subnets,
    title,
)


def step_comments(number: int, step: RenumberingStep) -> t.Iterator[Comment]:
    place, moved = step.place, step.crossing.moved
    others = listed([title(other) for other in step.crossing.others])
    if step.first is None:
        yield f"{number}. {title(place)} shares addresses with {others}, and cannot be declared: {step.problem}."
        return
    if step.crossing.keeps:
        yield f"{number}. {title(place)} keeps its addresses, after the renumbering of {others}."
        yield "Disconnects no container."
        yield from _sources(step)
        yield from _lost(step)
        yield f"Add to {PREFIX}networks, in place of an item with this name, and run site.yml:"
        yield step.first
        yield from _lines(step)
        return
    to = f" -> {subnets(moved)}" if moved is not None else ""
    yield f"{number}. {title(place)}{to}, since it shares addresses with {others}."
    if step.then is None:
        yield "No private subnet of its size is free on all hosts, so that no other subnet is proposed."
        return
    yield from _sources(step)
    if step.sources():
        until = "From the first item until the run of site.yml without --limit"
        yield f"{until}, its containers reach no services of other hosts."
    yield f"Add to {PREFIX}networks, in place of an item with this name, and run site.yml --limit {place.host}."
    yield "It adopts the network and disconnects no container:"
    yield step.first
    yield from _lines(step)
    yield from _lost(step)
    yield "Without --limit, site.yml refuses the addresses that it shares, up to here. Go on, or remove the item."
    yield f"Replace it, and run site.yml --limit {place.host} -e {PREFIX}allow_disconnect=true."
    disconnected = f"{containers(place)} for a moment" if place.containers else "no container"
    yield f"It gives the network its new subnet, and disconnects {disconnected}:"
    yield step.then
    yield "Then run site.yml at once: until then, the other hosts have no route to it and do not answer its containers."
    fixed = list(fixed_addresses([place]))
    if fixed:
        yield f"Fixed addresses, to be changed in the definitions of these containers: {', '.join(fixed)}."


def _sources(step: RenumberingStep) -> t.Iterator[str]:
    if step.sources():
        yield (
            f"Services of other hosts see its containers with the address of host {step.place.host} before this step, "
            f"and with {' '.join(step.sources())} after it. Allow it before this step where sources are limited."
        )


def _lost(step: RenumberingStep) -> t.Iterator[str]:
    if step.lost:
        services = "; ".join(f"{published(place)} on {place.host}" for place in step.lost[:MOST_NAMES])
        more = f"; those of {len(step.lost) - MOST_NAMES} more networks" if len(step.lost) > MOST_NAMES else ""
        yield f"From then on, its containers do not reach what undeclared networks publish: {services}{more}."


def _lines(step: RenumberingStep) -> t.Iterator[Comment]:
    if step.lines:
        where = f"in {PREFIX}policy, in place of all lines to it" if step.replaces_lines else f"to {PREFIX}policy"
        yield f"For its published ports, add {where}:"
        yield from step.lines
    elif step.replaces_lines:
        yield f"Remove the lines to it from {PREFIX}policy: not all of its hosts publish their ports."
    if step.without_lines:
        services = ", ".join(f"{published(place)} on {place.host}" for place in step.without_lines)
        yield f"Without a line, since not all of its hosts publish the port: {services}."
