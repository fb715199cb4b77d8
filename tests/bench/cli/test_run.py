"""The command as a user runs it, in an empty folder: run, resume, report, kill, bad input, light imports."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
import psutil
import pytest

from tests.conftest import ROOT
from tests.helpers import warm
from tests.helpers.background import metrics, script, start, wait_for, working

Command = Callable[..., "subprocess.CompletedProcess[str]"]
GRID = ("run", "--methods", "ce,dimp,real-only", "--seeds", "2")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, tiny_encoder: Path) -> Path:
    """The folder of a run of GRID that nothing disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    tiny = ("--preset", "smoke", "--encoder", str(tiny_encoder), "--workers", "1", "--no-figures")
    first = warm.run([*GRID, *tiny], folder)
    assert first.returncode == 0, first.stderr
    assert "6 cells: 0 done before, 6 to do" in first.stdout
    return folder


def test_a_grid_runs_resumes_and_grows(bench: Command, tmp_path: Path, whole: Path) -> None:
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    cells = [path for path in metrics(tmp_path) if ".artefacts" not in path]
    assert len(cells) == 6
    spec = json.loads((Path(cells[0]) / "spec.json").read_text())
    named = {"method", "hyperparameters", "task", "source", "seed", "encoder", "preset", "protocol", "settings"}
    assert named <= set(spec)
    predictions = pd.read_parquet(Path(cells[0]) / "predictions.parquet")
    assert list(predictions) == ["id", "label", "logit_0", "logit_1"]
    assert predictions["id"].is_monotonic_increasing
    result = json.loads((Path(cells[0]) / "metrics.json").read_text())
    guess = predictions[["logit_0", "logit_1"]].to_numpy().argmax(axis=1)
    assert result["accuracy"] == pytest.approx((guess == predictions["label"]).mean())
    assert list(pd.read_parquet(Path(cells[0]) / "weights.parquet")) == ["id", "role", "epoch", "weight"]
    report = (tmp_path / "reports" / "leaderboard.md").read_text()
    rows = json.loads((tmp_path / "reports" / "leaderboard.json").read_text())["rows"]
    assert {row["label"] for row in rows} == {"ce", "dimp", "real-only"}
    assert "- text: tweet-like texts by people, each rated by at least 20 people" in report
    assert "no human text" not in report
    assert "- label shares: negative 50 / 31 / 31 %, positive 50 / 69 / 69 % (generated / real / test rows)" in report

    before = metrics(tmp_path)
    again = bench(*GRID, tiny=True)
    assert again.returncode == 0
    assert "6 done before, 0 to do" in again.stdout
    assert metrics(tmp_path) == before, "nothing is made twice"
    assert (tmp_path / "reports" / "leaderboard.md").read_text() == report, "the same cells give the same report"

    more = bench("run", "--methods", "ce,dimp,real-only,imp", "--seeds", "3", tiny=True)
    assert more.returncode == 0
    assert "12 cells: 6 done before, 6 to do" in more.stdout
    grown = metrics(tmp_path)
    assert all(grown[path] == stamp for path, stamp in before.items())

    whole = bench("report", "--reports", "all")
    assert whole.returncode == 0, whole.stderr
    assert {row["label"] for row in json.loads((tmp_path / "all" / "leaderboard.json").read_text())["rows"]} == {
        "ce",
        "dimp",
        "real-only",
        "imp",
    }
    listed = bench("list", "cells").stdout.splitlines()
    assert len(listed) == 12
    assert all(line.startswith("done") for line in listed)


def test_a_checker_becomes_the_cell_that_it_is(bench: Command, tmp_path: Path) -> None:
    assert bench("run", "--methods", "dimp", "--seeds", "1", tiny=True).returncode == 0
    assert len(list(tmp_path.glob("runs/.artefacts/checker/*/metrics.json"))) == 1
    before = metrics(tmp_path)
    run = bench("run", "--methods", "real-only,dimp", "--seeds", "1", tiny=True)
    assert "2 cells: 2 done before, 0 to do" in run.stdout
    assert len(metrics(tmp_path)) == len(before) + 1


