"""Forward passes in batches: every row's result in its place, and no gradient."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from bench.precomputed.inference import TOKENS, batched, fixed_batches, in_order
from bench.precomputed.tokens import by_length

CPU = torch.device("cpu")


def test_results_are_in_the_order_of_the_rows_and_zero_for_rows_of_no_batch() -> None:
    values = torch.arange(10.0, requires_grad=True)
    lengths = np.array([3, 9, 1, 7, 7, 2, 8, 4, 6, 5])

    def square(inputs: dict[str, Tensor]) -> Tensor:
        return (inputs["x"] ** 2)[:, None]

    def inputs(index: np.ndarray) -> dict[str, Tensor]:
        return {"x": values[torch.from_numpy(index)]}

    batches = by_length(lengths, 4)
    out = in_order(batched(square, inputs, batches, CPU), 10, 1, CPU)
    assert torch.equal(out[:, 0], (values**2).detach())
    assert not out.requires_grad
    some = in_order(batched(square, inputs, batches[:1], CPU), 10, 1, CPU)
    assert sorted(some.nonzero()[:, 0].tolist()) == sorted(batches[0].tolist())


def test_the_code_between_batches_may_train() -> None:
    """A caller that updates weights between two batches has gradients there."""
    weight = torch.ones(1, requires_grad=True)
    for _ in batched(lambda inputs: inputs["x"] * weight, lambda _: {"x": torch.ones(1)}, [np.arange(1)] * 2, CPU):
        assert not torch.is_inference_mode_enabled()
        (weight * 2).sum().backward()


def test_the_shape_of_a_batch_is_that_of_its_rows_lengths_alone() -> None:
    """Each row is in one batch, with a width and a number of rows that no other row changes."""
    lengths = np.random.default_rng(0).integers(1, 300, size=500)
    batches = fixed_batches(lengths)
    assert sorted(np.concatenate([one.index[: one.rows] for one in batches]).tolist()) == list(range(500))
    for one in batches:
        assert (lengths[one.index] <= one.width).all()
        assert len(one.index) == max(1, TOKENS // one.width)
        for row in one.index[: one.rows]:
            (alone,) = fixed_batches(lengths[row : row + 1])
            assert (alone.width, len(alone.index)) == (one.width, len(one.index))
    padded = sum(len(one.index) * one.width for one in batches)
    assert padded < 1.3 * lengths.sum()


def test_no_width_exceeds_what_the_encoder_takes() -> None:
    assert [one.width for one in fixed_batches(np.array([100, 110, 20]), longest=110)] == [110, 24]
