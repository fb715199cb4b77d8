"""Scores of a checker that bench did not train: a classifier in a folder, from the hub, or a W&B artifact.

The file has the format of a checker that bench trained, so that cells read both in the same way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from bench.store.files import read_json
from bench.store.folders import finish
from bench.store.layout import DONE, TRAIN_SCORES

if TYPE_CHECKING:
    from torch import Tensor

    from bench.jobs import ScoresJob


def build(job: ScoresJob) -> dict[str, Any]:
    """Write (n, C) log-probabilities in the task's order of labels.

    Returns the counts. Raises UserError for a model that lacks weights.
    """
    import torch

    from bench import devices
    from bench.encoders.loading import load_classifier
    from bench.precomputed.inference import BATCH, batched, in_order
    from bench.precomputed.tables import write_scores
    from bench.precomputed.tokens import by_length
    from bench.precomputed.tokens import load as load_tokens

    table = load_tokens(job.tokens)
    model = load_classifier(job.checkpoint, len(job.order)).model
    device = devices.available()
    model.to(device).eval()

    def forward(inputs: dict[str, Tensor]) -> Tensor:
        logits: Tensor = model(**inputs).logits
        return logits.float()

    results = batched(forward, table.inputs, by_length(table.length, BATCH), device)
    logits = in_order(results, len(table), len(job.order), device)
    log_probs = torch.log_softmax(logits, dim=-1)[:, list(job.order)].cpu().numpy()
    write_scores(job.folder / TRAIN_SCORES, np.asarray(job.ids), log_probs, "logp")
    cut = read_json(job.tokens / DONE)["truncated"]
    summary = {"rows": len(table), "max_length": job.max_length, "truncated": cut}
    finish(job.folder, summary)
    return summary
