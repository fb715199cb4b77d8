"""`bench run`, `bench.run` and `--config` take the same arguments, and mean the same by them."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

import bench
from bench.cli import commands
from bench.cli.argv import keys_of
from bench.cli.grids import request_of
from bench.cli.options import parsed_arguments, takes_run_arguments
from bench.commands.arguments import request_and_options, rules, run_arguments
from bench.config.option import GRID, described, keywords, option, option_of
from bench.config.run_arguments import RunArguments, VerdictArguments
from bench.errors import UserError
from bench.leaderboard import USUAL, Rules
from bench.tracking.lineage import KINDS

RUN = commands().commands["run"]


def test_options_keywords_and_keys_of_a_file_agree() -> None:
    names = [option_of(entry).name for entry in fields(RunArguments)]
    assert [opt for entry in RUN.params for opt in entry.opts] == [*(f"--{name}" for name in names), "--config"]
    assert set(names) <= set(keys_of(commands()))
    assert list(inspect.signature(bench.run).parameters) == [*(entry.name for entry in fields(RunArguments)), "say"]
    assert described(RunArguments) in (bench.run.__doc__ or "")


@dataclass(frozen=True)
class Extended(RunArguments):
    """The table with one more field."""

    dropped_words: float | None = field(default=None, metadata=option(GRID, "Share of words to drop.", min=0, max=1))


def test_a_new_argument_is_one_field() -> None:
    app = typer.Typer(pretty_exceptions_enable=False)
    parsed = []

    @app.command()
    @takes_run_arguments(Extended)
    def run(context: typer.Context, **arguments: Any) -> None:
        parsed.append(parsed_arguments(arguments, Extended))

    @app.command()
    def other() -> None: ...

    shown = CliRunner().invoke(app, ["run", "--help"], env={"COLUMNS": "200", "NO_COLOR": "1"}).output
    assert "--dropped-words" in shown
    assert "Share of words to drop." in shown
    assert CliRunner().invoke(app, ["run", "--dropped-words", "0.5"], catch_exceptions=False).exit_code == 0
    assert CliRunner().invoke(app, ["run", "--dropped-words", "2"]).exit_code == 2
    assert parsed == [Extended(dropped_words=0.5, settings={})]
    assert "dropped-words" in keys_of(typer.main.get_command(app))
    assert keywords(Extended)[-1].name == "dropped_words"
    assert "dropped_words (--dropped-words): Share of words to drop." in described(Extended)


def test_options_and_arguments_mean_the_same(tmp_path: Path) -> None:
    typed = ["--methods", "ce,dimp", "--tasks", "twitter", "--seed", "3,7", "--set", "lr=1e-3", "--workers", "1"]
    typed += ["--protocol", "fixed,held-out", "--out", str(tmp_path), "--baseline", "dimp", "--delta", "2.5"]
    typed += ["--correction", "bh", "--allow-mixed", "--no-figures", "--save-models", "full", "--fail-fast"]
    typed += ["--log-artifacts"]
    request, options = request_of(RUN.make_context("run", typed).params)
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
        "artifacts": KINDS,
    }
    assert request_and_options(run_arguments(same), options.command) == (request, options)
    assert options.rules == Rules("dimp", 0.025, "bh", allow_mixed=True)


def test_defaults_are_the_command_lines() -> None:
    request, options = request_of(RUN.make_context("run", []).params)
    assert request_and_options(run_arguments({}), options.command) == (request, options)
    assert rules(VerdictArguments()) == USUAL


@pytest.mark.parametrize(("seed", "seeds"), [(7, (7,)), ("3,7", (3, 7)), ([4], (4,)), (None, (0, 1))])
def test_seed_names_seeds_where_seeds_counts_them(seed: Any, seeds: tuple[int, ...]) -> None:
    request, _ = request_and_options(run_arguments({"methods": "ce", "seeds": 2, "seed": seed}), "")
    assert request.seeds == seeds


@pytest.mark.parametrize(
    ("arguments", "message"),
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
    tmp_path: Path, tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch, arguments: dict[str, Any], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=message):
        bench.run(**{"preset": "smoke", "encoder": str(tiny_encoder), **arguments})
    assert not list(tmp_path.iterdir()), "nothing is written"


def test_numbers_may_be_text_or_of_numpy() -> None:
    """They ended in an AttributeError or a TypeError."""
    found = run_arguments({"limit": "5", "workers": np.int64(2), "folds": "5", "delta": "0.5", "cell_timeout": 60})
    assert (found.limit, found.workers, found.folds, found.delta, found.cell_timeout) == (5, 2, 5, 0.5, 60)
    assert type(found.workers) is int


@pytest.mark.parametrize("value", ["five", 2.5, [5], True])
def test_numbers_that_are_none(value: object) -> None:
    with pytest.raises(UserError, match=r"^limit must be a whole number or none, not "):
        run_arguments({"limit": value})
