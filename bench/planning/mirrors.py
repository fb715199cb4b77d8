"""Adds to a plan the jobs that send finished cells to a tracker."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from bench.hashing import digest
from bench.jobs import CellJob, MirrorJob
from bench.store.layout import precomputed_path
from bench.tracking.trackers import check
from bench.tracking.wandb_runs import in_sweep
from bench.wandb_artifacts import is_artifact, local, origin
from tasks import Rows

if TYPE_CHECKING:
    from bench.planning.plan import Plan


def source_artifacts(plan: Plan, cell: CellJob) -> tuple[str, ...]:
    """The W&B artifacts that a cell is made from: its encoder, its checkers' encoders, and the user's rows."""
    open_, seen = [cell.id], set[str]()
    while open_:
        identity = open_.pop()
        seen.add(identity)
        open_ += set(plan.jobs[identity].needs) - seen
    checkpoints = [getattr(plan.jobs[identity], "checkpoint", None) for identity in seen]
    models = {point.name: point.path for point in checkpoints if point is not None}
    data, _ = plan.cell_data[cell.id]
    places = [Path(place) for place in data.request.places.values() if isinstance(place, str)]
    # Pickled weights are loaded from a converted copy, which is outside the folder of the W&B artifact.
    places += [local(name) if is_artifact(name) else path for name, path in models.items()]
    return tuple(sorted({name for name in map(origin, places) if name is not None}))


def logged_rows(plan: Plan, identity: str) -> dict[str, list[dict[str, str]]]:
    """A cell's generated rows, small real set and test rows: file -> rows, with the labels that the cell has."""
    section, seed = plan.cell_data[identity]
    data, labels = section.stressed(seed), section.data.spec.labels
    generated = section.rows("generated", section.roles(seed)["generated"])
    return {
        "train.json": as_lines(generated, labels),
        "val.json": as_lines(section.real_of(seed), labels),
        "test.json": as_lines(data.test, labels),
    }


def as_lines(rows: Rows, labels: Sequence[str]) -> list[dict[str, str]]:
    """Rows as a file of them is read: text, its pair, and the label's name."""
    columns = {"text": rows.texts, **({"text_pair": rows.pairs} if rows.pairs else {})}
    columns["label"] = [labels[label] for label in rows.labels]
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def mirror(plan: Plan, track: str, artifacts: Collection[str], inputs: Sequence[str], *, live: bool) -> None:
    """Add to a plan a job for each tracker that `--track` names and each requested cell. Raises UserError.

    `artifacts` are the kinds of W&B artifacts to log, `inputs` W&B artifacts from which the cells' rows were made; with
    `live`, W&B also shows the cells while they train.
    """
    trackers = check(track, len(plan.cells), artifacts, live=live)
    run = os.environ.get("WANDB_RUN_ID", "") if in_sweep() else ""
    jobs: dict[str, MirrorJob] = {}
    for tracker, identity in ((tracker, identity) for identity in plan.cells for tracker in trackers):
        cell = plan.jobs[identity]
        assert isinstance(cell, CellJob)
        kinds = artifacts if tracker == "wandb" else ()
        folder = precomputed_path(plan.root, "mirror", digest([tracker, cell.spec.id, run, *sorted(kinds)]))
        job = MirrorJob(
            f"mirror/{folder.name}",
            folder,
            plan.root,
            (identity,),
            tracker,
            cell.folder,
            cell.title,
            requested=plan.cell_data[identity][0].request.settings.stored(),
            inputs=tuple(sorted({*inputs, *source_artifacts(plan, cell)})),
            rows=logged_rows(plan, identity) if "dataset" in kinds else {},
            model="model" in kinds,
        )
        jobs[job.id] = job
        if live and tracker == "wandb":
            plan.jobs[identity] = replace(cell, live_curves=replace(job, rows={}))
    plan.mirrors = list(jobs)
    plan.jobs = {**jobs, **plan.jobs}  # first in the order: a cell is logged as soon as it is done
