"""A fleet of real Docker hosts on one machine. `cli` is the way in; README.md is the users' view.

Decisions (no effects, tested by units): address, aptsources, inventory, members, mend, recipe, spec.
Effects: console, docker, engine, fleet, hosts, images, locks, network, packages, process, ssh, state, status.
"""
