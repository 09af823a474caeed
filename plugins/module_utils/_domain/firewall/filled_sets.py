# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sets and maps that the reconciler fills, in the tables of the policy. Pure.

All names begin with ``endpoint``: what such a set contains is not part of the planned rules.
"""

from __future__ import annotations

import json
import re
import types
import typing as t

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.interface_name import interface_name_problem

PREFIX = "endpoint"
# In the tables ip and ip6: interface, MAC address and source of containers on several networks.
ENDPOINTS = "endpoints"
# In the tables ip and ip6: the bridges that networks have now, by the names that the table lists for each set. They are
# those of declared networks, of internal ones, and of those without IPv6 to the outside and to the host.
BRIDGES = "endpoint_bridges"
INTERNAL = "endpoint_internal"
CLOSED_OUT = "endpoint_closed_out"
LIMITED = "endpoint_limited"
# The same of networks that others may create; and each of these bridges twice, for frames within it.
ADOPTABLE = "endpoint_adoptable"
WITHIN = "endpoint_within"
# The same of one such network, by its name.
_OF = f"{PREFIX}_of_"
# In the table bridge, by the port of a container: its MAC address, its addresses, and IPv6 addresses as numbers.
PORTS = "endpoint_ports"
MACS = "endpoint_macs"
SOURCES = {4: "endpoint_sources", 6: "endpoint_sources_v6"}
TARGETS = "endpoint_targets"

_TYPES = {
    ("ip", ENDPOINTS): "type ifname . ether_addr . ipv4_addr",
    ("ip6", ENDPOINTS): "type ifname . ether_addr . ipv6_addr",
    ("bridge", PORTS): "type ifname",
    ("bridge", MACS): "type ifname . ether_addr",
    ("bridge", SOURCES[4]): "type ifname . ether_addr . ipv4_addr",
    ("bridge", SOURCES[6]): "type ifname . ether_addr . ipv6_addr",
    # the target of a neighbor advertisement, which nft before 1.1 cannot name
    ("bridge", TARGETS): "typeof iifname . @th,64,128",
}
_BRIDGES = {
    (family, name): "type ifname . ifname" if name == WITHIN else "type ifname"
    for family in ("ip", "ip6")
    for name in (BRIDGES, INTERNAL, CLOSED_OUT, LIMITED, ADOPTABLE, WITHIN)
}
_BRIDGE_SETS = frozenset(name for _family, name in _BRIDGES)
_SET = rf"{PREFIX}[\w.-]*"
_NETWORK = re.compile(rf"^\t# ({_SET}): (\S+)$", re.MULTILINE)
_KEPT = re.compile(r"^\t# kept: (\S+)$", re.MULTILINE)
# In the tables ip and ip6: the chain for a published port, at all addresses of the host and at one.
PUBLISHED = "endpoint_published"
PUBLISHED_AT = "endpoint_published_at"
_MAPS = {
    ("ip", PUBLISHED): "type inet_proto . inet_service : verdict",
    ("ip", PUBLISHED_AT): "type ipv4_addr . inet_proto . inet_service : verdict",
    ("ip6", PUBLISHED): "type inet_proto . inet_service : verdict",
    ("ip6", PUBLISHED_AT): "type ipv6_addr . inet_proto . inet_service : verdict",
}

# Chains that combine chains for published ports, as "NAME CHAIN...": what one of these does not accept is dropped.
CHAINS = "endpoint_chains"
_CHAIN = "\tchain {} {{\n"
_ACCEPT = re.compile(r"\baccept(?=$| comment )")

# A set or map as nft lists it.
_LISTED = re.compile(rf"^\t(?:set|map) ({_SET}) \{{\n(.*?)^\t\}}\n", re.MULTILINE | re.DOTALL)
_ELEMENTS = re.compile(r"elements = \{ (.*?) \}", re.DOTALL)

# An element of a map as it is saved, as JSON has it: the key of a port, and its verdict.
_SAVED = re.compile(r"([0-9a-f.:]+ \. )?(tcp|udp|sctp) \. ([0-9]{1,5}) : (goto [A-Za-z0-9_.-]+|drop)\Z")
# A set of bridges as it is saved, and an element of it: a bridge, once or twice.
_SAVED_SET = re.compile(rf"(ip6?) ({_SET})\Z")
_SAVED_BRIDGE = re.compile(r'"([^"]+)"( \. "\1")?\Z')

# (family, set or map) -> its elements.
Elements = t.Mapping[t.Tuple[str, str], t.FrozenSet[str]]

NO_ELEMENTS: Elements = types.MappingProxyType(
    dict.fromkeys((*_TYPES, *_BRIDGES, ("ip", CHAINS), ("ip6", CHAINS), *_MAPS), frozenset())
)


def set_definitions(family: str) -> list[str]:
    """The definitions of a family's sets in a table."""
    return _definitions("set", family, _TYPES)


def bridges_of(network: str) -> str:
    """The set of the bridges that a network has now, which others may create."""
    return f"{_OF}{network}"


def _has_bridges(name: str) -> bool:
    return name in _BRIDGE_SETS or name.startswith(_OF)


def bridges_definition(family: str, name: str, networks: t.Iterable[str]) -> list[str]:
    """The definition of a set of bridges in a table, with the networks whose bridges it gets."""
    kind = {(family, name): _BRIDGES.get((family, name), "type ifname")}
    return [*(f"\t# {name}: {network}" for network in sorted(networks)), *_definitions("set", family, kind)]