def test_a_dry_run_counts_and_writes_nothing(bench: Command, tmp_path: Path) -> None:
    run = bench("run", "--methods", "dimp,imp", "--seeds", "2", "--dry-run=True", tiny=True)
    assert run.returncode == 0, run.stderr
    assert "4 cells: 4 not trained yet" in run.stdout
    assert "8 trainings, 4 of them checkers" in run.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_failed_cell_is_shown_and_the_grid_goes_on(bench: Command, tmp_path: Path) -> None:
    run = bench("run", "--methods", "ce,dimp(gamma=100),real-only", "--seeds", "1", "--set", "lr=1e30", tiny=True)
    assert run.returncode == 1
    assert "NonFiniteLossError" in run.stdout
    assert "BLOCKED twitter dimp(gamma=100.0) seed 0: needs twitter real-only seed 0, which failed" in run.stdout
    assert "1 blocked, 2 failed" in run.stdout
    assert "--retry-failed" in run.stdout
    report = (tmp_path / "reports" / "leaderboard.md").read_text()
    assert "NonFiniteLossError" in report
    assert "0/1" in report
    again = bench("run", "--methods", "ce", "--seeds", "1", "--set", "lr=1e30", tiny=True)
    assert again.returncode == 1, "a failure is neither a result nor forgotten"
    assert "--retry-failed" in again.stdout
    assert bench("list", "cells", "--failed").stdout.count("NonFiniteLossError") == 2


@pytest.mark.slow
@pytest.mark.parametrize("killed", ["all", "parent"])
def test_a_killed_grid_keeps_what_is_done(
    bench: Command, tmp_path: Path, tiny_encoder: Path, whole: Path, killed: str
) -> None:
    process = start(tmp_path, tiny_encoder, *GRID, "--workers", "1")
    assert wait_for(lambda: len([path for path in metrics(tmp_path) if ".artefacts" not in path]) >= 2)
    children = psutil.Process(process.pid).children(recursive=True)
    if killed == "all":
        os.killpg(process.pid, signal.SIGKILL)
        for child in children:
            child.kill()
    else:
        os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert wait_for(lambda: not any(map(working, children)), 15), "workers end when their parent does"
    finished = metrics(tmp_path)
    assert len(finished) >= 2

    again = bench(*GRID, tiny=True)
    assert again.returncode == 0, again.stdout + again.stderr
    after = metrics(tmp_path)
    assert all(after[path] == stamp for path, stamp in finished.items()), "what was done is kept"
    assert all((lease.parent / "metrics.json").exists() for lease in tmp_path.glob("runs/**/lease"))
    undisturbed = list(whole.glob("runs/twitter/*/*/predictions.parquet"))
    assert len(undisturbed) == 6
    for path in undisturbed:
        pd.testing.assert_frame_equal(pd.read_parquet(path), pd.read_parquet(tmp_path / path.relative_to(whole)))


@pytest.mark.slow
def test_two_runs_at_once_share_the_work(bench: Command, tmp_path: Path, tiny_encoder: Path) -> None:
    grid = (*GRID, "--workers", "1")
    pair = [start(tmp_path, tiny_encoder, *grid, "--reports", f"reports{i}") for i in range(2)]
    said, errors = zip(*([text.decode() for text in process.communicate(timeout=120)] for process in pair), strict=True)
    assert [process.returncode for process in pair] == [0, 0], errors
    lines = [line for text in said for line in text.splitlines() if " done   " in line]
    trained = [line for line in lines if "accuracy" in line]  # others say that another run did it
    assert len(trained) == 6, "each cell is trained, and none twice"
    assert all("(trained by another run)" in line for line in lines if line not in trained)


def test_a_damaged_precomputed_table_is_computed_again(bench: Command, tmp_path: Path) -> None:
    assert bench("run", "--methods", "ce", "--seeds", "1", tiny=True).returncode == 0
    (states,) = [
        path for path in tmp_path.glob("runs/.artefacts/states/*/states.npy") if path.stat().st_size > 100_000
    ][:1]
    whole = states.read_bytes()
    states.write_bytes(whole[:1000])
    run = bench("run", "--methods", "ce,focal", "--seeds", "1", tiny=True)
    assert run.returncode == 0, run.stdout
    assert states.read_bytes() == whole


@pytest.mark.slow
def test_a_grid_survives_the_death_of_its_fork_server(tmp_path: Path, tiny_encoder: Path) -> None:
    process = start(tmp_path, tiny_encoder, *GRID, "--workers", "1")
    assert wait_for(lambda: metrics(tmp_path))
    for child in psutil.Process(process.pid).children():
        if "forkserver" in " ".join(child.cmdline()):
            child.kill()
    out, err = process.communicate(timeout=90)
    assert process.returncode in (0, 1), out + err
    assert b"cells done" in out, out + err


def test_the_report_of_a_store_takes_the_last_run_of_a_grid(bench: Command, tmp_path: Path) -> None:
    grid = ("run", "--methods", "ce,dimp", "--seeds", "1")
    assert bench(*grid, tiny=True).returncode == 0
    assert bench(*grid, "--force", tiny=True).returncode == 0
    assert len(list(tmp_path.glob("runs/.grids/*.json"))) == 1, "how a grid was run does not make it another"


