# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Load the fixtures of the collection for the tests of the example."""

from __future__ import annotations

from ansible.plugins.loader import init_plugin_loader

init_plugin_loader()  # from here on, Python imports collections from where Ansible finds them
pytest_plugins = ["ansible_collections.fleetnet.docker.plugins.plugin_utils.testing"]
