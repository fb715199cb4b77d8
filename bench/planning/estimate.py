"""A rough estimate of a plan's cost from counts alone: multiplications per token, tokens, cores."""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from bench.config.auxiliary_term import auxiliary
from bench.jobs import CellJob, EmbeddingsJob, Job, RoleRows, StatesJob, TokensJob
from methods import METHODS
from methods.hooks import Budget

RATE = 60e9  # floating-point operations per second of one worker: a laptop core
CHARACTERS = 4.3  # per token of English text
START = 10.0  # seconds until the first worker is warm


def seconds(jobs: Iterable[Job], everything: Iterable[Job], workers: int) -> float:
    """Wall-clock seconds for `jobs` on a number of workers; `everything` is the plan they belong to."""
    mean = {job.folder: tokens_per_row(job) for job in everything if isinstance(job, TokensJob)}
    rows = {job.folder: len(job.texts) for job in everything if isinstance(job, TokensJob)}
    work = [operations(job, mean, rows) / RATE for job in jobs]
    if not work:
        return 0.0
    return START + max(sum(work) / workers, max(work))


def tokens_per_row(job: TokensJob) -> float:
    """Mean tokens of a text, guessed from its characters."""
    pairs = job.pairs or [""] * len(job.texts)
    lengths = [min(job.max_length, (len(a) + len(b)) / CHARACTERS + 2) for a, b in zip(job.texts, pairs, strict=True)]
    return sum(lengths) / len(lengths)


def operations(job: Job, mean: dict[Path, float], rows: dict[Path, int]) -> float:
    """Floating-point operations of a job: 2 per parameter and token forward, 4 more backward."""
    if isinstance(job, StatesJob):
        total, blocks = size(job.checkpoint.path)
        return 2 * total * (blocks - job.train_layers) / blocks * mean[job.tokens] * rows[job.tokens]
    if isinstance(job, EmbeddingsJob):
        return 2 * size(job.checkpoint.path)[0] * mean[job.tokens] * rows[job.tokens]
    if not isinstance(job, CellJob):
        return 0.0
    total, blocks = size(job.checkpoint.path)
    layers = job.spec.settings["train_layers"]
    trained: float = total if layers == "all" else total * layers / blocks

    def tokens(role: RoleRows) -> float:
        return mean[role.tokens] * len(role.ids)

    source = job.real if job.spec.hyperparameters["train_on"] == "real" else job.generated
    steps = job.spec.settings["updates"] * job.spec.settings["batch_size"] * mean[source.tokens]
    looks = job.snapshots.count if job.snapshots else 0
    return trained * float(6 * steps * cost(job) + 2 * ((1 + looks) * tokens(job.scored) + tokens(job.test)))


def cost(job: CellJob) -> float:
    """Passes forward and backward of the job's training, relative to those of cross-entropy."""
    cls, settings = METHODS[job.spec.method], job.spec.settings
    config = cls.Config(**job.spec.hyperparameters)
    budget = Budget(settings["updates"], settings["batch_size"], len(job.generated.ids), len(job.real.ids))
    term = auxiliary(settings["auxiliary"]).cost if "auxiliary" in settings else 0.0
    return cls.declared_cost(config, budget) + cls.networks * term


@cache
def size(folder: Path) -> tuple[float, int]:
    """Parameters in an encoder's blocks and the number of blocks, from the headers of its weight files."""
    total, blocks = 0.0, set()
    for path in folder.glob("*.safetensors"):
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(length))
        for name, entry in header.items():
            block = re.search(r"layers?\.(\d+)\.", name)
            if block:
                blocks.add(block[1])
                total += math.prod(entry["shape"])
    return total, max(1, len(blocks))


def spell(value: float) -> str:
    """Seconds as people say them."""
    return f"{value:.0f} s" if value < 90 else f"{value / 60:.0f} min" if value < 5400 else f"{value / 3600:.1f} h"
