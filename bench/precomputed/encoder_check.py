"""Checking an encoder before anything trains: that its weights are loaded, and that its tokenizer fits them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from bench.encoders.checkpoints import Checkpoint
from bench.encoders.classifier import top_blocks
from bench.encoders.loading import check_tokenizer, first_line, load, load_classifier, load_tokenizer
from bench.errors import UserError
from bench.jobs import EncoderJob
from bench.precomputed.tokens import TokenTable
from bench.store.folders import finish

TEXT = "a text"  # short enough to be padded within the positions of every encoder
PADDING = 8  # tokens
TOLERANCE = 1e-3  # of logits, relative and absolute: sums over more tokens differ by rounding


def build(job: EncoderJob) -> dict[str, Any]:
    """Load the encoder and return what the user should know about it. Raises UserError if it cannot be used."""
    loaded = (load_classifier if job.classifier else load)(job.checkpoint, job.n_classes)
    if job.layers:
        top_blocks(loaded.model.get_submodule(loaded.model.base_model_prefix), job.checkpoint.name, job.layers)
    tokenizer = load_tokenizer(job.checkpoint)
    try:
        check_tokenizer(job.checkpoint.title, loaded.model, tokenizer)
        check_padding(job.checkpoint, loaded.model, tokenizer)
    except UserError:
        raise
    except Exception as error:  # of many kinds: a family without embeddings of tokens, a setting that a model needs
        raise UserError(
            f"{job.checkpoint.title} cannot be used ({first_line(error)}); use another {job.checkpoint.kind}"
        ) from error
    notes = list(loaded.notes)
    if not job.classifier and loaded.output not in loaded.new:
        labels = ", ".join(map(str, loaded.model.config.id2label.values()))
        notes.append(
            f"{job.checkpoint.name} is a classifier ({labels}): each seed draws a new last layer instead of its own"
        )
    if drawn := [name for name in loaded.new if name.startswith(f"{loaded.model.base_model_prefix}.")]:
        notes.append(
            f"{job.checkpoint.name} has no weights for {', '.join(drawn)}: each seed draws them, like the head"
        )
    summary = {"notes": notes}
    finish(job.folder, summary)
    return summary


@torch.inference_mode()
def check_padding(checkpoint: Checkpoint, model: Any, tokenizer: Any) -> None:
    """Raise UserError for a model whose logits of a text depend on the padding after it, and so on its batch."""
    encoded = tokenizer([TEXT])
    parts = {name: np.array(encoded[name][0]) for name in ("input_ids", "token_type_ids") if name in encoded}
    length = len(parts["input_ids"])
    padding = {"input_ids": tokenizer.pad_token_id, "token_type_ids": tokenizer.pad_token_type_id}
    zero = np.zeros(1, np.int64)
    table = TokenTable((parts,), zero, zero, np.array([length]), padding)
    widths = (length, min(length + PADDING, checkpoint.positions or length + PADDING))
    alone, padded = (model(**table.inputs(zero, width)).logits for width in widths)
    if not torch.allclose(alone, padded, rtol=TOLERANCE, atol=TOLERANCE):
        raise UserError(
            f"{checkpoint.title}: its predictions for a text change with the padding after it, and so with "
            f"the other texts of a batch (model_type {model.config.model_type}); use another {checkpoint.kind}"
        )
