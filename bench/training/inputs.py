"""The inputs of a cell's training: classifier, rows, tables, and the context that its method sees."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from bench.arrays import Array
from bench.config.settings import Settings
from bench.encoders.classifier import Classifier
from bench.encoders.head import HeadClassifier
from bench.jobs import CellJob, RoleRows, StatesJob, method_code
from bench.precomputed import tokens
from bench.precomputed.frozen_states import TOLERANCE, FrozenBlocks
from bench.precomputed.tables import RowLookup, reader
from bench.precomputed.tokens import TokenTable
from bench.seeds import derive, source_seed
from bench.store.files import read_json
from bench.store.layout import DONE
from bench.training.best_epoch import Selection
from bench.training.rows import ProbedRows, TrainingRows
from bench.training.trainer import Trainer
from methods import discover
from methods.base import Context, Method, MethodConfig, RealUse
from methods.plugins import load_file

_classifiers: dict[tuple[Any, ...], Classifier] = {}


def selection(job: CellJob, trainer: Trainer) -> Selection:
    """The selection of a checkpoint, by the rows and the rule of the job."""
    assert job.select is not None, "a job with a rule has selection rows"
    every = math.ceil(len(job.generated.ids) / job.spec.settings["batch_size"])
    return Selection(trainer, table(job, job.select), job.select.labels, job.rule, every)


def method_class(job: CellJob) -> type[Method]:
    """The job's method. Raises RuntimeError if its code differs from the code that is in the cell's id."""
    if job.plugin is not None:
        load_file(job.plugin)
    cls = discover()[job.spec.method]
    if method_code(cls) != job.spec.code:
        raise RuntimeError(f"the code of method {cls.name} changed after the grid was planned; run the command again")
    return cls


def classifier(job: CellJob, settings: Settings) -> Classifier:
    """The worker's classifier for a cell. Only the last one stays in memory, whatever the number of cells."""
    embeds = settings.train_layers == "all" and settings.weight_decay == 0  # decay moves embeddings that never occur
    # Of the cell's own rows: the folders of their tokens hold those of other seeds, and the order in which the norm of
    # the gradient is summed depends on the tokens between.
    vocabulary = tokens.vocabulary([table(job, role) for role in read_roles(job)]) if embeds else None
    texts = b"" if vocabulary is None else vocabulary.tobytes()
    computed = roles_without_states(job)
    key = (job.checkpoint.hash, job.n_classes, settings.train_layers, texts, takes_states(job), bool(computed))
    if key not in _classifiers and settings.train_layers == 0:
        _classifiers.clear()
        embedding = table(job, read_roles(job)[0]).inputs(np.arange(1))["inputs_embeds"]
        _classifiers[key] = HeadClassifier(embedding.shape[-1], job.n_classes)
    if key not in _classifiers:
        _classifiers.clear()
        model = Classifier(job.checkpoint, job.n_classes, settings.train_layers, vocabulary=vocabulary)
        if takes_states(job) and settings.train_layers != "all":
            model.use_states(settings.train_layers)
            for role in computed[:1]:
                place, layers = getattr(job, role).tokens, settings.train_layers
                states = StatesJob("", place, job.root, (), place, job.checkpoint, layers)
                model.below = FrozenBlocks(states, tokens.load(place).padding)
        _classifiers[key] = model
    return _classifiers[key]


def read_roles(job: CellJob) -> list[RoleRows]:
    """The roles whose precomputed tables the cell reads; the tables of other roles may be missing."""
    return [getattr(job, name) for name in job.spec.data]


def takes_states(job: CellJob) -> bool:
    """Whether the classifier takes states or embeddings in place of tokens. Those that are not stored are computed."""
    found = [role.states and read_json(role.states / DONE) for role in read_roles(job)]
    return all(content and content.get("difference", 0.0) <= TOLERANCE for content in found)


def roles_without_states(job: CellJob) -> list[str]:
    """The roles whose states the cell computes batch by batch, because they are too large to be stored."""
    return [name for name in job.spec.data if not stored(getattr(job, name))] if takes_states(job) else []


def stored(role: RoleRows) -> bool:
    """Whether the states or embeddings of a role are stored."""
    return role.states is not None and bool(read_json(role.states / DONE).get("supported", True))


def table(job: CellJob, role: RoleRows, beside: Sequence[RoleRows] = ()) -> TokenTable:
    """The model inputs of a role's rows: of the same kind for the roles `beside` it, which are joined to one table."""
    states = takes_states(job) and all(map(stored, (role, *beside)))
    return tokens.load(role.tokens, role.states if states else None).take(role.index)


def training_rows(job: CellJob, config: MethodConfig) -> TrainingRows:
    """The rows that the method trains on, their shares, and their rows of the precomputed tables."""
    parts = {"generated": [job.generated], "real": [job.real], "both": [job.generated, job.real]}[config.train_on]
    inputs = table(job, parts[0], parts)
    for role in parts[1:]:
        inputs = inputs + table(job, role, parts)
    ids = np.concatenate([role.ids for role in parts])
    real = np.concatenate([np.full(len(role.ids), role is job.real) for role in parts])
    tables = {name: reader(name)(folder, table_lookup(job, parts)) for name, folder in job.tables.items()}
    return TrainingRows(
        inputs, ids, np.concatenate([role.labels for role in parts]), real, shares(real, config.real_share), tables
    )


def table_lookup(job: CellJob, parts: list[RoleRows]) -> RowLookup:
    """Where to find each training row in the precomputed tables.

    A duplicate is looked up under the row that it copies. Real rows carry CE and need no table.
    """
    places = np.concatenate([np.full(len(role.ids), -1) if role is job.real else role.index for role in parts])
    return RowLookup(np.where(places < 0, -1, job.scored.ids[places]), places, job.n_classes)


def probed_real_rows(job: CellJob, method: Method) -> ProbedRows | None:
    """The small real set, for a method that declares that it follows gradients on it."""
    if method.own_use_of(method.config) is not RealUse.GRADIENT:
        return None
    return ProbedRows(table(job, job.real), job.real.labels, np.arange(len(job.real.ids)))


def shares(real: np.ndarray[Any, np.dtype[np.bool_]], real_share: float | None) -> Array:
    """(n,) factors of mean 1; with `real_share` s the real rows together carry s of the weight."""
    if real_share is None:
        return np.ones(len(real), np.float32)
    fraction = real.mean()
    return np.asarray(np.where(real, real_share / fraction, (1 - real_share) / (1 - fraction)), dtype=np.float32)


def context(job: CellJob, method: Method, rows: TrainingRows) -> Context:
    """The context that the method sees; label shares of the real rows only if it declares that it uses them."""
    count = job.n_classes

    def prior(role: RoleRows) -> tuple[float, ...]:
        return tuple(np.bincount(role.labels, minlength=count) / len(role.labels))

    own = source_seed(job.spec.settings.get("vary"), "method", job.spec.seed)
    return Context(
        n_classes=count,
        updates=job.spec.settings["updates"],
        generated_prior=prior(job.generated),
        real_prior=prior(job.real) if method.own_use_of(method.config) is RealUse.PRIOR else None,
        labels=rows.labels[~rows.real],
        tables={name: scores[~rows.real] for name, scores in rows.tables.items()},
        ids=rows.ids[~rows.real],
        real_labels=job.real.labels if job.real_tables else None,
        real_tables={
            name: reader(name)(folder, RowLookup(job.real.ids, job.real.index, job.n_classes))
            for name, folder in job.real_tables.items()
        },
        seed=derive("method", job.spec.task, own, method.name, "start"),
    )
