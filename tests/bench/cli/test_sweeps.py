"""Every sweep file asks for runs that the command understands, written as a W&B agent writes them, and they run."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
import yaml

from bench.cli import commands, main
from bench.cli.argv import canonical
from bench.cli.grids import request_of
from bench.config.sweep_file import trials
from bench.execution.grid import Options, run
from tests.conftest import ROOT

SWEEPS = sorted((ROOT / "sweeps").glob("*.yaml"))


def read(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def corners(path: Path) -> list[list[str]]:
    """The arguments of each trial, of a search the ends of its ranges: by name, values as Python writes them."""
    parameters = read(path)["parameters"]
    names = sorted(parameters)

    def choices(entry: dict[str, Any]) -> list[Any]:
        return [entry["min"], entry["max"]] if "min" in entry else entry.get("values", [entry.get("value")])

    rows = itertools.product(*(choices(parameters[name]) for name in names))
    return [[f"--{name}={value}" for name, value in zip(names, row, strict=True)] for row in rows]


def request(*arguments: str) -> Any:
    """The grid that a trial's arguments describe."""
    words = canonical(["--track=wandb", *arguments], commands())
    return request_of(commands().commands["run"].make_context("run", words).params)[0]


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_each_trial_is_one_cell(path: Path) -> None:
    seen = set()
    for arguments in corners(path):
        grid = request(*arguments)
        axes = (grid.methods, grid.tasks, grid.seeds, grid.protocols, grid.encoders)
        assert [len(axis) for axis in axes] == [1] * len(axes)
        seen.add((grid.methods[0].label, grid.tasks[0].label, grid.seeds, grid.settings))
    assert len(seen) == len(corners(path)), "no two trials are the same cell"


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_with_and_without_the_server_trials_are_written_alike(path: Path) -> None:
    result, _ = trials(path)
    if read(path)["method"] == "grid":
        assert sorted(result) == sorted(["--track=wandb", *trial] for trial in corners(path))
    for arguments in result[:3]:
        request(*arguments)


def test_trials_are_one_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What says how to run, and not what, is one for all of them."""
    command = ["${env}", "python", "-m", "bench", "run", "${args}"]
    content = {
        "method": "grid",
        "command": command,
        "parameters": {"methods": {"value": "ce"}, "workers": {"values": [1, 7]}},
    }
    (tmp_path / "sweep.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(SystemExit) as stop:
        main(["sweep", str(tmp_path / "sweep.yaml"), "--dry-run"])
    assert stop.value.code == 2
    assert "differ in workers, which is one for the whole run of a sweep" in capsys.readouterr().err


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_what_the_server_needs(path: Path) -> None:
    sweep = read(path)
    assert sweep["command"] == ["${env}", "${interpreter}", "-m", "bench", "run", "--track=wandb", "${args}"]
    assert (ROOT / sweep["program"]).exists()
    if sweep["method"] == "bayes":
        assert sweep["metric"]["goal"] == "maximize"
        assert sweep["run_cap"] > 0
        numbers = [entry[end] for entry in sweep["parameters"].values() for end in ("min", "max") if end in entry]
        assert numbers
        assert all(isinstance(number, float) for number in numbers), "1e-5 without a point is text in YAML"


def test_a_trial_of_each_runs(tmp_path: Path, tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    small = ("--preset=smoke", f"--encoder={tiny_encoder}", "--source=bundled")
    requests = [request(*trials(path)[0][-1], *small) for path in SWEEPS]
    said: list[str] = []
    options = Options(out=Path("runs"), reports=Path("reports"), workers=1, figures=False, track="wandb")
    ran = run(requests, options, said.append)
    assert ran.ok, said
    assert len(list((tmp_path / "wandb").glob("offline-run-*"))) == len(SWEEPS) + 1, "a run per cell, and the report's"
    searched = [read(path)["metric"]["name"] for path in SWEEPS if read(path)["method"] == "bayes"]
    logged = [path.read_bytes() for path in (tmp_path / "wandb").glob("offline-run-*/*.wandb")]
    assert all(any(name.encode() in run for run in logged) for name in searched)
