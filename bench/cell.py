"""One cell: a pure function of its specification and the artefacts it names; writes its folder."""

from __future__ import annotations

import functools
import json
import math
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from bench import models, tokens
from bench.artefacts import ARTEFACTS, Sought
from bench.classifier import Classifier
from bench.dynamics import Looks, leave
from bench.hashing import project_hash, training_hash
from bench.jobs import CellJob, IntArray, Role
from bench.lookahead import ProbedRows
from bench.presets import Settings
from bench.record import NonFiniteLossError, Record
from bench.seeds import derive
from bench.selection import Selection
from bench.spec import method_code
from bench.stats.metrics import METRICS
from bench.store import DONE, finish, read_json, write_json, write_text
from bench.tokens import Array, TokenTable
from bench.trainer import Trainer, TrainingRows
from methods import discover
from methods.base import Context, Method, MethodConfig, RealUse
from methods.plugins import load_file

VERSIONS = ("torch", "transformers", "accelerate", "numpy", "scipy", "scikit-learn", "tokenizers")
_classifiers: dict[tuple[Any, ...], Classifier] = {}


@dataclass(frozen=True)
class Trained:
    """What a training leaves: its record, (n, C) logits, seconds, and the checkpoint that was selected, if any."""

    record: Record
    test: Array
    scores: Array  # of the rows of role `scored`
    setup_seconds: float
    train_seconds: float
    selected: dict[str, float]
    select_rows: int  # that were looked at to select
    looks: Looks | None = None


def build(job: CellJob, training: Callable[[CellJob], Trained] | None = None) -> dict[str, Any]:
    """Train (by `train`, unless told otherwise), evaluate and write one cell. Returns its metrics."""
    began = time.perf_counter()
    write_json(job.folder / "spec.json", dict(job.record))
    write_json(job.folder / "env.json", environment())
    trained = (training or train)(job)
    record, test = trained.record, trained.test
    write_outcome(job, record, test, trained.scores)
    metrics: dict[str, Any] = {name: metric(job.test.labels, test) for name, metric in METRICS.items()}
    metrics["rows"] = len(test)
    if trained.selected:
        metrics["selected"] = trained.selected
    looks = trained.looks
    timing = {
        "seconds": time.perf_counter() - began - (looks.seconds if looks else 0.0),
        "setup_seconds": trained.setup_seconds,
        "train_seconds": trained.train_seconds,
        "passes": {
            "train_rows": record.passes.rows,
            "forward_rows": record.passes.forward,
            "backward_rows": record.passes.backward,
            "score_rows": len(test) + len(trained.scores) + trained.select_rows,
        },
        "updates": record.passes.updates,
    }
    write_json(job.folder / "timing.json", timing)
    if looks is not None:
        leave(looks, job, record, trained.setup_seconds + trained.train_seconds + looks.seconds)
    if job.keep is not None:
        models.save(job, classifier(job, Settings(**job.spec.settings)))
    finish(job.folder, metrics)
    return {**metrics, "seconds": timing["seconds"]}


def train(job: CellJob) -> Trained:
    """Train and evaluate, and write nothing: what every rank does. Raises NonFiniteLossError."""
    began = time.perf_counter()
    settings = Settings(**job.spec.settings)
    cls = method_class(job)
    method = cls(cls.Config(**job.spec.hyperparameters))
    trainer = Trainer(classifier(job, settings), settings, job.spec.task, job.spec.seed, method.networks)
    try:
        rows = training_rows(job, method.config)
        method.start(context(job, method, rows))
        watch = selection(job, trainer) if job.rule else None
        looks = Looks(trainer, table(job, job.scored), job.scored.ids, job.looks.count) if job.looks else None
        ready = time.perf_counter()
        record = trainer.fit(method, rows, looked_at(job, method), watch or looks)
        if watch is not None:
            watch.restore()
        fitted = time.perf_counter()
        test = trainer.logits(table(job, job.test))
        scores = trainer.logits(table(job, job.scored))
    finally:
        trainer.close()
    if not (np.isfinite(test).all() and np.isfinite(scores).all()):
        last = {key: clean(value) for key, value in record.history[-1].items()}
        raise NonFiniteLossError(f"the last update left a model whose predictions are not finite: {last}")
    training = fitted - ready - (looks.seconds if looks else 0.0)
    selected, looked = (watch.best, watch.looks * len(watch.labels)) if watch is not None else ({}, 0)
    return Trained(record, test, scores, ready - began, training, selected, looked, looks)


