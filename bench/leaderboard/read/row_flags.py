"""Marks generated rows that look mislabelled, repeat another row, or are unlike the real rows.

All three are guesses from the checker's scores and the words of the texts. They use no test row and no hidden column.
Words are those of `near_duplicates`: scripts that are written without spaces go by characters.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from bench.arrays import BoolArray, FloatArray, IntArray
from methods.confident import confident_joint
from tasks.loading.near_duplicates import word_pattern

if TYPE_CHECKING:
    from scipy.sparse import csr_array

NEIGHBOUR = 5  # the distance to the real rows is that to the 5th nearest one
LIKE_REAL = 0.95  # share of real rows that count as like the other real rows
DIMENSIONS = 100  # of the space of texts
FEWEST_REAL = 20  # with fewer real rows the distance says nothing
REPEATED = 0.9  # cosine of word counts from which two texts count as the same
MOST_COMPARED = 50_000  # rows that are compared with each other; the time grows with the square


def other_label(probabilities: FloatArray, labels: IntArray) -> IntArray:
    """(n,) the label of which a checker is confident in place of the given one (n,), -1 for none, from (n, C).

    Confident learning (Northcutt et al., JAIR 2021): a class is confident where its probability reaches the mean that
    the class has among the rows with its label, and the most probable confident class counts. As there, a label that
    is the most probable class is not doubted. Rows without probabilities (NaN) get -1.
    """
    other = np.full(len(labels), -1, dtype=np.int64)
    known = ~np.isnan(probabilities).any(axis=1)
    given, scores = labels[known], probabilities[known]
    _, confident = confident_joint(given, scores)
    other[known] = np.where((confident != given) & (scores.argmax(axis=1) != given), confident, -1)
    return other


def repeats(texts: Sequence[str]) -> IntArray:
    """(n,) the place of the earliest row whose words each row repeats, -1 for rows that repeat none.

    Two texts are the same if the cosine of their counts of words and of pairs of words, weighted by idf, is at least
    REPEATED. Beyond MOST_COMPARED rows a text is compared with equal texts only.
    """
    first: dict[str, int] = {}
    keys = [first.setdefault(" ".join(text.casefold().split()), row) for row, text in enumerate(texts)]
    earliest = np.where(np.array(keys) < np.arange(len(texts)), keys, -1)
    if len(texts) > MOST_COMPARED or not any(text.strip() for text in texts):
        return earliest
    counts = vectors(texts)
    for begin in range(0, len(texts), 1000):
        block = (counts[begin : begin + 1000] @ counts.T).tocoo()
        same = (block.data >= REPEATED) & (block.col < block.row + begin)
        rows, others = block.row[same] + begin, block.col[same]
        nearest = np.full(len(texts), len(texts))
        np.minimum.at(nearest, rows, others)
        found = (nearest < len(texts)) & (earliest < 0)
        earliest[found] = nearest[found]
    return np.asarray(earliest)


def unlike(texts: Sequence[str], real: Sequence[str]) -> BoolArray | None:
    """(n,) whether a text is farther from m real texts than 95 % of these are from each other; None for few real texts.

    The distance is that to the 5th nearest real text (Sun et al., ICML 2022) by the cosine in the latent space of word
    counts (Deerwester et al., 1990), without the commonest English words. None also if the texts have no words.
    """
    if len(real) < FEWEST_REAL:
        return None
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.neighbors import NearestNeighbors
    from sklearn.preprocessing import normalize

    try:
        vectorizer = TfidfVectorizer(sublinear_tf=True, stop_words="english", token_pattern=word_pattern(least=2))
        counts = vectorizer.fit_transform([*real, *texts])
    except ValueError:  # no word in any text
        return None
    dimensions = min(DIMENSIONS, min(counts.shape) - 1)
    if dimensions < 1:
        return None
    space = normalize(TruncatedSVD(dimensions, random_state=0).fit_transform(counts))
    own, others = space[: len(real)], space[len(real) :]
    index = NearestNeighbors(n_neighbors=NEIGHBOUR + 1).fit(own)
    within = index.kneighbors(own)[0][:, NEIGHBOUR]  # the nearest is the row itself
    distance = index.kneighbors(others, n_neighbors=NEIGHBOUR)[0][:, NEIGHBOUR - 1]
    return np.asarray(distance > np.quantile(within, LIKE_REAL))


def vectors(texts: Sequence[str]) -> csr_array:
    """(n, words) sparse counts of words and of pairs of words, on a log scale, weighted by idf, of length 1."""
    from scipy.sparse import csr_array
    from sklearn.feature_extraction.text import TfidfVectorizer

    pattern = rf"{word_pattern()}|[^\w\s]"
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=pattern, dtype=np.float32)
    return csr_array(words.fit_transform(texts))
