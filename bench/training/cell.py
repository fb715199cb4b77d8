"""The training of one cell: a pure function of its specification and the precomputed tables that it names."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from bench.arrays import Array
from bench.config.settings import Settings
from bench.jobs import CellJob
from bench.stats.metrics import METRICS
from bench.store.files import write_json
from bench.store.folders import finish
from bench.store.layout import SPEC, TIMING, VERSIONS
from bench.tracking.live import live_curves
from bench.training import save_model
from bench.training.batches import within_memory
from bench.training.history import SKIPPED, History, NonFiniteLossError
from bench.training.inputs import (
    classifier,
    context,
    method_class,
    probed_real_rows,
    roles_without_states,
    selection,
    table,
    training_rows,
)
from bench.training.outputs import clean, environment, write_results
from bench.training.snapshots import Snapshots, save_snapshots
from bench.training.trainer import Trainer

NOTE = "memory ran out, so some cells pass {part} rows of a batch at a time; the effective batch is the same"

OVERFLOWED = (
    "fp16: gradients overflowed in some updates, which changed nothing; history.jsonl of a cell marks them as skipped, "
    "and --precision=bf16 has none"
)


@dataclass(frozen=True)
class Trained:
    """The result of a training: its history, (n, C) logits, seconds, and the selected checkpoint, if any."""

    history: History
    test: Array  # logits of the test rows
    scores: Array  # logits of the rows of role `scored`, (n, 0) if the job does not want them
    setup_seconds: float
    train_seconds: float
    selected: dict[str, float]
    select_rows: int  # rows scored in order to select
    snapshots: Snapshots | None = None
    part: int | None = None  # rows of a batch that were passed at a time, where whole batches did not fit into memory


def build(job: CellJob, training: Callable[[CellJob], Trained] | None = None) -> dict[str, Any]:
    """Train, evaluate and write one cell, with `training` in place of `train` if given. Returns its metrics."""
    began = time.perf_counter()
    write_json(job.folder / SPEC, dict(job.spec_json))
    write_json(job.folder / VERSIONS, environment())
    trained = (training or train_within_memory)(job)
    history, test = trained.history, trained.test
    write_results(job, history, test, trained.scores)
    metrics: dict[str, Any] = {name: clean(metric(job.test.labels, test)) for name, metric in METRICS.items()}
    metrics["rows"] = len(test)
    if trained.selected:
        metrics["selected"] = trained.selected
    snapshots = trained.snapshots
    timing = {
        "seconds": time.perf_counter() - began - (snapshots.seconds if snapshots else 0.0),
        "setup_seconds": trained.setup_seconds,
        "train_seconds": trained.train_seconds,
        "passes": {
            "train_rows": history.passes.rows,
            "forward_rows": history.passes.forward,
            "backward_rows": history.passes.backward,
            "score_rows": len(test) + len(trained.scores) * job.score + trained.select_rows,
        },
        "updates": history.passes.updates,
        **({"part": trained.part} if trained.part else {}),
        **({"computed_states": computed} if (computed := roles_without_states(job)) else {}),
    }
    write_json(job.folder / TIMING, timing)
    if snapshots is not None:
        save_snapshots(snapshots, job, history, trained.setup_seconds + trained.train_seconds + snapshots.seconds)
    if job.keep is not None:
        save_model.save(job, classifier(job, Settings(**job.spec.settings)))
    finish(job.folder, metrics)
    notes = [NOTE.format(part=trained.part)] if trained.part else []
    notes += [OVERFLOWED] if any(SKIPPED in update for update in history.updates) else []
    return {**metrics, "seconds": timing["seconds"], "notes": notes}


def train_within_memory(job: CellJob) -> Trained:
    """`train`, with parts of a batch at a time where whole batches do not fit into memory."""
    size = job.spec.settings["batch_size"]
    trained, part = within_memory(lambda part: train(job, part if part < size else None), size)
    return trained if part == size else replace(trained, part=part)


def train(job: CellJob, part: int | None = None) -> Trained:
    """Train and evaluate one cell, without writing: every rank runs this. Raises NonFiniteLossError.

    At most `part` rows of a batch are passed at a time.
    """
    began = time.perf_counter()
    settings = Settings(**job.spec.settings)
    cls = method_class(job)
    method = cls(cls.Config(**job.spec.hyperparameters))
    model = classifier(job, settings)
    try:
        trainer = Trainer(model, settings, job.spec.task, job.spec.seed, method.networks, part)
        rows = training_rows(job, method.config)
        method.start(context(job, method, rows))
        watch = selection(job, trainer) if job.rule else None
        snapshots = (
            Snapshots(trainer, table(job, job.scored), job.scored.ids, job.snapshots.count) if job.snapshots else None
        )
        ready = time.perf_counter()
        with live_curves(job.live_curves) as live:
            history = trainer.fit(method, rows, probed_real_rows(job, method), watch or snapshots, live)
        if watch is not None:
            watch.restore()
        fitted = time.perf_counter()
        test = trainer.logits(table(job, job.test))
        scores = trainer.logits(table(job, job.scored)) if job.score else np.empty((len(job.scored.ids), 0))
    finally:
        Trainer.close()
    if all(SKIPPED in update for update in history.updates):
        raise NonFiniteLossError("fp16: the gradients of all updates overflowed; use --precision=bf16")
    if not (np.isfinite(test).all() and np.isfinite(scores).all()):
        last = {key: clean(value) for key, value in history.updates[-1].items()}
        raise NonFiniteLossError(f"the model after the last update has predictions that are not finite: {last}")
    seconds = fitted - ready - (snapshots.seconds if snapshots else 0.0)
    selected, select_rows = (watch.best, watch.evaluations * len(watch.labels)) if watch is not None else ({}, 0)
    return Trained(history, test, scores, ready - began, seconds, selected, select_rows, snapshots)
