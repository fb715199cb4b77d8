"""Forward passes in batches: every row's result in its place, and no gradient."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from bench.precomputed.inference import batched, in_order
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
