"""The table of options: fields that exist once for all roles of rows and once for each."""

from dataclasses import fields

from bench.config.option import ROLES, option_of
from bench.config.run_arguments import RunArguments
from tasks import roles


def test_the_roles_of_options_are_those_that_users_give_rows_for() -> None:
    assert ROLES == roles.ROLES


def test_an_option_per_role_is_a_hidden_option_for_each_role_and_the_general_one_names_them() -> None:
    entries = {entry.name: option_of(entry) for entry in fields(RunArguments)}
    own = [name for name, details in entries.items() if details.hidden]
    assert {"generated_text", "real_text", "test_text", "generated_labels"} <= set(own)
    for name in own:
        role, _, general = name.partition("_")
        assert role in ROLES
        assert f"--{name.replace('_', '-')}" in entries[general].help
