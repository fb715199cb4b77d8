"""Training dynamics: what plain cross-entropy makes of every generated row at evenly spaced updates of its training.

The training is the `ce` cell's, update for update, and looks at the rows with dropout off: a budget of one or two
passes over the rows leaves too few visits to tell anything.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch

from bench import cell
from bench.jobs import DynamicsJob
from bench.presets import Settings
from bench.store import finish, write_json
from bench.trainer import Trainer
from methods import discover


def build(job: DynamicsJob) -> dict[str, Any]:
    """Write `dynamics.npy` (n, looks, C) log-probabilities and `ids.npy` (n,) of the rows."""
    began = time.perf_counter()
    traced = job.cell
    settings = Settings(**traced.spec.settings)
    method = discover()[traced.spec.method]()
    trainer = Trainer(cell.classifier(traced, settings), settings, traced.spec.task, traced.spec.seed)
    scored = cell.table(traced, traced.scored)
    seen: list[np.ndarray[Any, Any]] = []
    assert settings.updates is not None, "settings are resolved before a job is made"
    marks = looks(settings.updates, job.looks)

    def watch(step: int, last: bool) -> dict[str, float]:
        if step + 1 in marks:
            seen.append(torch.log_softmax(torch.from_numpy(trainer.logits(scored)), dim=-1).numpy())
            trainer.classifier.train()
        return {}

    try:
        rows = cell.training_rows(traced, method.config)
        method.start(cell.context(traced, method, rows))
        record = trainer.fit(method, rows, watch=watch)
    finally:
        trainer.close()
    np.save(job.folder / "dynamics.npy", np.stack(seen, axis=1))
    np.save(job.folder / "ids.npy", traced.scored.ids)
    passes = {"train_rows": record.passes.rows, "score_rows": len(seen) * len(scored)}
    write_json(
        job.folder / "timing.json",
        {"seconds": time.perf_counter() - began, "passes": passes, "updates": record.passes.updates},
    )
    counts = {"rows": len(scored), "looks": len(seen)}
    finish(job.folder, counts)
    return counts


def looks(updates: int, count: int) -> set[int]:
    """The updates after which rows are looked at, from 1: evenly spaced, the last one among them."""
    return {max(1, round(updates * (i + 1) / count)) for i in range(count)}
