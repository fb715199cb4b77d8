"""A rough estimate of the duration of jobs from counts alone: parameters, tokens, updates."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from bench.config.method_choice import auxiliary
from bench.encoders.checkpoints import Checkpoint
from bench.encoders.families import family
from bench.encoders.token_counts import tokenizer_of
from bench.errors import UserError
from bench.jobs import CellJob, DynamicsJob, EmbeddingsJob, Job, RoleRows, StatesJob, TokensJob, states_fit
from bench.store.files import read_json
from bench.store.layout import DONE
from methods import METHODS
from methods.hooks import Budget
from tasks.errors import short_repr

RATE = 60e9  # floating-point operations per second of one worker: a laptop core
BACKWARD = 2  # a backward pass costs as much as so many forward passes
CHARACTERS = 4.3  # per token of English text
LATIN = 0.9  # share of Latin-1 in the characters of texts, from which their tokens are estimated and not counted
COUNTED = 200  # rows whose tokens are counted otherwise, evenly spread
LONG = 10  # characters of a long token
LAST = 0.1  # of a block's operations in the last one, where it computes the first token alone (`packed` families)
HEAD = 0.2  # seconds of a cell that trains a head on embeddings
START = 10.0  # seconds until the first worker is warm
# The names of width, inner width and number of blocks in config.json, by family of encoders.
WIDTH = ("hidden_size", "dim", "d_model")
INNER = ("intermediate_size", "hidden_dim", "d_ff")
BLOCKS = ("num_hidden_layers", "n_layers", "num_layers")
BASE = (768, 12)  # width and blocks of an encoder whose configuration does not name them: BERT base


def each(jobs: Iterable[Job], everything: Iterable[Job]) -> dict[str, float]:
    """Seconds of each job on one worker, by its id; 0 for kinds of jobs that are not estimated."""
    jobs = list(jobs)
    tables = [job for job in everything if isinstance(job, TokensJob)]
    mean = {job.folder: tokens_per_row(job) for job in tables}
    rows = {job.folder: len(job.texts) for job in tables}
    trained = trained_cells(jobs)
    return {job.id: operations(trained.get(job.id, job), mean, rows) / RATE for job in jobs}


def trained_cells(jobs: Iterable[Job]) -> dict[str, CellJob]:
    """The cell that each job trains, by the job's id.

    Snapshots are saved by the training of their cell. If that is not among the jobs, since it is done, the job of the
    snapshots trains it again.
    """
    jobs = list(jobs)
    cells = {job.id: job for job in jobs if isinstance(job, CellJob)}
    again = {job.id: job.cell for job in jobs if isinstance(job, DynamicsJob) and job.cell.id not in cells}
    return cells | again


def tokens_per_row(job: TokensJob) -> float:
    """Mean tokens of a text: estimated from its characters, and in scripts other than Latin counted in some rows.

    There a token may be a letter or a word: that depends on the encoder's vocabulary.
    """
    lengths: list[float] = counted(job) if share_of_latin(job) < LATIN else []
    lengths = lengths or [sum(map(len, row)) / CHARACTERS + 2 for row in job.rows]
    return sum(min(job.max_length, length) for length in lengths) / len(lengths)


def share_of_latin(job: TokensJob) -> float:
    """The share of the characters of some rows that Latin-1 has."""
    text = "".join("".join(row) for row in beginnings(job))
    return len(text.encode("latin-1", "ignore")) / max(len(text), 1)


def counted(job: TokensJob) -> list[float]:
    """The tokens of some rows; nothing where the encoder has no tokenizer that is read without torch."""
    try:
        tokenizer = tokenizer_of(job.checkpoint)
    except UserError:  # an unusable encoder is reported before anything trains
        return []
    return [len(tokenizer.encode(row[0], row[1] if len(row) > 1 else None).ids) for row in beginnings(job)]


def beginnings(job: TokensJob) -> list[tuple[str, ...]]:
    """The first characters, more than the encoder reads, of at most `COUNTED` rows."""
    most = LONG * job.max_length
    return [tuple(text[:most] for text in row) for row in job.rows[:: -(-len(job.texts) // COUNTED)]]


def operations(job: Job, mean: Mapping[Path, float], rows: Mapping[Path, int]) -> float:
    """Floating-point operations of a job: 2 per parameter and token forward, 4 more backward.

    `mean` and `rows` are the tokens per row and the number of rows of each folder with token arrays.
    """
    if isinstance(job, StatesJob):
        total, blocks = size(job.checkpoint.path)
        if not states_stored(job.folder, job.checkpoint, mean[job.tokens] * rows[job.tokens]):
            return 0.0
        return 2 * total * (blocks - job.train_layers) / blocks * mean[job.tokens] * rows[job.tokens]
    if isinstance(job, EmbeddingsJob):
        return 2 * size(job.checkpoint.path)[0] * mean[job.tokens] * rows[job.tokens]
    if not isinstance(job, CellJob):
        return 0.0
    total, blocks = size(job.checkpoint.path)
    layers = job.spec.settings["train_layers"]
    if layers == 0:  # a head on embeddings
        return HEAD * RATE * cost(job)

    def tokens(role: RoleRows) -> float:
        return mean[role.tokens] * len(role.ids)

    source = job.real if job.spec.hyperparameters["train_on"] == "real" else job.generated
    steps = job.spec.settings["updates"] * job.spec.settings["batch_size"] * mean[source.tokens]
    scorings = 1 + (job.snapshots.count if job.snapshots else 0)
    passed = ((source, steps * cost(job)), (job.scored, scorings * tokens(job.scored)), (job.test, tokens(job.test)))
    frozen = sum(  # tokens for which a cell runs the frozen blocks, since their states are not stored
        count
        for role, count in passed
        if role.states and not states_stored(role.states, job.checkpoint, mean[role.tokens] * rows[role.tokens])
    )
    below = 0 if layers == "all" else blocks - layers
    scored = scorings * tokens(job.scored) + tokens(job.test)
    return 2 * total * below / blocks * frozen + of_trained_blocks(
        job.checkpoint.path, layers, (1 + BACKWARD) * steps * cost(job) + scored
    )


def of_trained_blocks(folder: Path, layers: int | str, tokens: float) -> float:
    """Operations in the blocks that train for so many tokens passed forward; a token passed backward counts twice."""
    total, blocks = size(folder)
    top = blocks if layers == "all" else int(layers)
    return 2 * total * (top - 1 + last_block(folder)) / blocks * tokens


def states_stored(folder: Path, checkpoint: Checkpoint, tokens: float) -> bool:
    """Whether a table has the frozen states of so many tokens, or will have them: if it is done, it says so."""
    if (folder / DONE).exists():
        return bool(read_json(folder / DONE).get("supported", True))
    return states_fit(tokens, width(checkpoint.path))


def cost(job: CellJob) -> float:
    """Passes forward and backward of the job's training, relative to those of cross-entropy."""
    cls, settings = METHODS[job.spec.method], job.spec.settings
    config = cls.Config(**job.spec.hyperparameters)
    budget = Budget(settings["updates"], settings["batch_size"], len(job.generated.ids), len(job.real.ids))
    term = auxiliary(settings["auxiliary"]).cost if "auxiliary" in settings else 0.0
    return cls.declared_cost(config, budget) + cls.networks * term


