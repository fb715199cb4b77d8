"""Command lines as people and W&B agents write them reach the parser in one form."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.cli import commands, common
from bench.cli.argv import canonical, flags_of


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
        (["--generated", ""], ["--generated="]),
        (["--methods", "--dry-run"], ["--methods", "--dry-run"]),
        (["--help", "run"], ["--help", "run"]),
        (["report", "--from", "a", "b", "--full", "c"], ["report", "--from=a", "--from=b", "--full", "c"]),
        (["--", "-x", "--seeds=1"], ["--", "-x", "--seeds=1"]),
        (["run", "--seeds", "2", "--config"], ["run", "--seeds=2", "--config"]),
    ],
)
def test_every_way_of_writing_an_option_becomes_one(typed: list[str], parsed: list[str]) -> None:
    assert canonical(typed, commands()) == parsed


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


def test_a_setup_line_is_in_no_stored_command(monkeypatch: pytest.MonkeyPatch) -> None:
    key = "setup=export KEY=secret"
    for words in (["--engine-set", key], [f"--engine-set={key}"]):
        monkeypatch.setattr("sys.argv", ["bench", "run", *words, "--seeds", "2"])
        assert "secret" not in common.typed()
        assert common.typed().endswith("(left out)' --seeds 2")


def test_the_switches_of_every_command_are_known() -> None:
    assert {"submission", "aa", "check", "with-texts", "dry-run", "help"} <= flags_of(commands())
