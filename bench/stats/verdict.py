"""The verdict on a comparison: better, worse, equivalent or undecided."""

from __future__ import annotations

from dataclasses import dataclass

from bench.stats.crossed import Comparison

ALPHA = 0.05
DELTA = 0.01  # equivalence margin: differences below one point are too small to matter


@dataclass(frozen=True)
class Verdict:
    """`word`: for filters, empty where nothing may be concluded. `text`: for readers."""

    word: str
    text: str


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


def verdict(result: Comparison, p: float, *, delta: float = DELTA, exploratory: bool = False) -> Verdict:
    """The verdict on a comparison of complete methods.

    *equivalent*: the 95 % interval lies within +-delta, which excludes a difference that matters; this also holds for
    a significant but negligible difference. *better*, *worse*: `p` (corrected over the family, if there is one) is
    below 0.05. *undecided*: neither; the text has the difference that this design would detect with 80 % power.
    """
    if -delta <= result.low and result.high <= delta:
        word, text = "equivalent", f"equivalent within {exact_points(delta)}"
    elif p < ALPHA:
        word = text = "better" if result.difference > 0 else "worse"
    else:
        word, text = "undecided", f"undecided (detectable: {points(result.detectable)})"
    if exploratory:
        text += ", exploratory"
    if result.conditional:
        text += " (one seed: these trained models only)"
    return Verdict(word, text)
