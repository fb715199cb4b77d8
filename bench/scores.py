"""Scores of a checker that was trained elsewhere: a classifier in a folder, from the hub, or a W&B artifact.

Its file is that of a checker trained here, so that a cell does not know the difference.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.errors import UserError
from bench.store import finish

if TYPE_CHECKING:
    from bench.jobs import ScoresJob

BATCH = 64


def label_order(outputs: Sequence[str], labels: Sequence[str], name: str) -> tuple[int, ...]:
    """(C,) which of a model's outputs stands for each label of the task.

    Outputs are matched by name; a model whose outputs have no names (LABEL_0, ...) is taken to have the task's order.
    Raises UserError for other classes.
    """
    if len(outputs) != len(labels):
        raise UserError(f"{name} tells {len(outputs)} classes apart ({', '.join(outputs)}), the task {len(labels)}")
    if all(re.fullmatch(r"LABEL_\d+", output) for output in outputs):
        return tuple(range(len(outputs)))
    plain = [output.strip().casefold() for output in outputs]
    wanted = [label.strip().casefold() for label in labels]
    if sorted(plain) != sorted(wanted):
        raise UserError(f"{name} has the classes {', '.join(outputs)}, the task {', '.join(labels)}")
    return tuple(plain.index(label) for label in wanted)


def build(job: ScoresJob) -> dict[str, Any]:
    """Write (n, C) log-probabilities in the task's order of labels."""
    import torch

    from bench.batches import by_length
    from bench.cell import write_scores
    from bench.classifier import load
    from bench.tokens import load as load_tokens

    table = load_tokens(job.tokens)
    model, missing = load(job.checkpoint, len(job.order))
    if missing:
        raise ValueError(f"{job.checkpoint.name} lacks the weights {', '.join(sorted(missing))}")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model.to(device).eval()
    logits = torch.zeros(len(table), len(job.order), device=device)
    with torch.inference_mode():
        for index in by_length(table.length, BATCH):
            inputs = {name: value.to(device) for name, value in table.inputs(index).items()}
            logits[torch.from_numpy(index)] = model(**inputs).logits.float()
    log_probs = torch.log_softmax(logits, dim=-1)[:, list(job.order)].cpu().numpy()
    write_scores(job.folder / "train_scores.parquet", np.asarray(job.ids), log_probs, "logp")
    counts = {"rows": len(table)}
    finish(job.folder, counts)
    return counts
