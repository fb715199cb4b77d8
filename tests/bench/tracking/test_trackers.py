"""The trackers of `--track`: their names, what each is told to open, and what it gets of a finished cell."""

from __future__ import annotations

import json
import sqlite3
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar
from unittest.mock import MagicMock

import accelerate.tracking
import pytest

from bench.config.request import make_request
from bench.errors import UserError
from bench.execution.grid import Options, run
from bench.jobs import MirrorJob
from bench.store.files import write_json, write_text
from bench.store.folders import finish
from bench.tracking import trackers
from bench.tracking.registry import TRACKERS
from bench.tracking.trackers import check_folders

OTHERS = sorted(TRACKERS.keys() - {"wandb"})


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MirrorJob:
    """The job that logs a finished cell of three updates."""
    monkeypatch.chdir(tmp_path)
    cell = tmp_path / "runs" / "twitter" / "dimp" / "c0ffee"
    write_json(cell / "spec.json", {"task_ref": "twitter[real=50]", "label": "dimp(clip=2.0)", "seed": 3})
    write_text(cell / "history.jsonl", "".join(f'{{"step": {i}, "loss": {1 / (i + 1)}}}\n' for i in range(3)))
    finish(cell, {"accuracy": 0.75, "rows": 4})
    folder = tmp_path / "runs" / ".artefacts" / "mirror" / "m"
    folder.mkdir(parents=True)
    return MirrorJob("mirror/m", folder, tmp_path / "runs", (), "none", cell, "twitter dimp seed 3")


class Recorder:
    """Stands for a tracker of Accelerate, and keeps what it is told."""

    made: ClassVar[list[Recorder]] = []
    broken = False

    def __init__(self, *places: Any, **settings: Any) -> None:
        self.about, self.calls = (places, settings), list[Any]()
        self.made.append(self)

    def start(self) -> None:
        self.calls.append("start")

    def store_init_configuration(self, values: dict[str, Any]) -> None:
        if self.broken:
            raise ConnectionError("the server is gone")
        self.calls.append(values)

    def log(self, values: dict[str, Any], step: int) -> None:
        self.calls.append((step, values))

    def finish(self) -> None:
        self.calls.append("finish")


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> list[Recorder]:
    """What Accelerate's trackers were told. None of their packages is needed."""
    monkeypatch.setattr(Recorder, "made", [])
    for cls in accelerate.tracking.LOGGER_TYPE_TO_CLASS.values():
        monkeypatch.setattr(accelerate.tracking, cls.__name__, Recorder)
    for package in ("mlflow", "comet_ml", "clearml", "aim"):  # which `open_...` imports
        monkeypatch.setitem(sys.modules, package, MagicMock(ExperimentConfig=dict))
    for variable in ("TRACKIO_DIR", "COMET_OFFLINE_DIRECTORY", "CLEARML_CACHE_DIR", "SWANLAB_API_KEY"):
        monkeypatch.setenv(variable, "")
        monkeypatch.delenv(variable)
    return Recorder.made


def test_every_tracker_of_accelerate_is_there() -> None:
    assert TRACKERS.keys() == accelerate.tracking.LOGGER_TYPE_TO_CLASS.keys()


@pytest.mark.parametrize("name", OTHERS)
def test_a_cell_is_one_run(name: str, job: MirrorJob, recorded: list[Recorder]) -> None:
    assert trackers.build(replace(job, tracker=name)) == {"notes": []}
    (tracker,) = recorded
    start, configuration, *logged, end = tracker.calls
    assert (start, end) == ("start", "finish")
    assert (configuration["label"], configuration["cell"]) == ("dimp(clip=2.0)", "c0ffee")
    assert logged[:3] == [(i, {"train/loss": pytest.approx(1 / (i + 1))}) for i in range(3)]
    assert logged[3:] == [(3, {"accuracy": 0.75, "rows": 4})]
    assert "seed 3" in str(tracker.about) or "seed-3" in str(tracker.about), "the run has the name of its cell"


@pytest.mark.parametrize("name", OTHERS)
def test_a_run_that_breaks_is_closed(
    name: str, job: MirrorJob, recorded: list[Recorder], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Recorder, "broken", True)
    with pytest.raises(ConnectionError):
        trackers.build(replace(job, tracker=name))
    assert recorded[0].calls == ["start", "finish"]


