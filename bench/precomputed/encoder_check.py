"""Checking an encoder before anything trains: that its weights are loaded, and that its tokenizer fits them."""

from __future__ import annotations

from typing import Any

from bench.encoders.loading import check_tokenizer, load, load_classifier, load_tokenizer
from bench.jobs import EncoderJob
from bench.store.folders import finish


def build(job: EncoderJob) -> dict[str, Any]:
    """Load the encoder and return what the user should know about it. Raises UserError if it cannot be used."""
    loaded = (load_classifier if job.classifier else load)(job.checkpoint, job.n_classes)
    check_tokenizer(job.checkpoint.name, loaded.model, load_tokenizer(job.checkpoint))
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
