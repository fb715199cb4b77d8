"""How the words of generated rows differ from those of real rows."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

from tasks.loading.near_duplicates import words_of
from tasks.rows import Rows

ALPHA = 0.05  # chance that some word is listed although no word's frequency differs (Bonferroni over all words)
MOST_ROWS = 20_000  # of a role


@dataclass(frozen=True)
class WordShift:
    """`covered` is the share of the words in real rows (each occurrence) that some generated row has; None: no words.

    `more` and `less` are words with a significantly larger or smaller share of generated rows than of real rows, the
    most significant first, each with both shares.
    """

    covered: float | None
    more: tuple[tuple[str, float, float], ...]
    less: tuple[tuple[str, float, float], ...]


def word_shift(generated: Rows, real: Rows) -> WordShift:
    """The shift of words between the first `MOST_ROWS` rows of both roles."""
    in_generated, in_real = ([words_of(key) for key in rows.keys[:MOST_ROWS]] for rows in (generated, real))
    n, m = len(in_generated), len(in_real)
    ours, theirs = (Counter(word for words in texts for word in set(words)) for texts in (in_generated, in_real))
    occurrences = [word for words in in_real for word in words]
    covered = sum(word in ours for word in occurrences) / len(occurrences) if occurrences else None
    words = sorted({*ours, *theirs})
    least = NormalDist().inv_cdf(1 - ALPHA / 2 / max(len(words), 1))
    scores = {word: score(ours[word], n, theirs[word], m) for word in words}
    # The normal approximation finds too many words of few rows, so its words are tested exactly.
    candidates = [word for word in words if abs(scores[word]) > least]
    p = exact([ours[word] for word in candidates], n, [theirs[word] for word in candidates], m)
    sure = [word for word, one in zip(candidates, p, strict=True) if one < ALPHA / len(words)]

    def listed(sign: int) -> tuple[tuple[str, float, float], ...]:
        beyond = sorted((word for word in sure if sign * scores[word] > 0), key=lambda word: (-abs(scores[word]), word))
        return tuple((word, ours[word] / n, theirs[word] / m) for word in beyond)

    return WordShift(covered, listed(1), listed(-1))


def score(a: int, n: int, b: int, m: int) -> float:
    """The z statistic of the difference of two shares a / n and b / m, with their pooled variance."""
    pooled = (a + b) / (n + m)
    variance = pooled * (1 - pooled) * (1 / n + 1 / m)
    return (a / n - b / m) / math.sqrt(variance) if variance > 0 else 0.0


def exact(a: Sequence[int], n: int, b: Sequence[int], m: int) -> list[float]:
    """Two-sided p of the differences of shares a / n and b / m (k each): twice the smaller tail of Fisher's test."""
    import numpy as np
    from scipy.stats import hypergeom

    total = [one + other for one, other in zip(a, b, strict=True)]
    low = hypergeom.cdf(a, n + m, total, n)
    high = hypergeom.sf([one - 1 for one in a], n + m, total, n)
    return [float(p) for p in np.minimum(1.0, 2 * np.minimum(low, high))]
