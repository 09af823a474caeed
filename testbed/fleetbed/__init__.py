"""A fleet of real Docker hosts on one machine. `cli` is the way in; README.md is the users' view.

Decisions, without effects, tested by units: address, aptsources, inventory, members, mend, paths, recipe, spec.
Effects on the machine: bridgefilter, engine, images, leftovers, locks, network, packages, state.
Effects on hosts: docker, hosts, ssh, status. What puts them in order: fleet, with console, process and together.
"""
