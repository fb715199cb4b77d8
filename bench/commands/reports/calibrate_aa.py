"""`bench calibrate --aa`: compares each method of a store with itself on other seeds, where every verdict is false.

Two disjoint groups of k seeds of one method, drawn at random, are compared like two methods of k seeds. Seeds are
exchangeable, so the true difference is zero whatever the distribution of the cells. A method that sees no real rows has
the same data at every seed: its groups differ only by the randomness of training.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bench.arrays import FloatArray
from bench.errors import UserError
from bench.leaderboard.build import build
from bench.leaderboard.compare.baseline import stacked
from bench.leaderboard.formats.prose import markdown_row
from bench.leaderboard.results import Row, Section
from bench.leaderboard.rules import USUAL
from bench.stats.crossed import components, half_width
from bench.stats.equivalence import reach
from bench.stats.verdict import ALPHA
from bench.store.files import write_text
from bench.store.merge import unmixed

SPLITS = 200  # of the seeds of one method, at random with a fixed seed
FEWEST = 2  # seeds per group, at least
HEAD = ("methods", "seeds per group", "methods × tasks", "p < 0.05 %", "better or worse %")
INTRODUCTION = (
    "Each method against itself: {splits} random pairs of disjoint groups of its seeds, compared like two methods. "
    "The true difference is zero, so every *p < 0.05* and every verdict *better* or *worse* is false, and 5 % are "
    "allowed. ±: standard error over methods and tasks; each method on a task counts once, however many pairs it has. "
    "Methods on one task share test rows, so the standard error is somewhat too small. The two groups have different "
    "seeds, unlike methods in the leaderboard, which share head, batches and small real set at each seed."
)
DATA = {False: "without real rows: same data, other training seeds", True: "with real rows: other draws of them too"}


class Unit(NamedTuple):
    """A method on a task with groups of k seeds: the share of pairs with p < 0.05, and with verdict better or worse."""

    real: bool
    k: int
    rejected: float
    verdict: float


def calibrate_aa(store: Path, reports: Path, say: Callable[[str], None]) -> Path:
    """Print and write `calibration-aa.md`. Raises UserError for mixed code, or if no method has four seeds."""
    table = build(unmixed(store), store, USUAL)
    units = [unit for section in table.sections for unit in of_section(section)]
    if not units:
        raise UserError(f"{store} has no method with {2 * FEWEST} or more seeds; `bench run --seeds 20` trains them")
    lines = [markdown_row(HEAD), "| --- | ---: | ---: | ---: | ---: |"]
    for kind in sorted({(unit.real, unit.k) for unit in units}):
        alike = [unit for unit in units if (unit.real, unit.k) == kind]
        shares = [mean_and_error([getattr(unit, name) for unit in alike]) for name in ("rejected", "verdict")]
        lines.append(markdown_row([DATA[kind[0]], str(kind[1]), str(len(alike)), *shares]))
    for line in lines:
        say(line)
    path = reports / "calibration-aa.md"
    blocks = ["# Calibration on real cells", INTRODUCTION.format(splits=SPLITS), "\n".join(lines)]
    write_text(path, "\n\n".join(blocks) + "\n")
    return path


def mean_and_error(shares: Sequence[float]) -> str:
    """The mean in per cent, with its standard error if there are several values."""
    mean = f"{100 * np.mean(shares):.2f}"
    return f"{mean} ± {100 * np.std(shares, ddof=1) / math.sqrt(len(shares)):.2f}" if len(shares) > 1 else mean


def of_section(section: Section) -> Iterator[Unit]:
    """Every size of group of every method. A method with the same predictions as an earlier one is left out."""
    seen: set[bytes] = set()
    for row in section.rows:
        seeds = sorted(row.cells)
        if section.test is None or len(seeds) < 2 * FEWEST or section.spec.get("cross_validation"):
            continue
        right = section.test.right(stacked(row, seeds))
        if right.tobytes() in seen:
            continue
        seen.add(right.tobytes())
        yield from of_method(row, right)


def of_method(row: Row, right: FloatArray) -> Iterator[Unit]:
    """Every size of group of one method. `right` (S, M): 1 where a seed is right on a test row, by cluster of rows."""
    real = row.spec["real_use"] != "none"
    for k in range(FEWEST, len(right) // 2 + 1):
        rng = np.random.default_rng(k)
        rejected, different = 0, 0
        for _ in range(SPLITS):
            order = rng.permutation(len(right))
            significant, matters = verdict_on(right[order[:k]] - right[order[k : 2 * k]])
            rejected += significant
            different += significant and matters
        yield Unit(real, k, rejected / SPLITS, different / SPLITS)


def verdict_on(scores: FloatArray) -> tuple[bool, bool]:
    """Whether a difference (S, N) is significant, and whether it is not called equivalent."""
    size = abs(float(scores.mean()))
    seeds, examples = scores.shape
    half = half_width(components(scores), seeds, examples, ALPHA / 2)
    return size > float(half), USUAL.delta - size <= float(reach(half, examples, ALPHA / 2))
