"""Adding to a plan the jobs that send finished cells to a tracker."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench.hashing import digest
from bench.jobs import CellJob, MirrorJob
from bench.store.layout import precomputed_path
from bench.tracking.trackers import check, in_sweep
from bench.wandb_artifacts import is_reference, local, origin
from tasks import Rows

if TYPE_CHECKING:
    from bench.planning.plan import Plan


def source_artifacts(plan: Plan, cell: CellJob) -> tuple[str, ...]:
    """The W&B artifacts that a cell was made of: its encoder, checkers that it needs, and rows that were given."""
    open_, seen = [cell.id], set[str]()
    while open_:
        identity = open_.pop()
        seen.add(identity)
        open_ += set(plan.jobs[identity].needs) - seen
    checkpoints = [getattr(plan.jobs[identity], "checkpoint", None) for identity in seen]
    models = {point.name: point.path for point in checkpoints if point is not None}
    task, _ = plan.cell_data[cell.id]
    places = [Path(place) for place in task.request.places.values()]
    # Pickled weights are loaded from a converted copy, which lies elsewhere than the artifact.
    places += [local(name) if is_reference(name) else path for name, path in models.items()]
    found = map(origin, places)
    return tuple(sorted({name for name in found if name is not None}))


def logged_rows(plan: Plan, identity: str) -> dict[str, list[dict[str, str]]]:
    """What a cell trains on, its small real set and its test: file -> rows, with the labels as they are there."""
    task, seed = plan.cell_data[identity]
    data, labels = task.stressed(seed), task.data.spec.labels
    generated = task.rows("generated", task.roles(seed)["generated"])
    return {
        "train.json": written(generated, labels),
        "val.json": written(data.real(seed), labels),
        "test.json": written(data.test, labels),
    }


def written(given: Rows, labels: Sequence[str]) -> list[dict[str, str]]:
    """Rows as they are read again: text, its pair, and the label's name."""
    columns = {"text": given.texts, **({"text_pair": given.pairs} if given.pairs else {})}
    columns["label"] = [labels[label] for label in given.labels]
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def mirror(plan: Plan, tracker: str, artifacts: Collection[str] = (), inputs: Sequence[str] = ()) -> None:
    """Add to a plan a mirror of each cell that was asked for; tracker `none` has none. Raises UserError.

    `artifacts` are kinds that are logged, `inputs` W&B artifacts that the cells' rows were made of before.
    """
    check(tracker, len(plan.cells), artifacts)
    run = os.environ.get("WANDB_RUN_ID", "") if in_sweep() else ""
    jobs: dict[str, MirrorJob] = {}
    for identity in plan.cells if tracker != "none" else ():
        cell = plan.jobs[identity]
        assert isinstance(cell, CellJob)
        folder = precomputed_path(plan.root, "mirror", digest([tracker, cell.spec.id, run, *sorted(artifacts)]))
        job = MirrorJob(
            f"mirror/{folder.name}",
            folder,
            plan.root,
            (identity,),
            tracker,
            cell.folder,
            cell.title,
            inputs=tuple(sorted({*inputs, *source_artifacts(plan, cell)})),
            rows=logged_rows(plan, identity) if "dataset" in artifacts else {},
            model="model" in artifacts,
        )
        jobs[job.id] = job
    plan.mirrors = list(jobs)
    plan.jobs = {**jobs, **plan.jobs}  # in front: a cell is mirrored as soon as it is done