def networks_of(block: str) -> dict[str, list[str]]:
    """The networks that a table lists, by set of bridges."""
    found: dict[str, list[str]] = {}
    for name, network in _NETWORK.findall(block):
        if _has_bridges(name):
            found.setdefault(name, []).append(network)
    return found


def kept_lines(subnets: t.Iterable[object]) -> list[str]:
    """The lines of a table that list subnets outside of the supernet."""
    return [f"\t# kept: {subnet}" for subnet in subnets]


def kept_in(block: str) -> list[str]:
    """The subnets outside of the supernet that a table lists, as text."""
    return _KEPT.findall(block)


def map_definitions(family: str) -> list[str]:
    """The definitions of a family's maps in a table."""
    return _definitions("map", family, _MAPS)


def _definitions(word: str, family: str, types: t.Mapping[tuple[str, str], str]) -> list[str]:
    return [
        line
        for (own, name), kind in types.items()
        if own == family
        for line in (f"\t{word} {name} {{", f"\t\t{kind}", "\t}")
    ]


def saved_text(elements: Elements) -> str:
    """The elements that are kept over a boot, as the text of a file: those of published ports, and bridges.

    Until the engine answers, after it started its containers, they restrict the same ports and networks as before: a
    network has the same bridge after a boot. The other sets allow packets, or name interfaces that do not exist any
    more.
    """
    kept = {key: sorted(elements[key]) for key in _MAPS}
    kept.update((key, sorted(found)) for key, found in sorted(elements.items()) if found and _has_bridges(key[1]))
    return json.dumps({" ".join(key): found for key, found in kept.items()}) + "\n"


def parse_saved(text: str) -> Elements:
    """The elements that :func:`saved_text` wrote; none if the text is not valid."""
    try:
        saved = json.loads(text)
        found = {key: frozenset(saved[" ".join(key)]) for key in _MAPS}
        valid = all(_SAVED.match(element) for elements in found.values() for element in elements)
        sets = {each.groups(): each[0] for each in map(_SAVED_SET.match, saved) if each and _has_bridges(each[2])}
        bridges = {(family, name): frozenset(saved[key]) for (family, name), key in sets.items()}
        valid = valid and all(_is_bridge(key[1], element) for key, each in bridges.items() for element in each)
    except (ValueError, TypeError, KeyError):
        return NO_ELEMENTS
    return {**NO_ELEMENTS, **found, **bridges} if valid else NO_ELEMENTS


def _is_bridge(name: str, element: str) -> bool:
    """Whether a set of bridges can have an element."""
    found = _SAVED_BRIDGE.match(element)
    return bool(found and interface_name_problem(found[1]) is None and bool(found[2]) == (name == WITHIN))


def kept_elements(listed: t.Mapping[str, str], tables: t.Mapping[str, str], saved: Elements = NO_ELEMENTS) -> Elements:
    """The elements of tables as the kernel lists them (contents by FAMILY NAME), for tables that replace these.

    Tables that the kernel does not have get the ``saved`` ones. A chain for published ports that no longer exists is
    replaced by ``drop``, so that no port is opened.
    """
    found = dict(NO_ELEMENTS)
    for table, block in tables.items():
        for key in saved if table not in listed else ():
            if key[0] == table.split()[0]:
                found[key] = frozenset(_kept(element, block) for element in saved[key])
    for table, block in listed.items():
        for name, contents in _LISTED.findall(block):
            key = (table.split()[0], name)
            elements = _ELEMENTS.search(contents)
            if elements is not None and (key in found or _has_bridges(name)):
                each = (" ".join(element.split()) for element in elements[1].split(","))
                found[key] = frozenset(_kept(element, tables.get(table, "")) for element in each)
    return found


def _kept(element: str, block: str) -> str:
    key, _separator, chain = element.partition(" : goto ")
    return element if not chain or _CHAIN.format(chain) in block else f"{key} : drop"


def elements_text(table: str, block: str, elements: Elements) -> str:
    """The commands that replace the elements of the sets in a table (FAMILY NAME) with these contents."""
    text = ""
    for (family, name), found in elements.items():
        if name == CHAINS and family == table.split()[0]:
            text += "".join(_chains_text(table, block, each) for each in sorted(found))
        word = "map" if (family, name) in _MAPS else "set"
        if family == table.split()[0] and f"\t{word} {name} {{\n" in block:
            text += f"flush {word} {table} {name}\n"
            if found:
                text += f"add element {table} {name} {{ {', '.join(sorted(found))} }}\n"
    return text


def _chains_text(table: str, block: str, element: str) -> str:
    """The commands that define a combined chain: it jumps to a copy of each chain, which returns what that accepts."""
    name, *chains = element.split(" ")
    text = jumps = ""
    for number, chain in enumerate(chains):
        rules = block.partition(_CHAIN.format(chain))[2].partition("\t}\n")[0].splitlines()
        text += _chain_text(table, f"{name}_{number}", [_ACCEPT.sub("return", rule.strip()) for rule in rules])
        jumps += f"jump {name}_{number}\n"
    return text + _chain_text(table, name, jumps.splitlines())


def _chain_text(table: str, name: str, rules: t.Iterable[str]) -> str:
    added = "".join(f"add rule {table} {name} {rule}\n" for rule in rules)
    return f"add chain {table} {name}\nflush chain {table} {name}\n{added}"
