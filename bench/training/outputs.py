"""The files of a cell: predictions, scores, weights, history, environment."""

from __future__ import annotations

import functools
import json
import math
import platform
from importlib.metadata import version

import numpy as np
import pandas as pd
import torch

from bench import devices
from bench.arrays import Array
from bench.encoders import matmul
from bench.hashing import project_hash, training_hash
from bench.jobs import CellJob
from bench.precomputed.tables import write_scores
from bench.store.files import write_text
from bench.store.layout import HISTORY, PREDICTIONS, TRAIN_SCORES, WEIGHTS
from bench.store.leases import fenced
from bench.store.tables import write_columns
from bench.training.history import History

PACKAGES = ("torch", "transformers", "accelerate", "numpy", "scipy", "scikit-learn", "tokenizers")


def write_results(job: CellJob, history: History, test: Array, scores: Array) -> None:
    """Write the files that reports are computed from, from (n, C) logits of the test rows and of the scored rows.

    Scored rows without logits, (n, 0), are written as their ids alone.
    """
    folder, weights = job.folder, weights_table(history)
    log_probs = log_softmax(scores) if job.score else scores
    lines = [{key: clean(value) for key, value in row.items()} for row in history.updates]
    with fenced(folder):  # another process may have taken the folder, and finished it, during the training
        write_scores(folder / PREDICTIONS, job.test.ids, test, "logit", label=job.test.labels)
        write_scores(folder / TRAIN_SCORES, job.scored.ids, log_probs, "logp")
        write_columns(weights, folder / WEIGHTS)
        write_text(folder / HISTORY, "".join(json.dumps(line) + "\n" for line in lines))


def log_softmax(logits: Array) -> Array:
    """(n, C) log-probabilities."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))


def weights_table(history: History) -> pd.DataFrame:
    """A row per visit: id, role, epoch, weight and, where there are two networks, the network."""
    visits = history.visits
    sizes = [len(visit.ids) for visit in visits]
    columns = {
        "id": np.concatenate([visit.ids for visit in visits]),
        "role": pd.Categorical(np.where(np.concatenate([visit.real for visit in visits]), "real", "generated")),
        "epoch": np.repeat([visit.epoch for visit in visits], sizes),
        "weight": torch.cat([visit.weight for visit in visits]).float().cpu().numpy(),
    }
    network = np.repeat([visit.network for visit in visits], sizes)
    return pd.DataFrame({**columns, "network": network} if network.any() else columns)


def clean(value: float) -> float | None:
    """A number for JSON: null in place of NaN (no effective weight) and infinity."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def environment() -> dict[str, str]:
    """The code, device and versions of a training: a report compares them before it pairs two cells."""
    route = matmul.chosen()
    device = devices.name()
    if device == "cpu" and route.route != matmul.DEFAULT:
        device = f"cpu, products by {route.route}"  # not paired with others
    return {
        "code": training_hash(),
        "project": project_hash(),
        "device": device,
        "matmul": str(route),
        "python": platform.python_version(),
        **versions(),
    }


@functools.cache
def versions() -> dict[str, str]:
    """The versions of the packages that compute cells, without the suffix of a build (`+cpu`)."""
    return {name: version(name).partition("+")[0] for name in PACKAGES}