@cache
def last_block(folder: Path) -> float:
    """The operations of an encoder's last block, as a share of those of the others."""
    return LAST if family(read_json(folder / "config.json")).packed else 1.0


@cache
def width(folder: Path) -> int:
    """The width of an encoder's states, from its config.json."""
    return first(read_json(folder / "config.json"), WIDTH, BASE[0])


@cache
def size(folder: Path) -> tuple[float, int]:
    """Parameters in an encoder's blocks and the number of blocks, from its config.json.

    A block has four matrices (h, h) for attention and two (h, inner) behind it; biases and norms are left out.
    """
    config, wide = read_json(folder / "config.json"), width(folder)
    blocks = first(config, BLOCKS, BASE[1])
    inner = first(config, INNER, 4 * wide)
    return float(blocks * (4 * wide**2 + 2 * wide * inner)), blocks


def first(config: Mapping[str, Any], names: Iterable[str], default: int) -> int:
    """The first of some entries that a configuration has."""
    return next((int(config[name]) for name in names if config.get(name)), default)


def spell(value: float) -> str:
    """Seconds in words: `42 s`, `12 min`, `3.5 h`."""
    return f"{value:.0f} s" if value < 90 else f"{value / 60:.0f} min" if value < 5400 else f"{value / 3600:.1f} h"


BUDGET_UNITS = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3_600.0, "d": 86_400.0}


def budget_seconds(text: str) -> float:
    """Seconds of a budget such as `90s`, `10m`, `8h` or `2d`. Raises UserError for another text."""
    seconds = seconds_in(text, BUDGET_UNITS)
    if seconds is None:
        raise UserError(f"--budget {short_repr(text)} is no time; write it as 90s, 10m (or 10min), 8h or 2d")
    return seconds


def seconds_in(text: str, units: Mapping[str, float]) -> float | None:
    """Seconds of a time such as `90 min`, in one of the units (name -> seconds); None for other texts and for 0."""
    found = re.fullmatch(rf"\s*(\d{{1,9}}(?:\.\d{{1,9}})?)\s*({'|'.join(units)})\s*", text)
    return float(found[1]) * units[found[2]] or None if found else None
