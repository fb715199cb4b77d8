"""What a plan tells of itself: `spec.json` of a cell, and a section of the manifest, from which reports are made."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.config.method_choice import MethodChoice
from bench.encoders.checkpoints import Checkpoint, find
from bench.jobs import SCHEMA, CellSpec, RoleRows
from bench.planning.plan import Plan
from bench.store.layout import precomputed_path
from bench.store.manifest import PRECOMPUTED, joined
from methods.base import QUALITY, RealUse, hyperparameters

if TYPE_CHECKING:
    from bench.planning.rows import SectionRows


def describe(plan: Plan, command: str) -> dict[str, Any]:
    """The manifest: everything the report needs to know of the grid, or of several as one, as JSON."""
    left_out = {name: reason for one in plan.requests for name, reason in one.left_out.items()}
    return {
        **joined([{"sections": plan.sections}], command),
        "left_out": left_out,
        PRECOMPUTED: sorted(str(folder.relative_to(plan.root)) for folder in shared(plan)),
    }


def shared(plan: Plan) -> set[Path]:
    """The folders of everything that a plan makes besides the cells that were asked for."""
    folders = {job.folder for identity, job in plan.jobs.items() if identity not in plan.cells}
    return folders | {precomputed_path(plan.root, "record", identity) for identity in plan.hidden}


FITS = {RealUse.CHECKER, RealUse.GRADIENT, RealUse.SELECT, RealUse.TRAIN}  # uses in which real rows fit something


def spec_json(task: SectionRows, choice: MethodChoice, spec: CellSpec, roles: Mapping[str, RoleRows]) -> dict[str, Any]:
    """spec.json: the specification, and the names by which people know its parts."""
    return {
        "schema": SCHEMA,
        "id": spec.id,
        "method": spec.method,
        "label": choice.label,
        "hyperparameters": dict(spec.hyperparameters),
        "task": spec.task,
        "task_ref": task.task.label,
        "source": task.data.source,
        "origins": dict(task.data.origins),
        "seed": spec.seed,
        "encoder": task.checkpoint.name,
        "encoder_hash": spec.encoder_hash,
        "preset": spec.preset,
        "protocol": spec.protocol,
        "settings": dict(spec.settings),
        "data": dict(spec.data),
        "artefacts": dict(spec.artefacts),
        "code": spec.code,
        "labels": list(task.data.spec.labels),
        "real_use": str(choice.real_use),
        "rows": {name: len(roles[name].ids) for name in spec.data},
    }


def section(
    task: SectionRows,
    checker: Checkpoint,
    paths: Mapping[str, Any],
    needs: Mapping[str, Any],
    quality: Mapping[str, str],
) -> dict[str, Any]:
    """What the report needs to know of this task beyond what the cells store."""
    data = task.stressed(task.request.seeds[0])
    test, roles = data.test, task.roles(task.request.seeds[0])
    rows = {name: len(role.ids) for name, role in roles.items()}
    own = checker.hash == task.checkpoint.hash
    return {
        "task": task.task.name,
        "task_ref": task.task.label,
        "title": task.data.spec.title,
        "labels": list(task.data.spec.labels),
        "source": task.data.source,
        "origins": dict(task.data.origins),
        "stand_in": task.data.stand_in,
        "encoder": task.checkpoint.name,
        "encoder_hash": task.checkpoint.hash,
        "preset": task.request.preset,
        "checker_encoder": None if own else checker.name,
        "checker_encoder_hash": None if own else checker.hash,
        "given_checkers": {name: find(model).hash for name, model in task.request.checkers.items()},
        "protocol": task.protocol.label,
        "settings": task.settings.stored(),
        "training": task.request.settings.stored(),  # the same as asked for: epochs are not yet updates
        "sizes": {
            "generated": len(data.generated),
            "real": rows["real"],
            **({"selection": rows["select"]} if rows["select"] else {}),
            "pool": len(task.data.pool),
            "test": len(test),
        },
        "hashes": {
            name: rows.content_hash()[:20]
            for name, rows in (("generated", task.base), ("pool", task.data.pool), ("test", test))
        },
        "majority": float(np.bincount(test.labels).max() / len(test)),
        "notes": [
            *task.data.notes,
            *([task.protocol.note] if task.protocol.note else []),
            *chooses_nothing(task, rows["generated"]),
            *(
                f"{name} checker: {Path(model).name}, trained elsewhere"
                for name, model in task.request.checkers.items()
            ),
        ],
        "seeds": list(task.request.seeds),
        "filters": dict(task.task.filters),
        "stress": dict(task.task.stress),
        "records": task.hidden_ids,
        "checkers": {QUALITY: dict(quality)} if quality else {},
        "methods": [method(choice, roles, paths[choice.label], needs[choice.label]) for choice in task.request.methods],
    }


def method(choice: MethodChoice, roles: Mapping[str, RoleRows], cells: Mapping[str, str], needs: Any) -> dict[str, Any]:
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


def chooses_nothing(task: SectionRows, generated: int) -> list[str]:
    """A note where a protocol that selects epochs has one to select from."""
    batch, updates = task.settings.batch_size, task.settings.updates
    assert updates is not None, "settings are resolved before a section is made"
    epoch = math.ceil(generated / batch)
    if not task.protocol.rule or updates > epoch:
        return []
    return [
        f"nothing was chosen: {updates} updates are no more than one epoch ({epoch}), so that the last checkpoint is "
        f"the only one; --set updates={3 * epoch} would be three epochs"
    ]


def selection_of(real_use: RealUse, roles: Mapping[str, RoleRows]) -> str:
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
