"""Which seeds test all rows of a cross-validation alike."""

from __future__ import annotations

import pytest

from bench.leaderboard.fold_seeds import more_seeds, unequal_folds
from bench.leaderboard.formats.answer import larger


@pytest.mark.parametrize(
    ("seeds", "whole", "more"),
    [
        ([0, 1], "--seeds 5", "--seeds 5"),
        ([2, 3, 4], "--seeds 5", "--seeds 5"),
        ([0, 1, 2, 3, 4], "", "--seeds 10"),
        ([0, 1, 2, 3, 4, 5, 6], "--seeds 10", "--seeds 10"),
        ([0, 5, 10], "--seeds 15", "--seeds 15"),
        ([0, 6, 2, 3, 4], "--seeds 10", "--seeds 10"),
        ([42], "--seed 40,41,42,43,44", "--seed 40,41,42,43,44"),
        ([5, 6, 7, 8, 9], "", "--seed 5,6,7,8,9,10,11,12,13,14"),
    ],
)
def test_seeds_are_completed_to_whole_repeats(seeds: list[int], whole: str, more: str) -> None:
    """Two seeds were told to become seven, and five seeds of one fold nothing."""
    spec = {"seeds": seeds, "cross_validation": {"folds": 5}, "sizes": {"real": 40, "pool": 50}, "preset": "full"}
    ending = f"so that some rows are tested less often than others; {whole} tests all alike"
    assert unequal_folds(spec) == (f"the seeds are no whole repeats of the 5 folds, {ending}" if whole else "")
    assert more_seeds(spec) == more
    assert list(larger(spec)) == [f"{'whole repeats' if whole else 'another repeat'} of the folds (`{more}`)"]


def test_without_folds_there_is_no_note() -> None:
    spec = {"seeds": [0, 1]}
    assert (unequal_folds(spec), more_seeds(spec)) == ("", "--seeds 5")
