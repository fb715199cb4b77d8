"""A plan as JSON: the `spec.json` of each cell, and the manifest with its sections, from which reports are made."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.config.method_choice import MethodChoice
from bench.encoders.checkpoints import Checkpoint
from bench.hashing import digest
from bench.jobs import SCHEMA, CellSpec, RoleRows
from bench.planning.plan import Plan
from bench.store import role_texts
from bench.store.layout import precomputed_path
from bench.store.manifest import FIRST_GENERATION, GIVEN, PRECOMPUTED, joined
from methods.base import QUALITY, RealUse, hyperparameters
from tasks.cross_validation import TOGETHER, of_all_seeds
from tasks.errors import plural

if TYPE_CHECKING:
    from bench.planning.rows import SectionRows
    from tasks import TaskData


def describe(plan: Plan, command: str) -> dict[str, Any]:
    """The manifest: all that a report needs to know about a grid, or about several as one."""
    requests = [*plan.requests, *(cells.request for cells, _ in plan.cell_data.values())]
    left_out = {name: reason for request in requests for name, reason in request.left_out.items()}
    return {
        **joined([{"sections": plan.sections}], command),
        "left_out": left_out,
        PRECOMPUTED: sorted(folder.relative_to(plan.root).as_posix() for folder in shared(plan)),
    }


def shared(plan: Plan) -> set[Path]:
    """The folders of all jobs of a plan except the requested cells: tables, checkers, hidden columns and texts."""
    folders = {job.folder for identity, job in plan.jobs.items() if identity not in plan.cells}
    kept = {"record": plan.hidden, role_texts.KIND: plan.texts}
    return folders | {precomputed_path(plan.root, kind, identity) for kind, rows in kept.items() for identity in rows}


FITS = {RealUse.CHECKER, RealUse.GRADIENT, RealUse.SELECT, RealUse.TRAIN}  # something is trained on real rows


def spec_json(rows: SectionRows, choice: MethodChoice, spec: CellSpec, roles: Mapping[str, RoleRows]) -> dict[str, Any]:
    """spec.json: the specification, with the names that people use for its parts."""
    return {
        "schema": SCHEMA,
        "id": spec.id,
        "method": spec.method,
        "label": choice.label,
        "hyperparameters": dict(spec.hyperparameters),
        "task": spec.task,
        "task_ref": rows.task.label,
        "source": rows.data.source,
        "origins": dict(rows.data.origins),
        "seed": spec.seed,
        "encoder": rows.checkpoint.name,
        "encoder_hash": spec.encoder_hash,
        "preset": spec.preset,
        "protocol": spec.protocol,
        "settings": dict(spec.settings),
        "data": dict(spec.data),
        "artefacts": dict(spec.table_ids),
        "code": spec.code,
        **({"marks": list(spec.marks)} if spec.marks else {}),
        "labels": list(rows.data.spec.labels),
        "real_use": str(choice.real_use),
        "rows": {name: len(roles[name].ids) for name in spec.data},
        **({"pairs": True} if rows.data.generated.pairs is not None else {}),
        "generated_size": rows.generated_size.stored(),
        **({"generation": list(rows.data.generations)[spec.seed]} if rows.generations else {}),
    }


def section(
    rows: SectionRows,
    checker: Checkpoint,
    paths: Mapping[str, Any],
    needs: Mapping[str, Any],
    quality: Mapping[str, str],
    uses: Mapping[str, RealUse],
    given: Mapping[str, Mapping[str, str]],
) -> dict[str, Any]:
    """A section of the manifest: all that a report needs to know besides the files of the cells.

    By method label and seed, `paths` are the folders of the cells and `needs` those of the tables, checkers and trials
    that they need; `quality` are the folders of quality checkers by seed. By label, `uses` are the uses of real rows,
    and `given` the ids of tables that a file or a model of the user makes.
    """
    request = rows.request
    roles = rows.roles(request.seeds[0])
    return {
        **title(rows),
        **encoders(rows, checker),
        "protocol": rows.protocol.label,
        "settings": rows.settings.stored(),
        "training": request.settings.stored(),  # the same as requested: epochs are not yet updates
        **row_counts(rows),
        **cross_validation(rows),
        "notes": list(notes(rows, len(roles["generated"].ids))),
        "seeds": list(request.seeds),
        **({"looks": list(request.looks)} if request.looks else {}),
        "filters": dict(rows.task.filters),
        "stress": dict(rows.task.stress),
        "records": rows.hidden_ids,
        "texts": {role: role_texts.identity(part) for role, part in rows.written.items()},
        "checkers": {QUALITY: dict(quality)} if quality else {},
        "methods": [
            method(choice, uses[choice.label], rows, paths[choice.label], needs[choice.label], given[choice.label])
            for choice in request.methods
        ],
    }


def title(rows: SectionRows) -> dict[str, Any]:
    """The names of a section: its task, its labels, and where its rows come from."""
    vary = rows.settings.vary
    return {
        "task": rows.task.name,
        "task_ref": rows.task.label,
        "title": rows.data.spec.title + (f" (only {vary} varies)" if vary else ""),
        "labels": list(rows.data.spec.labels),
        "source": rows.data.source,
        "origins": dict(rows.data.origins),
        **generations(rows.data),
        "about": rows.data.about,
        "stand_in": rows.data.stand_in,
    }


def generations(data: TaskData) -> dict[str, Any]:
    """The names of several generated sets, and how many rows were read of each; nothing for one."""
    if not data.generations:
        return {}
    return {"generations": list(data.generations), "generation_rows": dict(data.generation_rows)}


def encoders(rows: SectionRows, checker: Checkpoint) -> dict[str, Any]:
    """The encoder of a section and those of its checkers, and the preset."""
    own = checker.hash == rows.checkpoint.hash
    return {
        "encoder": rows.checkpoint.name,
        "encoder_hash": rows.checkpoint.hash,
        "preset": rows.request.preset,
        "checker_encoder": None if own else checker.name,
        "checker_encoder_hash": None if own else checker.hash,
        "given_checkers": {name: given.hash for name, given in rows.given.items()},
    }


def row_counts(rows: SectionRows) -> dict[str, Any]:
    """The numbers of rows by role, their hashes, and their label shares, at the first seed.

    Where folds differ in size, the numbers of real rows are the largest: one number whatever the seeds, so that a table
    continues at any of them.
    """
    data = of_all_seeds(rows.stressed(rows.request.seeds[0]), rows.data)
    real, selection = max(rows.real_counts)
    hashed = {"generated": rows.base, "pool": rows.data.pool, "test": data.test}
    return {
        "sizes": {
            "generated": len(data.generated),
            "real": real,
            **({"selection": selection} if selection else {}),
            "pool": len(rows.data.pool),
            "test": len(data.test),
        },
        "generated_size": rows.generated_size.stored(),
        "hashes": {**{name: part.content_hash()[:20] for name, part in hashed.items()}, **clusters(rows.data)},
        **({FIRST_GENERATION: rows.generations[0].content_hash()[:20]} if rows.generations else {}),
        **({"drawn_from": rows.data.drawn_from[:20]} if rows.data.drawn_from else {}),
        "label_shares": {role: data.shares(part) for role, part in data.roles.items()},
        "majority": max(data.shares(data.test)),
    }


def clusters(data: TaskData) -> dict[str, str]:
    """The hash of the clusters that divide the real rows of a cross-validation into folds; nothing without."""
    numbers = data.pool.hidden.get(TOGETHER)
    return {} if numbers is None else {"cluster": digest(numbers.tolist())[:20]}


def notes(rows: SectionRows, generated: int) -> Iterator[str]:
    """The notes and warnings of a section, with `generated` rows to train on."""
    yield from rows.data.notes
    for finding in rows.data.findings:
        yield f"Warning: {finding.without_texts}"
    yield from unequal_sizes(rows)
    yield from fewer_seeds(rows)
    if rows.protocol.note:
        yield rows.protocol.note
    yield from no_choice_note(rows, generated)
    unread = rows.request.unread_checkers()
    for name, model in rows.request.checkers.items():
        use = "read by no method here" if name in unread else "trained elsewhere"
        yield f"{name} checker: {Path(model).name}, {use}"
    yield from rows.length_notes()


def fewer_seeds(rows: SectionRows) -> list[str]:
    """A note if there are fewer generations than seeds."""
    asked = {seed for request in rows.plan.requests for seed in request.seeds}
    if not rows.generations or len(rows.request.seeds) == len(asked):
        return []
    count = plural(len(rows.generations), "generation")
    return [f"{count} give {plural(len(rows.request.seeds), 'seed')} of the {len(asked)} asked for"]


def cross_validation(rows: SectionRows) -> dict[str, Any]:
    """The folds of a section, and all real rows, of which each cell tests some; nothing where the test is fixed."""
    pool, folds = rows.data.pool, rows.data.folds
    if not folds:
        return {}
    return {
        "cross_validation": {
            "folds": folds,
            "ids": pool.ids.tolist(),
            "labels": pool.labels.tolist(),
            "classes": len(rows.data.spec.labels),
        }
    }


def method(
    choice: MethodChoice,
    use: RealUse,
    rows: SectionRows,
    cells: Mapping[str, str],
    needs: Any,
    given: Mapping[str, str],
) -> dict[str, Any]:
    """A method of a section: its settings, its use of real rows, its cells, and the folders that they need.

    `given`: the ids of its tables that a file or a model of the user makes.
    """
    real, selection = max(rows.real_counts)
    return {
        "label": choice.label,
        "method": choice.cls.name,
        "hyperparameters": hyperparameters(choice.config),
        "core": "core" in choice.cls.groups and choice.label == choice.cls.name,
        "real_use": str(use),
        "pairing": choice.cls.pairing_of(choice.config),
        "real_rows": 0 if use is RealUse.NONE else real,
        "select_rows": selection,
        "selection": selection_of(use, rows.roles(rows.request.seeds[0])),
        "cells": cells,
        "needs": needs,
        **({GIVEN: dict(given)} if given else {}),
    }


def unequal_sizes(rows: SectionRows) -> list[str]:
    """A note if the folds of a cross-validation leave numbers of real rows that differ."""
    numbers = [fitting for fitting, _ in rows.real_counts]
    if min(numbers) == max(numbers):
        return []
    return [
        f"the folds leave {min(numbers):,} to {max(numbers):,} real rows to train on, as rows of one text or cluster "
        "stay together; tables have the largest number"
    ]


def no_choice_note(rows: SectionRows, generated: int) -> list[str]:
    """A note if a protocol selects among epochs but the training has only one."""
    batch, updates = rows.settings.batch_size, rows.settings.updates
    assert updates is not None, "settings are resolved before a section is made"
    epoch = math.ceil(generated / batch)
    if not rows.protocol.rule or updates > epoch:
        return []
    return [
        f"nothing was chosen: {updates} updates are no more than one epoch ({epoch}), so that the last checkpoint is "
        f"the only one; --set updates={3 * epoch} would be three epochs"
    ]


def selection_of(real_use: RealUse, roles: Mapping[str, RoleRows]) -> str:
    """Whether the method has seen the rows that select its checkpoint.

    none: there are no such rows; apart: no method sees them; seen: they are the small real set; fitted: this method or
    its checker was trained on them as well.
    """
    selecting = roles["select"].ids
    if not len(selecting):
        return "none"
    if not np.isin(selecting, roles["real"].ids).any():
        return "apart"
    return "fitted" if real_use in FITS else "seen"
