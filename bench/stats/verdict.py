"""The verdict on a comparison: better, worse, equivalent or undecided."""

from __future__ import annotations

from dataclasses import dataclass

from bench.stats.crossed import Comparison
from bench.stats.equivalence import equivalence
from bench.stats.power import Detectable, detectable

ALPHA = 0.05
DELTA = 0.01  # equivalence margin: differences below one point are too small to matter


@dataclass(frozen=True)
class Verdict:
    """`word`: for filters, empty where nothing may be concluded. `text`: for readers.

    `detectable`: the true difference for which this verdict has 80 % power; None where there is no verdict.
    """

    word: str
    text: str
    detectable: Detectable | None = None


def points(value: float) -> str:
    """A share in percentage points, to a tenth: `0.5 points`, `1 point`."""
    return spelt(f"{100 * value:.1f}".removesuffix(".0"))


def exact_points(value: float) -> str:
    """A share in percentage points, not rounded: `0.25 points`."""
    return spelt(f"{100 * value:.6g}")


def spelt(number: str) -> str:
    """A number of points with its unit."""
    return f"{number} point" + ("" if number == "1" else "s")


def incomplete(done: int, planned: int) -> Verdict:
    """No verdict for a method with missing seeds: trainings may not have failed at random."""
    return Verdict("", f"incomplete: {done}/{planned}")


def detectable_points(found: Detectable) -> str:
    """`24.2 points`; differences of accuracy end at 100 points."""
    return points(found.difference) if found.difference < 1 else "nothing"


def with_interval(found: Detectable) -> str:
    """`24.2 points (80 % interval 11 to 75)`: over the uncertainty of the variances; `nothing` for a whole one."""
    if found.low >= 1:
        return detectable_points(found)
    low, high = (f"{100 * min(value, 1.0):.3g}" for value in (found.low, found.high))
    return f"{detectable_points(found)} (80 % interval {low} to {high})"


def word_of(difference: float, p: float, p_equivalent: float) -> str:
    """The word of a verdict by its p-values."""
    if p_equivalent < ALPHA:
        return "equivalent"
    if p < ALPHA:
        return "better" if difference > 0 else "worse"
    return "undecided"


def verdict(
    result: Comparison,
    p: float,
    p_equivalent: float | None = None,
    *,
    family: int = 1,
    delta: float = DELTA,
    exploratory: bool = False,
    found: Detectable | None = None,
) -> Verdict:
    """The verdict on a comparison of complete methods.

    `p` and `p_equivalent` are corrected over the `family` comparisons, if there are several; without `p_equivalent`, it
    is that of this comparison alone. *equivalent*: it is below 0.05, which excludes a difference that matters; this
    also holds for a significant but negligible one. *better*, *worse*: `p` is below 0.05. *undecided*: neither; the
    text has the difference for which *better* or *worse* would have 80 % power in this family, which is `found`, if it
    is known.
    """
    found = found or detectable([result], delta=delta, family=family)[0]
    same = equivalence([result], delta)[0] if p_equivalent is None else p_equivalent
    word = text = word_of(result.difference, p, same)
    if word == "equivalent":
        text = f"equivalent within {exact_points(delta)}"
    elif word == "undecided":
        text = f"undecided (detectable: {detectable_points(found)})"
    if exploratory:
        text += ", exploratory"
    if result.conditional:
        text += " (one seed: these trained models only)"
    return Verdict(word, text, found)
