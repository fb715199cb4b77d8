"""The seeds of a section whose real rows are cross-validated: whether they test all rows alike, and which would."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.seeds import seeds_option
from tasks.cross_validation import whole_repeats

USUAL_SEEDS = 5


def unequal_folds(spec: Mapping[str, Any]) -> str:
    """A note if the seeds of a section test some real rows more often than others; else empty."""
    folded = spec.get("cross_validation")
    if not folded or (whole := whole_repeats(spec["seeds"], folded["folds"])) == sorted(spec["seeds"]):
        return ""
    return (
        f"the seeds are no whole repeats of the {folded['folds']} folds, so that some rows are tested less often than "
        f"others; {seeds_option(whole)} tests all alike"
    )


def more_seeds(spec: Mapping[str, Any]) -> str:
    """The option that trains more seeds; of a cross-validation, the whole repeats, or another one if they are whole."""
    folded, seeds = spec.get("cross_validation"), spec["seeds"]
    if not folded:
        return f"--seeds {USUAL_SEEDS}"
    whole = whole_repeats(seeds, folded["folds"])
    return seeds_option(whole if len(whole) > len(seeds) else whole_repeats([*seeds, max(seeds) + 1], folded["folds"]))
