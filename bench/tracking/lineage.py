"""W&B artifacts of a cell: logs its rows and model, and links the W&B artifacts that it was trained from.

The rows are a W&B artifact of type `dataset` in the layout that `bench train` reads (`wandb_dataset`): `train.json`,
`val.json` (the small real set) and `test.json`, JSON lines. The saved model (`--save-models`) is one of type
`model`. Equal content is one version, however many cells log it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.jobs import MirrorJob
from bench.store.files import write_text
from bench.store.layout import MODEL
from bench.wandb_artifacts import option_name

if TYPE_CHECKING:
    import wandb


DATASET, KINDS = "dataset", ("dataset", "model")
UPLOAD = 600  # seconds that the upload of one W&B artifact may take


def log(run: wandb.Run, job: MirrorJob, spec: Mapping[str, Any], metrics: Mapping[str, Any]) -> list[str]:
    """Log a job's W&B artifacts in its run and link its inputs. Returns lines with their names, to be printed.

    An offline run keeps them until `wandb sync`. It cannot link inputs, whose names are then in its configuration only.
    """
    import wandb

    online, notes = not run.offline, []
    for name in job.inputs if online else ():
        run.use_artifact(name)
    common = {"cell": job.cell.name, **{key: spec[key] for key in ("task_ref", "source", "origins", "labels", "seed")}}
    if job.rows:
        for file, lines in job.rows.items():
            text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
            write_text(job.folder / DATASET / file, text)
        sizes = {file: len(lines) for file, lines in job.rows.items()}
        data = wandb.Artifact(slug(spec["task_ref"], spec["seed"]), DATASET, metadata={**common, "rows": sizes})
        notes += put(run, data, job.folder / DATASET, ["latest"], used=True)
    if job.model and (job.cell / MODEL).is_dir():
        settings = {key: spec[key] for key in ("label", "encoder", "preset", "protocol", "settings", "real_use")}
        scores = {key: value for key, value in metrics.items() if isinstance(value, int | float)}
        model = wandb.Artifact(
            slug(spec["task_ref"], spec["label"], spec["seed"]), "model", metadata={**common, **settings, **scores}
        )
        notes += put(run, model, job.cell / MODEL, ["latest", f"cell-{job.cell.name}"], used=False)
    return notes


def put(run: wandb.Run, artifact: wandb.Artifact, folder: Path, aliases: list[str], *, used: bool) -> list[str]:
    """Log a folder: online, wait for its upload; offline, a copy is kept for `wandb sync`. Returns lines to print."""
    artifact.add_dir(str(folder), skip_cache=True, policy="mutable" if run.offline else "immutable")
    logged = run.log_artifact(artifact, aliases=aliases)
    if run.offline:
        return []
    logged.wait(UPLOAD)
    if used:
        run.use_artifact(logged)
    return [f"W&B {artifact.type}: {option_name(logged.qualified_name)}"]


def slug(*parts: object) -> str:
    """The name of a W&B artifact, in the characters and the length that W&B allows."""
    *names, seed = parts
    return f"{allowed(*names)[:110]}-seed-{seed}"


def allowed(*names: object) -> str:
    """Names joined by hyphens, in the characters that W&B allows."""
    return re.sub(r"[^A-Za-z0-9_.]+", "-", "-".join(map(str, names))).strip("-")
