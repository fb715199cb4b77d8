"""How the words of generated rows differ from those of real rows."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from statistics import NormalDist

from tasks.loading.near_duplicates import WORDS
from tasks.rows import Rows

ALPHA = 0.05  # chance that some word is listed although no word's frequency differs (Bonferroni over all words)
MOST_ROWS = 20_000  # of a role


@dataclass(frozen=True)
class WordShift:
    """`covered` is the share of the words in real rows (each occurrence) that some generated row has.

    `more` and `less` are words with a significantly larger or smaller share of generated rows than of real rows, the
    most significant first, each with both shares.
    """

    covered: float
    more: tuple[tuple[str, float, float], ...]
    less: tuple[tuple[str, float, float], ...]


def word_shift(generated: Rows, real: Rows) -> WordShift:
    """The shift of words between the first `MOST_ROWS` rows of both roles."""
    in_generated, in_real = ([words_of(key) for key in rows.keys[:MOST_ROWS]] for rows in (generated, real))
    n, m = len(in_generated), len(in_real)
    ours, theirs = (Counter(word for words in texts for word in set(words)) for texts in (in_generated, in_real))
    occurrences = [word for words in in_real for word in words]
    covered = sum(word in ours for word in occurrences) / len(occurrences) if occurrences else math.nan
    words = sorted({*ours, *theirs})
    least = NormalDist().inv_cdf(1 - ALPHA / 2 / max(len(words), 1))
    scores = {word: score(ours[word], n, theirs[word], m) for word in words}

    def listed(sign: int) -> tuple[tuple[str, float, float], ...]:
        beyond = sorted((word for word in words if sign * scores[word] > least), key=lambda word: -sign * scores[word])
        return tuple((word, ours[word] / n, theirs[word] / m) for word in beyond)

    return WordShift(covered, listed(1), listed(-1))


def words_of(key: str) -> list[str]:
    """The words of a normalised text."""
    return WORDS.findall(key)


def score(a: int, n: int, b: int, m: int) -> float:
    """The z statistic of the difference of two shares a / n and b / m, with their pooled variance."""
    pooled = (a + b) / (n + m)
    variance = pooled * (1 - pooled) * (1 / n + 1 / m)
    return (a / n - b / m) / math.sqrt(variance) if variance > 0 else 0.0