@pytest.mark.parametrize(
    ("track", "expected"),
    [("none", ()), ("wandb", ("wandb",)), ("wandb,tensorboard", ("wandb", "tensorboard")), ("wandb,wandb", ("wandb",))],
)
def test_several_trackers(track: str, expected: tuple[str, ...]) -> None:
    assert trackers.names(track) == expected


@pytest.mark.parametrize("track", ["wandbb", "", "wandb,"])
def test_unknown_trackers(track: str) -> None:
    with pytest.raises(UserError, match="unknown tracker"):
        trackers.names(track)


def test_none_beside_a_tracker() -> None:
    """The message was: unknown tracker 'none'; did you mean 'none'?"""
    with pytest.raises(UserError, match="--track none is no tracker; leave it out of 'wandb,none'"):
        trackers.names("wandb,none")


def test_mlflow(job: MirrorJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    trackers.build(replace(job, tracker="mlflow"))
    assert (tmp_path / "runs" / ".mlflow").is_dir()
    (run,) = mlflow.search_runs(search_all_experiments=True, output_format="list")
    assert run.data.metrics["accuracy"] == 0.75
    assert run.data.params["label"] == "dimp(clip=2.0)"
    assert run.data.tags["cell"] == "c0ffee"
    history = mlflow.MlflowClient().get_metric_history(run.info.run_id, "train/loss")
    assert [entry.value for entry in history] == pytest.approx([1, 0.5, 1 / 3])


def test_trackio(job: MirrorJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "runs" / ".trackio"
    monkeypatch.setenv("TRACKIO_DIR", str(folder))  # read when the package is imported
    trackio = pytest.importorskip("trackio", reason="trackio is not installed")
    trackers.build(replace(job, tracker="trackio"))
    (run,) = trackio.Api().runs("data-weighting-bench")
    assert run.name == "twitter dimp seed 3"
    assert (run.config["cell"], (folder / "data-weighting-bench.db").is_file()) == ("c0ffee", True)
    with sqlite3.connect(folder / "data-weighting-bench.db") as database:
        logged = [json.loads(text) for (text,) in database.execute("SELECT metrics FROM metrics ORDER BY step")]
    assert [entry.get("train/loss") for entry in logged] == pytest.approx([1, 0.5, 1 / 3, None])


def test_a_tracker_whose_package_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trackers.importlib.util, "find_spec", lambda package: None)
    with pytest.raises(UserError, match="--track comet_ml needs the package comet_ml: pip install comet_ml"):
        trackers.check("comet_ml", 1, ())


@pytest.mark.parametrize("track", ["tensorboard", "none"])
def test_live_curves_are_of_wandb(track: str) -> None:
    with pytest.raises(UserError, match="--live-curves needs --track wandb"):
        trackers.check(track, 1, (), live=True)


def test_live_curves_are_not_for_a_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_SWEEP_ID", "s")
    with pytest.raises(UserError, match="in a W&B sweep trials are sent when they are finished"):
        trackers.check("wandb", 1, (), live=True)


@pytest.mark.parametrize("track", ["wandb", "tensorboard,wandb", "trackio"])
def test_a_folder_that_a_tracker_cannot_write_to_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, track: str
) -> None:
    """W&B would write to a temporary folder, while the run says that its files are in WANDB_DIR."""
    variable = "TRACKIO_DIR" if track == "trackio" else "WANDB_DIR"
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(variable, str(tmp_path / "file" / "runs"))
    with pytest.raises(UserError, match=rf"cannot write to .*runs: .*file is a file, not a folder; set {variable} to"):
        check_folders(track)
    check_folders("none")
    monkeypatch.setenv(variable, str(tmp_path / "new"))
    check_folders(track)
    assert (tmp_path / "new").is_dir(), "W&B leaves a folder that does not exist for a temporary one"


def test_a_run_checks_the_folders_of_its_trackers_before_it_trains(
    tmp_path: Path, tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path / "file"))
    request = make_request(methods="ce", tasks="twitter", seeds=1, encoder=str(tiny_encoder), preset="smoke")
    options = Options(out=tmp_path / "runs", reports=tmp_path / "reports", track="wandb")
    with pytest.raises(UserError, match="set WANDB_DIR to a folder"):
        run(request, options, lambda line: None)
    assert not (tmp_path / "runs" / "twitter").exists()
