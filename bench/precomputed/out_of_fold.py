"""Out-of-fold scores: each row is scored by the checker that was fitted without its fold."""

from __future__ import annotations

from typing import Any

import pandas as pd

from bench.jobs import FoldsJob
from bench.store.files import read_json, write_json
from bench.store.folders import finish
from bench.store.layout import TIMING, TRAIN_SCORES
from bench.store.tables import write_columns


def build(job: FoldsJob) -> dict[str, Any]:
    """Join the folds' scores in one `train_scores.parquet` in id order; its cost is that of all the trainings."""
    scores = pd.concat([pd.read_parquet(part / TRAIN_SCORES) for part in job.parts]).sort_values("id")
    write_columns(scores, job.folder / TRAIN_SCORES)
    timings = [read_json(part / TIMING) for part in job.parts]
    passes = {name: sum(timing["passes"][name] for timing in timings) for name in ("train_rows", "score_rows")}
    seconds = sum(timing["seconds"] for timing in timings)
    write_json(job.folder / TIMING, {"seconds": seconds, "passes": passes})
    counts = {"rows": len(scores), "folds": len(job.parts)}
    finish(job.folder, counts)
    return counts