def selection(job: CellJob, trainer: Trainer) -> Selection:
    """What chooses the checkpoint, by the rows and the rule of the job."""
    assert job.select is not None, "a job with a rule has selection rows"
    every = math.ceil(len(job.generated.ids) / job.spec.settings["batch_size"])
    return Selection(trainer, table(job, job.select), job.select.labels, job.rule, every)


def method_class(job: CellJob) -> type[Method]:
    """The job's method. Raises RuntimeError where its code is no longer what the cell's id was made of."""
    if job.plugin is not None:
        load_file(job.plugin)
    cls = discover()[job.spec.method]
    if method_code(cls) != job.spec.code:
        raise RuntimeError(f"the code of method {cls.name} changed after the grid was planned; run the command again")
    return cls


def classifier(job: CellJob, settings: Settings) -> Classifier:
    """The worker's classifier of this kind; one is kept, so memory does not grow with the number of cells."""
    embeds = settings.train_layers == "all" and settings.weight_decay == 0  # decay moves rows that never occur too
    texts = tuple(sorted({role.tokens for role in read_roles(job)})) if embeds else ()
    key = (job.checkpoint.hash, job.n_classes, settings.train_layers, texts, states_usable(job))
    if key not in _classifiers:
        _classifiers.clear()
        vocabulary = tokens.vocabulary(texts) if embeds else None
        made = Classifier(job.checkpoint, job.n_classes, settings.train_layers, vocabulary=vocabulary)
        if key[-1] and settings.train_layers != "all":
            made.use_states(settings.train_layers)
        _classifiers[key] = made
    return _classifiers[key]


def read_roles(job: CellJob) -> list[Role]:
    """The roles whose artefacts the cell reads; those of the others may not be there."""
    return [getattr(job, name) for name in job.spec.data]


def states_usable(job: CellJob) -> bool:
    """Whether the states of all roles can stand in for tokens: one classifier takes either."""
    states = [role.states for role in read_roles(job)]
    return all(path is not None and read_json(path / DONE)["supported"] for path in states)


def table(job: CellJob, role: Role) -> TokenTable:
    """The model inputs of a role's rows."""
    return tokens.load(role.tokens, role.states if states_usable(job) else None).take(role.index)


def training_rows(job: CellJob, config: MethodConfig) -> TrainingRows:
    """The rows that the method trains on, and how much each counts."""
    parts = {"generated": [job.generated], "real": [job.real], "both": [job.generated, job.real]}[config.train_on]
    inputs = table(job, parts[0])
    for role in parts[1:]:
        inputs = inputs + table(job, role)
    ids = np.concatenate([role.ids for role in parts])
    real = np.concatenate([np.full(len(role.ids), role is job.real) for role in parts])
    tables = {name: ARTEFACTS[name].read(folder, known(job, parts)) for name, folder in job.tables.items()}
    return TrainingRows(
        inputs, ids, np.concatenate([role.labels for role in parts]), real, shares(real, config.real_share), tables
    )


def known(job: CellJob, parts: list[Role]) -> Sought:
    """How artefacts know the training rows: under the scored rows' ids, so that a duplicate has its text's score.

    Real rows carry CE and never look at their rows of the tables.
    """
    places = np.concatenate([np.full(len(role.ids), -1) if role is job.real else role.index for role in parts])
    return Sought(np.where(places < 0, -1, job.scored.ids[places]), places, job.n_classes)


