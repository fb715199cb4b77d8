"""Every sweep file asks for runs that the command understands, written as a W&B agent writes them."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import yaml

from bench.argv import normalise
from bench.cli import FLAGS, SETTINGS, app, values
from bench.request import request
from tests.conftest import ROOT

SWEEPS = sorted((ROOT / "sweeps").glob("*.yaml"))


def trials(path: Path) -> list[list[str]]:
    """The arguments of each trial: sorted by name, values as Python writes them."""
    parameters = yaml.safe_load(path.read_text(encoding="utf-8"))["parameters"]
    names = sorted(parameters)
    choices = [parameters[name].get("values", [parameters[name].get("value")]) for name in names]
    return [
        [f"--{name}={value}" for name, value in zip(names, row, strict=True)] for row in itertools.product(*choices)
    ]


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_each_trial_is_one_cell(path: Path) -> None:
    import typer

    command = typer.main.get_command(app)
    run = command.commands["run"]  # type: ignore[attr-defined]
    seen = set()
    for arguments in trials(path):
        context = run.make_context("run", normalise(arguments, FLAGS, SETTINGS))
        given = {key: context.params[key] for key in ("methods", "tasks", "source", "preset")}
        asked = request(**given, seeds=context.params["seed"], settings=values(context.params["settings"] or []))
        assert len(asked.methods) == len(asked.tasks) == len(asked.seeds) == 1
        seen.add((asked.methods[0].label, asked.tasks[0].label, asked.seeds, asked.settings))
    assert len(seen) == len(trials(path)), "no two trials are the same cell"


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_the_command_is_the_grid(path: Path) -> None:
    sweep = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert sweep["command"] == ["${env}", "${interpreter}", "-m", "bench", "run", "${args}"]
    assert (ROOT / sweep["program"]).exists()
