"""What a plan tells of itself: `spec.json` of a cell, and a section of the manifest, from which reports are made."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.config.method_choice import Choice
from bench.encoders.checkpoints import Checkpoint, find
from bench.jobs import SCHEMA, CellSpec, Role
from bench.planning.plan import Plan
from bench.store.layout import artefact_path
from bench.store.manifest import ARTEFACTS, joined
from methods.base import QUALITY, RealUse, hyperparameters

if TYPE_CHECKING:
    from bench.planning.rows import TaskRows


def describe(made: Plan, command: str) -> dict[str, Any]:
    """The manifest: everything the report needs to know of the grid, or of several as one, as JSON."""
    left_out = {name: reason for one in made.requests for name, reason in one.left_out.items()}
    return {
        **joined([{"sections": made.sections}], command),
        "left_out": left_out,
        ARTEFACTS: sorted(str(folder.relative_to(made.root)) for folder in shared(made)),
    }


def shared(made: Plan) -> set[Path]:
    """The folders of everything that a plan makes besides the cells that were asked for."""
    folders = {job.folder for identity, job in made.jobs.items() if identity not in made.cells}
    return folders | {artefact_path(made.root, "record", identity) for identity in made.records}


FITS = {RealUse.CHECKER, RealUse.GRADIENT, RealUse.SELECT, RealUse.TRAIN}  # uses in which real rows fit something


def record(plan: TaskRows, choice: Choice, spec: CellSpec, roles: Mapping[str, Role]) -> dict[str, Any]:
    """spec.json: the specification, and the names by which people know its parts."""
    return {
        "schema": SCHEMA,
        "id": spec.id,
        "method": spec.method,
        "label": choice.label,
        "hyperparameters": dict(spec.hyperparameters),
        "task": spec.task,
        "task_ref": plan.task.label,
        "source": plan.data.source,
        "origins": dict(plan.data.origins),
        "seed": spec.seed,
        "encoder": plan.checkpoint.name,
        "encoder_hash": spec.encoder_hash,
        "preset": spec.preset,
        "protocol": spec.protocol,
        "settings": dict(spec.settings),
        "data": dict(spec.data),
        "artefacts": dict(spec.artefacts),
        "code": spec.code,
        "labels": list(plan.data.spec.labels),
        "real_use": str(choice.real_use),
        "rows": {name: len(roles[name].ids) for name in spec.data},
    }


def section(
    plan: TaskRows, checker: Checkpoint, paths: Mapping[str, Any], needs: Mapping[str, Any], quality: Mapping[str, str]
) -> dict[str, Any]:
    """What the report needs to know of this task beyond what the cells store."""
    data = plan.stressed(plan.asked.seeds[0])
    test, roles = data.test, plan.roles(plan.asked.seeds[0])
    rows = {name: len(role.ids) for name, role in roles.items()}
    own = checker.hash == plan.checkpoint.hash
    return {
        "task": plan.task.name,
        "task_ref": plan.task.label,
        "title": plan.data.spec.title,
        "labels": list(plan.data.spec.labels),
        "source": plan.data.source,
        "origins": dict(plan.data.origins),
        "stand_in": plan.data.stand_in,
        "encoder": plan.checkpoint.name,
        "encoder_hash": plan.checkpoint.hash,
        "preset": plan.asked.preset,
        "checker_encoder": None if own else checker.name,
        "checker_encoder_hash": None if own else checker.hash,
        "given_checkers": {name: find(model).hash for name, model in plan.asked.checkers.items()},
        "protocol": plan.protocol.label,
        "settings": plan.settings.stored(),
        "training": plan.asked.settings.stored(),  # the same as asked for: epochs are not yet updates
        "sizes": {
            "generated": len(data.generated),
            "real": rows["real"],
            **({"selection": rows["select"]} if rows["select"] else {}),
            "pool": len(plan.data.pool),
            "test": len(test),
        },
        "hashes": {
            name: rows.content_hash()[:20]
            for name, rows in (("generated", plan.base), ("pool", plan.data.pool), ("test", test))
        },
        "majority": float(np.bincount(test.labels).max() / len(test)),
        "notes": [
            *plan.data.notes,
            *([plan.protocol.note] if plan.protocol.note else []),
            *chooses_nothing(plan, rows["generated"]),
            *(f"{name} checker: {Path(model).name}, trained elsewhere" for name, model in plan.asked.checkers.items()),
        ],
        "seeds": list(plan.asked.seeds),
        "filters": dict(plan.task.filters),
        "stress": dict(plan.task.stress),
        "records": plan.records,
        "checkers": {QUALITY: dict(quality)} if quality else {},
        "methods": [method(choice, roles, paths[choice.label], needs[choice.label]) for choice in plan.asked.methods],
    }


def method(choice: Choice, roles: Mapping[str, Role], cells: Mapping[str, str], needs: Any) -> dict[str, Any]:
    """What the report needs to know of a configured method: its use of real rows, its cells, and what they need."""
    return {
        "label": choice.label,
        "method": choice.cls.name,
        "hyperparameters": hyperparameters(choice.config),
        "core": "core" in choice.cls.groups and choice.label == choice.cls.name,
        "real_use": str(choice.real_use),
        "pairing": choice.cls.pairing_of(choice.config),
        "real_rows": 0 if choice.real_use is RealUse.NONE else len(roles["real"].ids),
        "select_rows": len(roles["select"].ids),
        "selection": selection_of(choice.real_use, roles),
        "cells": cells,
        "needs": needs,
    }


def chooses_nothing(plan: TaskRows, generated: int) -> list[str]:
    """A note where a protocol that selects epochs has one to select from."""
    batch, updates = plan.settings.batch_size, plan.settings.updates
    assert updates is not None, "settings are resolved before a section is made"
    epoch = math.ceil(generated / batch)
    if not plan.protocol.rule or updates > epoch:
        return []
    return [
        f"nothing was chosen: {updates} updates are no more than one epoch ({epoch}), so that the last checkpoint is "
        f"the only one; --set updates={3 * epoch} would be three epochs"
    ]


def selection_of(real_use: RealUse, roles: Mapping[str, Role]) -> str:
    """How the rows that select stand to those that a method sees.

    none: nothing selects; apart: no method sees them; seen: they are the small real set; fitted: and this method, or
    its checker, was trained on them.
    """
    selecting = roles["select"].ids
    if not len(selecting):
        return "none"
    if not np.isin(selecting, roles["real"].ids).any():
        return "apart"
    return "fitted" if real_use in FITS else "seen"