def looked_at(job: CellJob, method: Method) -> ProbedRows | None:
    """The small real set, for a method that declares that it follows gradients on it."""
    if method.own_use_of(method.config) is not RealUse.GRADIENT:
        return None
    return ProbedRows(table(job, job.real), job.real.labels, np.arange(len(job.real.ids)))


def shares(real: np.ndarray[Any, np.dtype[np.bool_]], real_share: float | None) -> Array:
    """(n,) factors of mean 1; with `real_share` s the real rows together carry s of the weight."""
    if real_share is None:
        return np.ones(len(real), np.float32)
    part = real.mean()
    return np.asarray(np.where(real, real_share / part, (1 - real_share) / (1 - part)), dtype=np.float32)


def context(job: CellJob, method: Method, rows: TrainingRows) -> Context:
    """What the method may know; label shares of the real rows only if it declares that it uses them."""
    count = job.n_classes

    def prior(role: Role) -> tuple[float, ...]:
        return tuple(np.bincount(role.labels, minlength=count) / len(role.labels))

    return Context(
        n_classes=count,
        n_rows=len(rows.ids),
        updates=job.spec.settings["updates"],
        generated_prior=prior(job.generated),
        real_prior=prior(job.real) if method.own_use_of(method.config) is RealUse.PRIOR else None,
        labels=rows.labels[~rows.real],
        tables={name: scores[~rows.real] for name, scores in rows.tables.items()},
        ids=rows.ids[~rows.real],
        real_labels=job.real.labels if job.real_tables else None,
        real_tables={
            name: ARTEFACTS[name].read(folder, Sought(job.real.ids, job.real.index, job.n_classes))
            for name, folder in job.real_tables.items()
        },
        seed=derive("method", job.spec.task, job.spec.seed, method.name, "start"),
    )


def write_outcome(job: CellJob, record: Record, test: Array, scores: Array) -> None:
    """Everything that reports are computed from."""
    folder = job.folder
    write_scores(folder / "predictions.parquet", job.test.ids, test, "logit", label=job.test.labels)
    shifted = scores - scores.max(axis=1, keepdims=True)
    log_probs = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    write_scores(folder / "train_scores.parquet", job.scored.ids, log_probs, "logp")
    weights_table(record).to_parquet(folder / "weights.parquet", index=False)
    lines = [{key: clean(value) for key, value in row.items()} for row in record.history]
    write_text(folder / "history.jsonl", "".join(json.dumps(line) + "\n" for line in lines))


def weights_table(record: Record) -> pd.DataFrame:
    """A row per visit: id, role, epoch, weight, and which network where there are two."""
    visits = record.visits
    sizes = [len(visit.ids) for visit in visits]
    columns = {
        "id": np.concatenate([visit.ids for visit in visits]),
        "role": pd.Categorical(np.where(np.concatenate([visit.real for visit in visits]), "real", "generated")),
        "epoch": np.repeat([visit.epoch for visit in visits], sizes),
        "weight": torch.cat([visit.weight for visit in visits]).float().cpu().numpy(),
    }
    network = np.repeat([visit.network for visit in visits], sizes)
    return pd.DataFrame({**columns, "network": network} if network.any() else columns)


def write_scores(path: Path, ids: IntArray, values: Array, name: str, **columns: IntArray) -> None:
    """A table in id order: id, further columns, and one float32 column per class."""
    classes = {f"{name}_{k}": values[:, k] for k in range(values.shape[1])}
    pd.DataFrame({"id": ids, **columns, **classes}).sort_values("id").to_parquet(path, index=False)


def clean(value: float) -> float | None:
    """A number as JSON has it: NaN (no effective weight) is null."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def environment() -> dict[str, str]:
    """What a report compares before it pairs two cells."""
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    return {
        "code": training_hash(),
        "project": project_hash(),
        "device": device,
        "python": platform.python_version(),
        **versions(),
    }


@functools.cache
def versions() -> dict[str, str]:
    """The packages that cells are computed by, without what tells builds apart."""
    return {name: version(name).partition("+")[0] for name in VERSIONS}