BAD = [
    (("--methods", "dimpp"), "did you mean 'dimp'"),
    (("--methods", "dimp(clipp=2)"), "did you mean 'clip'"),
    (("--methods", "dimp(clip=2"), "never closed"),
    (("--methods", ""), "empty"),
    (("--tasks", "twiter"), "twitter"),
    (("--tasks", "twitter[real=many]"), "a whole number"),
    (("--tasks", "twitter[real=100000]"), "pool"),
    (("--tasks", "mrpc"), "local"),
    (("--source", "bundle"), "did you mean 'bundled'"),
    (
        ("--tasks", "twitter,financial", "--real", "real.csv"),
        "--real replaces rows of one task, but this grid",
    ),
    (("--generated", "nowhere/a.csv", "--real", "real.csv"), "nowhere/a.csv: no such file"),
    (("--source", "local"), "--data-dir"),
    (("--source", "local", "--data-dir", "nowhere"), "nowhere"),
    (("--preset", "quik"), "did you mean 'quick'"),
    (("--protocol", "fixd"), "did you mean 'fixed'"),
    (("--seed", "a,b"), "3,7"),
    (("--seeds", "0"), "seeds"),
    (("--set", "lr"), "key=value"),
    (("--set", "lrr=1"), "did you mean 'lr'"),
    (("--set", "lr=fast"), "a number"),
    (("--dimp.clip=-1",), "clip"),
    (("--encoder", "no/such-encoder"), "--encoder DIR"),
    (("--test-size", "some"), "--test-size"),
    (("--test-size", "²"), "--test-size"),
    (("--generated", "", "--real", "r.csv"), "--generated is empty"),
    (("--encoder", ""), "--encoder is empty"),
    (("--protocol", " "), "--protocol is empty"),
    (("--quality-checker", ""), "--quality-checker is empty"),
    (("--data-dir", "nowhere"), "--data-dir nowhere: no such folder"),
    (("--methods", "imp(oof=True)", "--diversity-checker", "model"), "trained without the rows that they score"),
    (("--set", "max_length=1"), "max_length must be at least 4"),
    (("--tasks", "x" * 300), "x"),
    (("--generated", "x" * 300 + ".csv"), "too long"),
    (("--precision=fp16",), "precision=fp16 needs a GPU"),
    (("--set", "train_layers=99"), "train_layers=99"),
    (("--seeds", "many"), "--seeds"),
    (("--sedes", "3"), "--sedes"),
    (("--lr=nan",), "finite"),
    (("--train_layers=-1",), "at least 0"),
    (("--preset=probe", "--auxiliary=supcon"), "trains the encoder, which is frozen with train_layers=0"),
    (("--preset=probe", "--save-models=full"), "--save-models: with train_layers=0"),
    (("--methods", "ce,imp", "--baseline", "inp"), "--baseline inp: no such method in this grid; did you mean 'imp'?"),
    (("--out", "file/that/is/none", "--reports", "/proc/none"), "/proc/none"),
]


