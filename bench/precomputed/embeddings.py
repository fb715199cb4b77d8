"""Embeddings of texts: the mean over tokens of the pretrained encoder's last states, once per text and encoder."""

from __future__ import annotations

import time
from itertools import chain
from typing import Any

import numpy as np
from torch import Tensor

from bench import devices
from bench.encoders.loading import load
from bench.jobs import EmbeddingsJob
from bench.precomputed.inference import each_alone, in_order
from bench.precomputed.token_spans import unique_texts
from bench.precomputed.tokens import load as load_tokens
from bench.store.files import write_json
from bench.store.folders import finish
from bench.store.layout import TIMING


def build(job: EmbeddingsJob) -> dict[str, Any]:
    """Write `embeddings.npy` (n, H) float32, in the order of the token table's rows. Returns the counts."""
    began = time.perf_counter()
    table = load_tokens(job.tokens)
    first, text_of_row = unique_texts(table.start, table.length)
    table = table.take(first)
    device = devices.available()
    classifier = load(job.checkpoint, 2).model
    base: Any = classifier.get_submodule(str(classifier.base_model_prefix))
    model = (base.get_encoder() if classifier.config.is_encoder_decoder else base).eval().to(device)

    def mean_state(inputs: dict[str, Tensor]) -> Tensor:
        states: Tensor = model(**inputs).last_hidden_state
        mask = inputs["attention_mask"][:, :, None]
        return (states * mask).sum(1) / mask.sum(1)

    results = each_alone(mean_state, table, job.checkpoint.positions, device)
    first_result = next(results)
    width = first_result[1].shape[1]  # not always the configuration's `hidden_size`: OPT may project its last states
    embeddings = in_order(chain([first_result], results), len(table), width, device).cpu().numpy()
    np.save(job.folder / "embeddings.npy", embeddings[text_of_row])
    passes = {"train_rows": 0, "score_rows": len(table)}
    write_json(job.folder / TIMING, {"seconds": time.perf_counter() - began, "passes": passes})
    counts = {"rows": len(table), "width": width}
    finish(job.folder, counts)
    return counts
