"""From a comparison to a word: better, worse, equivalent or undecided."""

from __future__ import annotations

from dataclasses import dataclass

from bench.stats.crossed import Comparison

ALPHA = 0.05
DELTA = 0.01  # differences below one point are too small to care about


@dataclass(frozen=True)
class Verdict:
    """`word` to select by, `text` to read; `word` is empty where nothing may be concluded."""

    word: str
    text: str


def points(value: float) -> str:
    """A share in percentage points, to a tenth: `0.5 points`, `1 point`."""
    return spelt(f"{100 * value:.1f}".removesuffix(".0"))


def exact_points(value: float) -> str:
    """A share in percentage points as somebody gave it: `0.25 points`."""
    return spelt(f"{100 * value:.6g}")


def spelt(number: str) -> str:
    """A number of points with its unit."""
    return f"{number} point" + ("" if number == "1" else "s")


def incomplete(done: int, planned: int) -> Verdict:
    """A method without all of its seeds gets no verdict: what failed may not have failed at random."""
    return Verdict("", f"incomplete: {done}/{planned}")


def verdict(found: Comparison, p: float, *, delta: float = DELTA, exploratory: bool = False) -> Verdict:
    """What a comparison of complete methods says.

    *equivalent*: the 95 % interval lies within +-delta, so a difference that matters is excluded; this goes before a
    significant but negligible difference. *better*, *worse*: `p` (corrected over the family, where there is one) is
    below 0.05. *undecided*: neither, with the difference that this design would detect with 80 % power.
    """
    if -delta <= found.low and found.high <= delta:
        word, text = "equivalent", f"equivalent within {exact_points(delta)}"
    elif p < ALPHA:
        word = text = "better" if found.difference > 0 else "worse"
    else:
        word, text = "undecided", f"undecided (detectable: {points(found.detectable)})"
    if exploratory:
        text += ", exploratory"
    if found.conditional:
        text += " (one seed: these trained models only)"
    return Verdict(word, text)
