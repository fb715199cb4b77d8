"""Scores of a checker that was trained elsewhere: a classifier in a folder, from the hub, or a W&B artifact.

Its file is that of a checker trained here, so that a cell does not know the difference.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from bench.store.folders import finish

if TYPE_CHECKING:
    from bench.jobs import ScoresJob

BATCH = 64


def build(job: ScoresJob) -> dict[str, Any]:
    """Write (n, C) log-probabilities in the task's order of labels."""
    import torch

    from bench.encoders.classifier import load
    from bench.precomputed.tables import write_scores
    from bench.precomputed.tokens import by_length
    from bench.precomputed.tokens import load as load_tokens

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
