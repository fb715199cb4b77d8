"""Simulated schedules, against schedules worked out by hand."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from bench.planning.estimate import START
from bench.planning.schedule import critical_path, simulate


@dataclass(frozen=True)
class Step:
    """What a schedule needs of a job."""

    id: str
    needs: tuple[str, ...] = ()


def chains(count: int, length: int) -> list[Any]:
    """`count` chains of `length` jobs each."""
    return [Step(f"{c}-{n}", (f"{c}-{n - 1}",) if n else ("done before",)) for c in range(count) for n in range(length)]


@pytest.mark.parametrize(("workers", "expected"), [(1, 12.0), (2, 6.0), (3, 6.0), (4, 3.0), (1_000, 3.0)])
def test_chains_of_equal_jobs(workers: int, expected: float) -> None:
    jobs = chains(4, 3)
    ranks = {job.id: (0.0, 0.0, float(place)) for place, job in enumerate(jobs)}
    result = simulate(jobs, dict.fromkeys(ranks, 1.0), ranks, workers)
    assert result.seconds == pytest.approx(START + expected)
    assert result.busy == pytest.approx(12 / workers / (START + expected))
    assert critical_path(jobs, dict.fromkeys(ranks, 1.0))[0] == 3.0


def test_the_lowest_rank_is_taken_first() -> None:
    """Two short jobs and a long one on two workers: the long one first takes 3 seconds, last 4."""
    jobs: list[Any] = [Step("a"), Step("b"), Step("long")]
    seconds = {"a": 1.0, "b": 1.0, "long": 3.0}
    best = {"long": (0.0, 0.0, 0.0), "a": (1.0, 0.0, 0.0), "b": (2.0, 0.0, 0.0)}
    worst = {"a": (0.0, 0.0, 0.0), "b": (1.0, 0.0, 0.0), "long": (2.0, 0.0, 0.0)}
    assert simulate(jobs, seconds, best, 2).seconds == START + 3
    assert simulate(jobs, seconds, worst, 2).seconds == START + 4


def test_bounds_of_any_schedule() -> None:
    """No schedule is shorter than the longest chain or the work per worker, and a greedy one not twice as long."""
    rng = np.random.default_rng(0)
    for _ in range(30):
        size = int(rng.integers(1, 40))
        jobs: list[Any] = [
            Step(str(n), tuple(str(m) for m in rng.choice(n, size=min(n, 2), replace=False)) if n else ())
            for n in range(size)
        ]
        seconds = {job.id: float(rng.uniform(0.1, 5)) for job in jobs}
        ranks = {job.id: (0.0, 0.0, float(place)) for place, job in enumerate(jobs)}
        longest, chain = critical_path(jobs, seconds)
        assert longest == pytest.approx(sum(seconds[job.id] for job in chain))
        assert all(before.id in after.needs for before, after in itertools.pairwise(chain))
        for workers in (1, 3, 8):
            least = max(longest, sum(seconds.values()) / workers)
            assert least - 1e-9 <= simulate(jobs, seconds, ranks, workers).seconds - START <= 2 * least
        assert simulate(jobs, seconds, ranks, size).seconds - START == pytest.approx(longest)


def test_nothing_to_do() -> None:
    assert simulate([], {}, {}, 4).seconds == 0.0
    assert critical_path([], {}) == (0.0, [])