@pytest.mark.parametrize(
    ("arguments", "message"), BAD, ids=lambda value: " ".join(value) if isinstance(value, tuple) else ""
)
def test_bad_input_is_one_line_and_exit_2(
    bench: Command, tmp_path: Path, tiny_encoder: Path, arguments: tuple[str, ...], message: str
) -> None:
    base = () if "--encoder" in arguments else ("--encoder", str(tiny_encoder))
    preset = () if "--preset" in arguments else ("--preset", "smoke")
    run = bench("run", *base, *preset, *arguments)
    assert run.returncode == 2, run.stdout + run.stderr
    assert message in run.stderr
    assert "Traceback" not in run.stderr
    assert len(run.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == [], "nothing is written"


def test_bad_rows_are_found_before_anything_is_written(bench: Command, tmp_path: Path, tiny_encoder: Path) -> None:
    data = tmp_path / "data"
    folder = data / "twitter_smiley"
    folder.mkdir(parents=True)
    good = pd.DataFrame({"text": [f"text {i}" for i in range(40)], "label": [0, 1] * 20})
    good.to_parquet(folder / "test.parquet")
    good.assign(text=[*good["text"][:6], "  ", *good["text"][7:]]).to_parquet(folder / "train.parquet")
    run = bench("run", "--source", "local", "--data-dir", str(data), tiny=True)
    assert run.returncode == 2
    assert "train.parquet" in run.stderr
    assert "row 7" in run.stderr
    assert not (tmp_path / "runs").exists()


def test_a_store_that_cannot_be_written_is_an_error(bench: Command, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    run = bench("run", "--out", "file", tiny=True)
    assert run.returncode == 2
    assert "file" in run.stderr


def test_a_file_of_the_user_does_not_pass_for_a_package(tmp_path: Path) -> None:
    (tmp_path / "tasks.py").write_text("")
    command = [sys.executable, "-m", "bench", "list", "tasks"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    run = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert run.returncode == 2
    assert "hides the package 'tasks'; run from another folder" in run.stderr


def without(modules: list[str], commands: Sequence[Sequence[str]], folder: Path) -> subprocess.CompletedProcess[str]:
    """Commands, until one fails, in a Python that cannot import some modules."""
    code = f"""
import sys

class Blocked:
    @staticmethod
    def find_spec(name, *_):
        if {{name, name.partition(".")[0]}} & {set(modules)}:
            raise ImportError(name)

sys.meta_path.insert(0, Blocked)
from bench.cli import main
for command in {list(map(list, commands))}:
    try:
        main(command)
    except SystemExit as end:
        if end.code:
            print("failed:", *command, file=sys.stderr)
            raise
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, env=environment)


@pytest.mark.parametrize("arguments", [("--help",), ("run", "--help"), ("list", "methods"), ("list", "tasks")])
def test_saying_hello_needs_no_torch(arguments: tuple[str, ...]) -> None:
    run = without(
        ["torch", "transformers", "datasets", "accelerate", "wandb", "pandas", "scipy", "numpy"], [arguments], ROOT
    )
    assert run.returncode == 0, run.stderr


def test_only_workers_need_torch(tmp_path: Path, tiny_encoder: Path) -> None:
    tiny = ["--preset", "smoke", "--encoder", str(tiny_encoder)]
    commands = (
        ["run", "--methods", "ce", "--seeds", "1", "--workers", "1", "--no-figures", *tiny],
        ["run", "--methods", "ce,dimp", "--seeds", "2", "--dry-run", *tiny],
        ["report"],
        ["list", "cells"],
        ["show", "twitter ce 0"],
        ["clean"],
        ["validate", "twitter", "--encoder", str(tiny_encoder)],
    )
    run = without(["torch", "transformers", "datasets", "accelerate", "wandb"], commands, tmp_path)
    assert run.returncode == 0, run.stderr


def test_a_plan_needs_no_statistics(tmp_path: Path, tiny_encoder: Path) -> None:
    """Their import would take time before workers start."""
    tiny = ["--preset", "smoke", "--encoder", str(tiny_encoder)]
    command = ["run", "--methods", "ce,imp", "--seeds", "1", "--dry-run", *tiny]
    run = without(["bench.leaderboard.results", "scipy.special", "matplotlib"], [command], tmp_path)
    assert run.returncode == 0, run.stderr


def test_the_python_call_from_a_script_without_a_main_guard(tmp_path: Path, tiny_encoder: Path) -> None:
    run = script(
        tmp_path,
        "import bench\n"
        f"asked = dict(seeds=2, preset='smoke', encoder={str(tiny_encoder)!r}, workers=1, figures=False)\n"
        "asked |= dict(say=lambda line: None, baseline='dimp(clip=2.0)', delta=3, correction='bh')\n"
        "frame = bench.run('ce,dimp(clip=2)', 'twitter', **asked)\n"
        "print(frame.to_json(orient='records'))\n",
    )
    assert run.returncode == 0, run.stderr
    rows = json.loads(run.stdout)
    judged = {row["label"]: row["difference_accuracy"] for row in rows}
    assert judged.keys() == {"ce", "dimp(clip=2.0)"}
    assert judged["ce"] is not None
    assert judged["dimp(clip=2.0)"] is None, "differences are to the baseline asked for"
    report = (tmp_path / "reports" / "leaderboard.md").read_text()
    assert json.loads((tmp_path / "reports" / "leaderboard.json").read_text())["delta"] == pytest.approx(0.03)
    assert "Benjamini" in report


@pytest.mark.shared
@pytest.mark.parametrize("task", ["twitter", "twitter-irony", "financial[agreement=75]", "news[real=50]", "mrpc"])
def test_every_task_runs_on_human_data(bench: Command, tmp_path: Path, shared_data: Path, task: str) -> None:
    local = ("--source", "local", "--data-dir", str(shared_data), "--test-size", "200")
    run = bench("run", "--tasks", task, "--methods", "dimp", "--seeds", "1", *local, tiny=True)
    assert run.returncode == 0, run.stdout + run.stderr
    report = (tmp_path / "reports" / "leaderboard.md").read_text()
    assert "no human text" not in report
