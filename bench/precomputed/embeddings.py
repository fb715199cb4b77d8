"""Embeddings: the mean over a text's tokens of the pretrained encoder's last states, once per text and encoder."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
from transformers import AutoModel

from bench.jobs import EmbeddingsJob
from bench.precomputed.token_spans import once
from bench.precomputed.tokens import by_length, load
from bench.store.files import write_json
from bench.store.folders import finish

BATCH = 64  # rows of one forward pass


def build(job: EmbeddingsJob) -> dict[str, Any]:
    """Write `embeddings.npy` (n, H) float32, in the order of the token arrays."""
    began = time.perf_counter()
    table = load(job.tokens)
    first, own = once(table.start, table.length)
    table = table.take(first)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = AutoModel.from_pretrained(
        job.checkpoint.path, dtype=torch.float32, use_safetensors=True, trust_remote_code=False, local_files_only=True
    )
    model.eval().to(device)
    out = np.zeros((len(table), model.config.hidden_size), np.float32)
    with torch.inference_mode():
        for index in by_length(table.length, BATCH):
            inputs = {name: value.to(device) for name, value in table.inputs(index).items()}
            states = model(**inputs).last_hidden_state
            mask = inputs["attention_mask"][:, :, None]
            out[index] = ((states * mask).sum(1) / mask.sum(1)).cpu().numpy()
    np.save(job.folder / "embeddings.npy", out[own])
    passes = {"train_rows": 0, "score_rows": len(table)}
    write_json(job.folder / "timing.json", {"seconds": time.perf_counter() - began, "passes": passes})
    counts = {"rows": len(table), "width": out.shape[1]}
    finish(job.folder, counts)
    return counts
