"""A fleet of real Docker hosts on one machine. `cli` is the entry point; README.md is the user documentation.

Decisions without effects, covered by unit tests: address, aptsources, inventory, members, paths, recipe, repair, spec.
Effects on the machine: engine, images, leftovers, locks, network, packages, state, sysctls.
Effects on hosts: docker, hosts, ssh, status. Orchestration: fleet, with console, process and parallel.
"""
