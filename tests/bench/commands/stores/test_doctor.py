"""`bench doctor`: finds every kind of damage in a store, and the next run makes the store whole again."""

from __future__ import annotations

import errno
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.commands.stores.doctor import doctor
from bench.store.tables import write_columns
from tests.helpers.background import metrics

Command = Callable[..., "subprocess.CompletedProcess[str]"]
GRID = ("run", "--methods", "ce,imp,real-only", "--seeds", "2")


@pytest.fixture(scope="module")
def whole_store(tmp_path_factory: pytest.TempPathFactory, tiny_encoder: Path) -> Path:
    """A folder with the store and the reports of a grid."""
    from tests.helpers import warm

    folder = tmp_path_factory.mktemp("whole")
    tiny = ("--preset", "smoke", "--encoder", str(tiny_encoder), "--workers", "1", "--no-figures")
    assert warm.run([*GRID, *tiny], folder).returncode == 0
    return folder


@pytest.fixture
def store(whole_store: Path, tmp_path: Path) -> Path:
    """A copy of it for one test."""
    shutil.copytree(whole_store, tmp_path, dirs_exist_ok=True)
    return tmp_path / "runs"


def cells(store: Path) -> list[Path]:
    return sorted(store.glob("twitter/*/*"))


def swap_columns(store: Path) -> None:
    path = cells(store)[0] / "train_scores.parquet"
    size, scores = path.stat().st_size, pd.read_parquet(path)
    swapped = scores.rename(columns={"logp_0": "logp_1", "logp_1": "logp_0"})
    write_columns(swapped[scores.columns], path)
    assert path.stat().st_size == size, "sizes do not show it"


def change_tokens(store: Path) -> None:
    path = next(store.glob(".artefacts/tokens/*/input_ids.npy"))
    np.lib.format.open_memmap(path, mode="r+")[0] += 1


def copy_over(store: Path) -> None:
    one, other = cells(store)[:2]
    shutil.rmtree(other)
    shutil.copytree(one, other)


def claim_all_right(store: Path) -> None:
    """Predictions and metrics rewritten together, with the right size."""
    cell = cells(store)[2]
    predictions = pd.read_parquet(cell / "predictions.parquet")
    for k in range(2):
        predictions[f"logit_{k}"] = 9.0 * (predictions["label"] == k)
    predictions.to_parquet(cell / "predictions.parquet", index=False)
    content = json.loads((cell / "metrics.json").read_text())
    content["accuracy"] = 1.0
    content["files"]["predictions.parquet"] = (cell / "predictions.parquet").stat().st_size
    (cell / "metrics.json").write_text(json.dumps(content))


def other_spec(store: Path) -> None:
    """The files of a cell moved to the folder of another one that has its name."""
    cell = cells(store)[0]
    spec = json.loads((cell / "spec.json").read_text())
    (cell / "spec.json").write_text(json.dumps({**spec, "seed": 9}))


DAMAGE = {
    swap_columns: "train_scores.parquet was changed",
    change_tokens: "input_ids.npy was changed",
    copy_over: "it is a copy of",
    claim_all_right: "metrics.json was changed",
    other_spec: "spec.json",
}


@pytest.mark.parametrize(("damage", "reason"), DAMAGE.items(), ids=lambda value: getattr(value, "__name__", ""))
def test_damage_is_found_and_computed_again(
    bench: Command, store: Path, whole_store: Path, damage: Callable[[Path], None], reason: str
) -> None:
    damage(store)
    result = bench("doctor")
    assert result.returncode == 1
    assert reason in result.stdout
    assert ", 1 problem\n" in result.stdout

    again = bench(*GRID, tiny=True)
    assert again.returncode == 0, again.stdout + again.stderr
    assert bench("doctor").stdout.splitlines()[-1].endswith("0 problems") or "input_ids" in reason
    for cell in cells(store):
        same = whole_store / "runs" / cell.relative_to(store)
        pd.testing.assert_frame_equal(
            pd.read_parquet(cell / "predictions.parquet"), pd.read_parquet(same / "predictions.parquet")
        )


def test_a_sound_store_has_no_problem(bench: Command, store: Path) -> None:
    result = bench("doctor")
    assert result.returncode == 0, result.stdout
    assert "0 problems" in result.stdout


def test_a_report_shows_a_damaged_cell_as_missing(bench: Command, store: Path) -> None:
    claim_all_right(store)
    run = bench("report", "--no-figures")
    assert run.returncode == 0, run.stderr
    report = (store.parent / "reports" / "leaderboard.md").read_text()
    assert "is damaged: metrics.json was changed after it was written; run its grid again" in report
    assert "100.0" not in report


def test_repair_removes_what_cannot_be_used_and_nothing_else(bench: Command, store: Path) -> None:
    swap_columns(store)
    before = metrics(store.parent)
    unfinished = store / "twitter" / "ce" / ("0123" * 5)
    unfinished.mkdir()
    (unfinished / "spec.json").write_text("{}")
    failed = store / "twitter" / "ce" / ("4567" * 5)
    failed.mkdir()
    (failed / "error.json").write_text("")  # as after a loss of power
    (store / "photos" / "2024" / "june").mkdir(parents=True)  # no id: somebody else's
    (store / ".grids" / "torn.json").write_text("{")
    (store / ".looks").mkdir(exist_ok=True)
    (store / ".looks" / "torn.json").write_text("{")  # without it there is no report
    (store / ".tensorboard" / "twitter" / "ce" / "run").mkdir(parents=True)
    repaired = bench("doctor", "--repair")
    assert repaired.returncode == 0, repaired.stdout
    assert repaired.stdout.count("removed: ") == 5
    assert metrics(store.parent).items() < before.items()
    assert len(metrics(store.parent)) == len(before) - 1
    assert (store / ".tensorboard" / "twitter" / "ce" / "run").is_dir()
    assert (store / "photos" / "2024" / "june").is_dir()
    assert bench("doctor").returncode == 0


def test_what_repair_cannot_remove_is_a_problem_that_remains(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line was "removed: ...", and the exit code 0."""
    swap_columns(store)
    (store / ".grids" / "torn.json").write_text("{")

    def refused(path: Path, ignore_errors: bool = False) -> None:
        if not ignore_errors:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(shutil, "rmtree", refused)
    lines, sound = doctor(store, repair=True)
    name = cells(store)[0].relative_to(store).as_posix()
    assert lines[-2:] == [f"not removed: {name}: Permission denied", "removed: .grids/torn.json"]
    assert not sound


def test_doctor_without_a_store_is_one_line(bench: Command, tmp_path: Path) -> None:
    run = bench("doctor", "--out", "nowhere")
    assert run.returncode == 2
    assert "nowhere" in run.stderr
    assert list(tmp_path.iterdir()) == []
