"""What makes results on the rows of a task doubtful."""

from __future__ import annotations

import pytest

from tasks.findings import large_shift


@pytest.mark.parametrize(
    ("generated", "real", "found"),
    [
        ([0.5, 0.5], [0.375, 0.625], (0, 0.125)),
        ([0.1, 0.9], [0.0, 1.0], (0, 0.1)),
        ([0.5, 0.5], [0.45, 0.55], None),
        ([0.25, 0.5, 0.25], [0.25, 0.25, 0.5], (1, 0.25)),
        ([], [], None),
    ],
)
def test_a_large_shift_of_label_shares(
    generated: list[float], real: list[float], found: tuple[int, float] | None
) -> None:
    """One rule for `validate` and for reports."""
    assert large_shift(generated, real) == found
