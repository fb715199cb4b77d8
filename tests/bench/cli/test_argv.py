"""Command lines as people and W&B agents write them reach the parser in one form."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.cli import commands
from bench.cli.argv import canonical, flags_of
from bench.config.option import key_values
from bench.config.request import make_request
from bench.errors import UserError
from bench.remote.opened import local_folder


@pytest.mark.parametrize(
    ("typed", "parsed"),
    [
        (["run", "--data_dir=x"], ["run", "--data-dir=x"]),
        (["run", "--train_layers=2", "--lr", "1e-3"], ["run", "--set=train-layers=2", "--set=lr=1e-3"]),
        (["--dry-run=True"], ["--dry-run"]),
        (["--dry_run=False", "--force"], ["--force"]),
        (["--dry-run=maybe"], ["--dry-run=maybe"]),
        (["--seed=None"], []),
        (["--seed", "None"], []),
        (["--clip_norm=None"], ["--set=clip-norm=None"]),
        (["--tasks=['twitter', 'news']"], ["--tasks=twitter,news"]),
        (["--tasks", "['twitter', 'news']"], ["--tasks=twitter,news"]),
        (["--tasks", "twitter", "--tasks=['news', 'mrpc']"], ["--tasks=twitter,news,mrpc"]),
        (["--methods=ce", "--seeds=1", "--methods", "dimp(clip=20)"], ["--methods=ce,dimp(clip=20)", "--seeds=1"]),
        (["--dimp.clip=20"], ["--set=dimp.clip=20"]),
        (["--dimp.clip", "20", "x"], ["--set=dimp.clip=20", "x"]),
        (["--set", "dimp.clip=20"], ["--set=dimp.clip=20"]),
        (["--methods", "dimp(clip=20)"], ["--methods=dimp(clip=20)"]),
        (["--seed=3", "--seed", "7"], ["--seed=3,7"]),
        (["--drop-labels", "a", "--drop_labels=b"], ["--drop-labels=a,b"]),
        (["--drop-labels", "None"], ["--drop-labels=None"]),
        (["--help", "run"], ["--help", "run"]),
        (["report", "--from", "a", "b", "--full", "c"], ["report", "--from=a", "--from=b", "--full", "c"]),
        (["--", "-x", "--seeds=1"], ["--", "-x", "--seeds=1"]),
    ],
)
def test_every_way_of_writing_an_option_becomes_one(typed: list[str], parsed: list[str]) -> None:
    assert canonical(typed, commands()) == parsed


@pytest.mark.parametrize(
    ("typed", "option"),
    [
        (["run", "--out", "--dry-run", "--methods", "ce"], "--out"),
        (["run", "--generated", ""], "--generated"),
        (["run", "--config="], "--config"),
        (["run", "--seeds", "2", "--config"], "--config"),
        (["report", "--from"], "--from"),
    ],
)
def test_an_option_without_its_value_takes_no_other(typed: list[str], option: str) -> None:
    with pytest.raises(UserError, match=f"^{option} is empty; leave it out, or give it a value$"):
        canonical(typed, commands())


def test_a_file_has_no_empty_values_and_may_leave_out_labels(tmp_path: Path) -> None:
    path = tmp_path / "grid.yaml"
    path.write_text('drop_labels: ["None"]\nout: ~/runs\n')
    home = str(Path("~/runs").expanduser())
    assert canonical(["run", f"--config={path}"], commands()) == ["run", "--drop-labels=None", f"--out={home}"]
    path.write_text("drop_labels: null\nseed: null\n")
    assert canonical(["run", f"--config={path}"], commands()) == ["run"]
    path.write_text('out: ""\n')
    with pytest.raises(UserError, match=r"grid\.yaml: out is empty"):
        canonical(["run", f"--config={path}"], commands())


def test_a_tilde_is_the_home_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A shell leaves it as it is after `=`, and Python and YAML do always."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "grid.yaml").write_text("seeds: 2\n")
    assert canonical(["run", "--out=~/runs", "--config=~/grid.yaml"], commands()) == [
        "run",
        f"--out={tmp_path / 'runs'}",
        "--seeds=2",
    ]
    assert local_folder("~/runs") == tmp_path / "runs"
    with pytest.raises(UserError, match="--data-dir ~/none: no such folder"):
        make_request(data_dir="~/none")


def test_a_folder_with_brackets_is_no_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("[1]").mkdir()
    assert canonical(["--tasks=[1]", "--generated=[2]"], commands()) == ["--tasks=[1]", "--generated=2"]


SWITCHES = [
    (name, option)
    for name, command in commands().commands.items()
    for entry in command.params
    if getattr(entry, "is_flag", False)
    for option in entry.opts
]


@pytest.mark.parametrize(("name", "option"), SWITCHES, ids=" ".join)
def test_every_switch_takes_a_truth_value(name: str, option: str) -> None:
    assert canonical([name, f"{option}=True"], commands()) == [name, option]
    assert canonical([name, f"{option.replace('-', '_').replace('__', '--')}=False"], commands()) == [name]


def test_settings_are_options_of_commands_that_take_them() -> None:
    assert canonical(["run", "--batch-size", "8"], commands()) == ["run", "--set=batch-size=8"]
    assert canonical(["predict", "model", "--batch-size", "8"], commands())[2:] == ["--batch-size=8"]


def test_the_switches_of_every_command_are_known() -> None:
    assert {"submission", "aa", "check", "with-texts", "dry-run", "help"} <= flags_of(commands())


def test_a_setting_is_given_twice_in_any_spelling() -> None:
    with pytest.raises(UserError, match="--set 'max_length' is given twice"):
        key_values(["max-length=64", "max_length=32"])
    assert key_values(["dimp.clip-x=1", "weight-decay=2"]) == {"dimp.clip-x": "1", "weight_decay": "2"}
