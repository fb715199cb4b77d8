"""Batches: every row once per pass, nearly equal sizes, short padding, the same for everyone."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bench.precomputed.tokens import by_length
from bench.training.batches import epoch, schedule


@given(st.integers(1, 300), st.integers(1, 40), st.integers(0, 5))
def test_a_pass_visits_every_row_once_in_nearly_equal_batches(rows: int, size: int, seed: int) -> None:
    lengths = np.random.default_rng(seed).integers(3, 60, rows)
    batches = epoch(lengths, size, seed)
    assert len(batches) == -(-rows // size)
    assert sorted(np.concatenate(batches)) == list(range(rows))
    sizes = [len(batch) for batch in batches]
    assert max(sizes) - min(sizes) <= 1
    assert max(sizes) <= size


def test_buckets_need_little_padding() -> None:
    lengths = np.random.default_rng(0).poisson(22, 1000)
    padded = sum(lengths[batch].max() * len(batch) for batch in epoch(lengths, 32, 0))
    random = np.random.default_rng(1).permutation(1000)
    plain = sum(lengths[random[at : at + 32]].max() * len(random[at : at + 32]) for at in range(0, 1000, 32))
    assert padded < 1.12 * lengths.sum() < plain


def test_a_small_set_is_cycled_and_a_schedule_is_a_function_of_its_names() -> None:
    lengths = np.arange(10) + 3
    steps = list(schedule(lengths, 4, 8, "twitter", 0))
    assert [number for number, _ in steps] == [0, 0, 0, 1, 1, 1, 2, 2]
    again = list(schedule(lengths, 4, 8, "twitter", 0))
    assert all((a[1] == b[1]).all() for a, b in zip(steps, again, strict=True))
    longer = list(schedule(lengths, 4, 20, "twitter", 0))
    assert all((a[1] == b[1]).all() for a, b in zip(steps, longer, strict=False)), "more updates shift nothing"
    other = list(schedule(lengths, 4, 8, "twitter", 1))
    assert any(len(a[1]) != len(b[1]) or (a[1] != b[1]).any() for a, b in zip(steps, other, strict=True))


def test_evaluation_batches_hold_every_row() -> None:
    lengths = np.random.default_rng(0).integers(3, 60, 101)
    batches = by_length(lengths, 8)
    assert sorted(np.concatenate(batches)) == list(range(101))
    assert all(lengths[a].min() >= lengths[b].max() for a, b in pairwise(batches))
