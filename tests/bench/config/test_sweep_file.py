"""`bench sweep`: the trials of a sweep file as one grid, without a server."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from bench.config.sweep_file import trials
from bench.errors import UserError

Command = Callable[..., subprocess.CompletedProcess[str]]
RUN = ["${env}", "${interpreter}", "-m", "bench", "run", "--workers=1", "${args}"]


def written(folder: Path, sweep: Any) -> Path:
    path = folder / "sweep.yaml"
    path.write_text(yaml.safe_dump(sweep), encoding="utf-8")
    return path


def random_lr(**entry: Any) -> dict[str, Any]:
    """A sweep that draws a learning rate."""
    return {"method": "random", "command": RUN, "parameters": {"lr": entry}}


def test_a_grid_is_all_combinations(tmp_path: Path) -> None:
    parameters = {"seed": {"values": [0, 1]}, "methods": {"values": ["ce", "dimp"]}, "lr": {"value": 1e-4}}
    path = written(tmp_path, {"method": "grid", "parameters": parameters, "command": RUN})
    result, summary = trials(path)
    assert "4 of 4 trials of a grid" in summary
    assert (result[:3], "3 of 4" in trials(path, 3)[1]) == (trials(path, 3)[0], True)
    assert result[0] == ["--workers=1", "--lr=0.0001", "--methods=ce", "--seed=0"]


def test_random_and_bayes_draw_within_their_ranges(tmp_path: Path) -> None:
    parameters = {
        "lr": {"distribution": "log_uniform_values", "min": 1e-5, "max": 1e-3},
        "dimp.clip": {"min": 1.0, "max": 20.0},
        "seed": {"min": 0, "max": 4},
        "methods": {"value": "dimp"},
    }
    path = written(tmp_path, {"method": "bayes", "parameters": parameters, "command": RUN, "run_cap": 50})
    lists, summary = trials(path)
    assert "50 trials drawn at random with seed 0; method bayes searches only" in summary
    result = [dict(word[2:].split("=") for word in trial) for trial in lists]
    assert len(result) == 50
    assert all(1e-5 <= float(trial["lr"]) <= 1e-3 and 1 <= float(trial["dimp.clip"]) <= 20 for trial in result)
    assert {trial["seed"] for trial in result} == {"0", "1", "2", "3", "4"}
    assert lists == trials(path, seed=0)[0] != trials(path, seed=1)[0]
    assert lists[:7] == trials(path, count=7)[0]


@pytest.mark.parametrize(
    ("sweep", "message"),
    [
        ([1], "not a sweep file"),
        ({"method": "gird"}, "grid"),
        ({"method": "grid", "command": ["python", "train.py"]}, "its command must run"),
        ({"method": "grid", "command": RUN, "parameters": {"lr": {"min": 1, "max": 2}}}, "needs value or a list"),
        ({"method": "grid", "command": 5}, "its command must run"),
        ({"method": "grid", "command": RUN, "parameters": {"lr": {"values": []}}}, "needs value or a list"),
        (random_lr(values=[]), r"needs a list of values, not \[\]"),
        (random_lr(values="ce"), "needs a list of values, not 'ce'"),
        (random_lr(min=0.1, max=0.01), "min is 0.1, and max is 0.01, which is less"),
        (
            {
                "method": "random",
                "command": RUN,
                "parameters": {"lr": {"min": 0.0, "max": 1.0, "q": 0, "distribution": "q_uniform"}},
            },
            "cannot be drawn",
        ),
        (
            {
                "method": "random",
                "command": RUN,
                "parameters": {"lr": {"min": 0, "max": 1000, "distribution": "log_uniform"}},
            },
            "cannot be drawn",
        ),
        (random_lr(distribution="unifrom"), "uniform"),
        ({"method": "random", "command": RUN, "parameters": {"lr": {"max": 2}}}, "has max; give both"),
        ({"method": "bayes", "command": RUN, "parameters": {"lr": {"min": "1e-5", "max": 2}}}, "YAML reads 1.0e-5"),
        ({"method": "grid", "command": RUN, "parameters": {1: {"value": 2}, "lr": {"value": 0.1}}}, "is text, not 1"),
        ({"method": "grid", "command": RUN, "run_cap": "all"}, "run_cap must be a number"),
    ],
)
def test_malformed_files(sweep: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        trials(written(tmp_path, sweep))


def test_a_file_that_is_not_there_or_says_a_thing_twice(bench: Command, tmp_path: Path) -> None:
    (tmp_path / "twice.yaml").write_text("method: grid\nmethod: random\n")
    (tmp_path / "twice.json").write_text('{"seed": 1, "seed": 2}')
    for command, message in (
        (("sweep", "nope.yaml"), "no such file"),
        (("sweep", "twice.yaml"), "twice.yaml, line 2: method is given twice"),
        (("run", "--config", "twice.yaml"), "twice.yaml, line 2: method is given twice"),
        (("train", "nope.json"), "nope.json: no such file"),
        (("train", "twice.json"), "seed is given twice"),
    ):
        ran = bench(*command)
        assert (ran.returncode, ran.stderr.count("\n")) == (2, 1)
        assert message in ran.stderr
        assert "Errno" not in ran.stderr


def test_one_grid_that_shares_its_checkers(bench: Command, tmp_path: Path, tiny_encoder: Path) -> None:
    fixed = {"preset": "smoke", "encoder": str(tiny_encoder), "no_figures": True}
    parameters = {"methods": {"values": ["dimp", "real-only", "ce"]}, "seed": {"values": [0, 1]}}
    parameters |= {name: {"value": value} for name, value in fixed.items()}
    path = written(tmp_path, {"method": "grid", "parameters": parameters, "command": RUN})
    ran = bench("sweep", str(path))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "6 cells: 0 done before" in ran.stdout
    assert not list((tmp_path / "runs" / ".artefacts").glob("checker/*")), "the checkers are cells of other trials"
    assert (tmp_path / "reports" / "leaderboard.md").read_text().count("| 2/2 |") == 3


def test_a_grid_of_a_billion_trials_is_not_built(tmp_path: Path) -> None:
    parameters = {f"dimp.k{i}": {"values": list(range(10))} for i in range(9)}
    sweep = {"method": "grid", "parameters": parameters, "command": RUN}
    chosen, summary = trials(written(tmp_path, {**sweep, "run_cap": 5}))
    assert (len(chosen), "5 of 1,000,000,000 trials of a grid" in summary) == (5, True)
    with pytest.raises(UserError, match="1,000,000,000 trials; at most 10,000"):
        trials(written(tmp_path, sweep))
    with pytest.raises(UserError, match="1,000,000 trials; at most 10,000"):
        trials(written(tmp_path, {**random_lr(min=0.1, max=0.2), "run_cap": 10**6}))


def test_variables_of_the_environment_are_filled_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the agents of W&B do; the word went as it stands, so that the results lay in a folder of that name."""
    words = ["--out=${envvar:STORE}/runs", "--reports", "${envvar:REPORTS}", "${args_no_hyphens}", "${args}"]
    path = written(tmp_path, {"method": "grid", "command": [*RUN[:-1], *words], "parameters": {"seed": {"value": 1}}})
    monkeypatch.setenv("STORE", "/scratch")
    monkeypatch.delenv("REPORTS", raising=False)
    with pytest.raises(UserError, match=r"sweep\.yaml: its command names \$\{envvar:REPORTS\}, and REPORTS is not set"):
        trials(path)
    monkeypatch.setenv("REPORTS", "tables")
    assert trials(path)[0] == [["--workers=1", "--out=/scratch/runs", "--reports", "tables", "--seed=1"]]
