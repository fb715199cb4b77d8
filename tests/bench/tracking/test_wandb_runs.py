"""Runs of W&B without a server: what a run is called, what is said of an error, and which error is whose."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bench.store.files import write_json
from bench.tracking import wandb_runs
from bench.tracking.wandb_runs import online_or_offline, open_run

LONG = "dimp(calibrate=True,clip=20.0,real_share=0.5,shuffle=class,train_on=both)"


def test_a_label_of_any_length_is_a_tag(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import wandb

    opened: list[dict[str, Any]] = []

    class Tracker:
        def __init__(self, project: str, **options: Any) -> None:
            opened.append(options)

        def start(self) -> None:
            """Nothing is started."""

    monkeypatch.setattr("accelerate.tracking.WandBTracker", Tracker)
    write_json(tmp_path / "c" / "spec.json", {"task_ref": "twitter", "label": LONG})
    open_run(SimpleNamespace(cell=tmp_path / "c", cell_title="t"), "offline")  # type: ignore[arg-type]
    tags = opened[0]["tags"]
    assert wandb.Settings(run_tags=tags).run_tags == (LONG[:64],)


def test_the_error_of_one_run_does_not_send_the_next_ones_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wandb_runs, "_unreachable", [])
    monkeypatch.setattr(wandb_runs, "wanted_mode", lambda: "online")
    monkeypatch.setattr(wandb_runs, "why_unreachable", lambda: "")
    monkeypatch.setattr("wandb.teardown", lambda: None)
    modes = []

    def unusable(mode: str) -> list[str]:
        modes.append(mode)
        raise ValueError("1 validation error for Settings")

    def usable(mode: str) -> list[str]:
        modes.append(mode)
        return []

    with pytest.raises(ValueError, match="validation"):
        online_or_offline(unusable)
    assert online_or_offline(usable) == []
    assert modes == ["online", "offline", "online"]
