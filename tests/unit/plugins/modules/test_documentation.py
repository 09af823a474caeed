# Copyright: the fleetnet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation, argument specs and roles of the daemon's modules agree with the options that the code accepts."""

from __future__ import annotations

import re
import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.fleetnet.docker.plugins.module_utils._domain.daemon.keys import KEYS, OLDEST, Key
from ansible_collections.fleetnet.docker.plugins.module_utils._host.daemon.options import (
    REMOTE_API_OPTIONS,
    RESTART_OPTIONS,
)
from ansible_collections.fleetnet.docker.plugins.module_utils._host.parts.default_bridge import OPTIONS
from ansible_collections.fleetnet.docker.plugins.modules import default_bridge, remote_api

Options = dict[str, t.Any]

ROLES = Path(__file__).parents[4] / "roles"


def read(role: str, file: str) -> t.Any:
    return yaml.safe_load((ROLES / role / file).read_text(encoding="utf-8"))


def role_options(role: str) -> Options:
    return t.cast(Options, read(role, "meta/argument_specs.yml")["argument_specs"]["main"]["options"])


def documented(module: t.Any) -> Options:
    return t.cast(Options, yaml.safe_load(module.DOCUMENTATION)["options"])


def normalized(options: Options, defaults: bool = True) -> Options:
    """What Ansible checks of the options: without their descriptions, on request without defaults."""
    fields = ("type", "elements", "choices", "required", *(("default",) if defaults else ()))
    return {
        name: {
            **{field: option[field] for field in fields if field in option},
            "options": normalized(option.get("options") or option.get("suboptions") or {}, defaults),
        }
        for name, option in options.items()
    }


@pytest.mark.parametrize(("module", "options"), [(default_bridge, OPTIONS), (remote_api, REMOTE_API_OPTIONS)])
def test_the_documentation_has_the_options_of_the_module(module: t.Any, options: Options) -> None:
    assert normalized(documented(module)) == normalized(options)


def test_the_role_has_the_options_of_default_bridge() -> None:
    nested = role_options("docker_default_bridge")["docker_default_bridge_config"]["options"]
    # The module alone has the defaults, or they would be written twice.
    expected = {name: option for name, option in OPTIONS.items() if name not in RESTART_OPTIONS}
    assert normalized(nested) == normalized(expected, defaults=False)


def test_the_role_passes_each_option_of_default_bridge() -> None:
    (task,) = read("docker_default_bridge", "tasks/main.yml")
    config = {
        name: f"{{{{ docker_default_bridge_config.{name} | default(omit) }}}}"
        for name in OPTIONS
        if name not in RESTART_OPTIONS
    }
    own = {name: f"{{{{ docker_default_bridge_{name} }}}}" for name in RESTART_OPTIONS}
    assert task["fleetnet.docker.default_bridge"] == {**config, **own}


@pytest.mark.parametrize("key", [key for key in KEYS if key.since > OLDEST], ids=lambda key: key.name)
def test_documentation_names_the_engine_that_a_key_requires(key: Key) -> None:
    sentence = f"Requires engine {'.'.join(str(part) for part in key.since)}."
    role = role_options("docker_default_bridge")["docker_default_bridge_config"]["options"]
    for options in (documented(default_bridge), role):
        assert sentence in str(options[key.option]["description"])


@pytest.mark.parametrize(
    ("role", "options"), [("docker_default_bridge", RESTART_OPTIONS), ("docker_remote_api", REMOTE_API_OPTIONS)]
)
def test_a_roles_variables_have_the_types_of_the_options(role: str, options: Options) -> None:
    flat = {**options, **options.get("authority", {}).get("options", {})}
    variables = {name[len(role) + 1 :]: option for name, option in role_options(role).items()}
    variables.pop("config", None)
    flat.pop("authority", None)
    assert normalized(variables, defaults=False).keys() == flat.keys()
    for name, variable in variables.items():
        for field in ("type", "elements", "choices"):
            assert variable.get(field) == flat[name].get(field), name


@pytest.mark.parametrize("role", ["docker_default_bridge", "docker_remote_api"])
def test_a_roles_argument_spec_has_its_defaults(role: str) -> None:
    defaults = read(role, "defaults/main.yml")
    options = role_options(role)
    assert options.keys() == defaults.keys()
    for name, option in options.items():
        if "{{" not in str(defaults[name]):
            assert option.get("default") == defaults[name], name


@pytest.mark.parametrize("role", ["docker_default_bridge", "docker_remote_api"])
def test_a_roles_readme_lists_its_variables(role: str) -> None:
    table = (ROLES / role / "README.md").read_text(encoding="utf-8").split("## Variables")[1]
    listed = [
        f"{role}{name}" if name.startswith("_") else name
        for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
        for name in re.findall(r"`(\w+)`", row)
    ]
    assert listed == list(role_options(role))
