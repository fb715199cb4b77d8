"""`bench run` and `bench.run` take the same arguments, and mean the same by them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import typer

import bench
from bench.cli import app
from bench.cli.grids import grid_of
from bench.commands.arguments import known, sort
from bench.errors import UserError
from bench.leaderboard import Correction, Rules

RUN = typer.main.get_command(app).commands["run"]  # type: ignore[attr-defined]
# What the command line calls otherwise; a grid as a file is a call with a mapping.
CALLED = {"plugin": "plugins", "no_figures": "figures", "seed": "seeds", "log_artifacts": "artifacts"}


def test_every_option_is_an_argument() -> None:
    options = {entry.name for entry in RUN.params} - {"config", "help"}
    assert {CALLED.get(name, name) for name in options} == known() - {"inputs"}


def test_options_and_arguments_mean_the_same(tmp_path: Path) -> None:
    typed = ["--methods", "ce,dimp", "--tasks", "twitter", "--seed", "3,7", "--set", "lr=1e-3", "--workers", "1"]
    typed += ["--protocol", "fixed,held-out", "--out", str(tmp_path), "--baseline", "dimp", "--delta", "2.5"]
    typed += ["--correction", "bh", "--allow-mixed", "--no-figures", "--save-models", "full", "--fail-fast"]
    asked, how = grid_of(RUN.make_context("run", typed).params)
    same: dict[str, Any] = {
        "methods": ["ce", "dimp"],
        "tasks": "twitter",
        "seeds": [3, 7],
        "settings": {"lr": 1e-3},
        "workers": 1,
        "protocol": ["fixed", "held-out"],
        "out": str(tmp_path),
        "baseline": "dimp",
        "delta": 2.5,
        "correction": "bh",
        "allow_mixed": True,
        "figures": False,
        "save_models": "full",
        "fail_fast": True,
    }
    assert sort(same, how.command) == (asked, how)
    assert how.rules == Rules("dimp", 0.025, Correction.BH, allow_mixed=True)


def test_defaults_are_the_command_lines() -> None:
    asked, how = grid_of(RUN.make_context("run", []).params)
    assert sort({}, how.command) == (asked, how)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"sedes": 3}, "unknown argument 'sedes'; did you mean 'seeds'"),
        ({"rules": None}, "unknown argument 'rules'"),
        ({"delta": -1}, "delta must be a number of points"),
        ({"delta": float("nan")}, "delta must be a number of points"),
        ({"correction": "hol"}, "unknown correction 'hol'; did you mean 'holm'"),
        ({"save_models": "ful"}, "unknown save_models 'ful'; did you mean 'full'"),
        ({"workers": 0}, "workers must be at least 1"),
        ({"baseline": "dimp", "methods": "ce"}, "dimp"),
    ],
)
def test_a_wrong_argument_is_one_line(
    tmp_path: Path, tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, Any], told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=told):
        bench.run(**{"preset": "smoke", "encoder": str(tiny_encoder), **given})
    assert not list(tmp_path.iterdir()), "nothing is made"
