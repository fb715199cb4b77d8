"""Where a cell comes from, for W&B: its rows and its model as artifacts, and the artifacts that it was made of.

The rows are an artifact of type `dataset` in the layout that `bench train` reads (`wandb_dataset`): `train.json`,
`val.json` (the small real set) and `test.json`, JSON lines. The model is what the cell keeps (`--save-models`), of type
`model`. Equal content is one version, however many cells log it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.jobs import CellJob, MirrorJob
from bench.references import is_reference, local, named, origin
from bench.store import MODEL, write_text
from tasks import Rows

if TYPE_CHECKING:
    import wandb

    from bench.plan import Plan

DATASET, KINDS = "dataset", ("dataset", "model")
UPLOAD = 600  # seconds that one artifact may take to arrive


def inputs(made: Plan, cell: CellJob) -> tuple[str, ...]:
    """The W&B artifacts that a cell was made of: its encoder, checkers that it needs, and rows that were given."""
    open_, seen = [cell.id], set[str]()
    while open_:
        identity = open_.pop()
        seen.add(identity)
        open_ += set(made.jobs[identity].needs) - seen
    checkpoints = [getattr(made.jobs[identity], "checkpoint", None) for identity in seen]
    models = {point.name: point.path for point in checkpoints if point is not None}
    task, _ = made.planned[cell.id]
    places = [Path(place) for place in task.asked.places.values()]
    # Pickled weights are loaded from a converted copy, which lies elsewhere than the artifact.
    places += [local(name) if is_reference(name) else path for name, path in models.items()]
    found = map(origin, places)
    return tuple(sorted({name for name in found if name is not None}))


def rows(made: Plan, identity: str) -> dict[str, list[dict[str, str]]]:
    """What a cell trains on, its small real set and its test: file -> rows, with the labels as they are there."""
    task, seed = made.planned[identity]
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


def log(run: wandb.Run, job: MirrorJob, spec: Mapping[str, Any], metrics: Mapping[str, Any]) -> list[str]:
    """Log a job's artifacts in its run and tie them to it. Returns lines that say what they are called.

    An offline run holds them until `wandb sync`; it cannot name inputs, which then stand in its configuration alone.
    """
    import wandb

    online, notes = not run.offline, []
    for name in job.inputs if online else ():
        run.use_artifact(name)
    whole = {"cell": job.cell.name, **{key: spec[key] for key in ("task_ref", "source", "origins", "labels", "seed")}}
    if job.rows:
        for file, lines in job.rows.items():
            text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
            write_text(job.folder / DATASET / file, text)
        sizes = {file: len(lines) for file, lines in job.rows.items()}
        data = wandb.Artifact(slug(spec["task_ref"], spec["seed"]), DATASET, metadata={**whole, "rows": sizes})
        notes += put(run, data, job.folder / DATASET, ["latest"], used=True)
    if job.model and (job.cell / MODEL).is_dir():
        told = {key: spec[key] for key in ("label", "encoder", "preset", "protocol", "settings", "real_use")}
        scores = {key: value for key, value in metrics.items() if isinstance(value, int | float)}
        model = wandb.Artifact(
            slug(spec["task_ref"], spec["label"], spec["seed"]), "model", metadata={**whole, **told, **scores}
        )
        notes += put(run, model, job.cell / MODEL, ["latest", f"cell-{job.cell.name}"], used=False)
    return notes


def put(run: wandb.Run, artifact: wandb.Artifact, folder: Path, aliases: list[str], *, used: bool) -> list[str]:
    """Log a folder: online it has arrived then, offline a copy is kept for `wandb sync`."""
    artifact.add_dir(str(folder), skip_cache=True, policy="mutable" if run.offline else "immutable")
    logged = run.log_artifact(artifact, aliases=aliases)
    if run.offline:
        return []
    logged.wait(UPLOAD)
    if used:
        run.use_artifact(logged)
    return [f"W&B {artifact.type}: {named(logged.qualified_name)}"]


def slug(*parts: object) -> str:
    """An artifact's name, in the characters and the length that W&B allows."""
    *names, seed = parts
    text = re.sub(r"[^A-Za-z0-9_.]+", "-", "-".join(map(str, names))).strip("-")
    return f"{text[:110]}-seed-{seed}"
