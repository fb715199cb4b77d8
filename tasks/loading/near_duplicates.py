"""Near duplicates: texts that share most of their pairs of neighbouring words, found by MinHash.

MinHash (Broder, 1997) replaces the pairs of words of a text by `HASHES` numbers. Two texts agree in a number with a
probability that is the share of pairs of words that they have in common (Jaccard). Texts that agree in all numbers of a
band are compared, so two texts that share 0.7 of their pairs are compared with a probability of 1 - (1 - 0.7^5)^25,
which is 0.99. What is compared is counted exactly, so every near duplicate that is reported is one.
"""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations, combinations_with_replacement
from typing import TYPE_CHECKING

import numpy as np

from tasks.rows import UNSPACED, Rows, marks

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHARED = 0.7  # the least share of pairs of words in common, of all that occur in either text
BANDS, HASHES_OF_BAND = 25, 5
HASHES = BANDS * HASHES_OF_BAND
MARGIN = 0.15  # 3.6 standard deviations of an estimated share: pairs below SHARED - MARGIN are not counted exactly
NEIGHBOURS = 4  # of a band, so many texts are compared with each one; without a limit, templates take hours
FEW_TEXTS = 400  # all pairs of so few are compared, which is faster than to import the library
MOST_TEXTS = 50_000  # more are not compared: 50,000 texts of 25 words take about 6 s
MOST_WORDS = 5_000  # of a text


@dataclass(frozen=True)
class Repeats:
    """The rows of `role` that repeat rows of `other_role`, or earlier rows of the same role, as positions.

    `pairs` has each of these rows with the first row that it repeats. `others` are all rows of `other_role` that are
    repeated; of the same role, all rows that repeat any other one or are repeated.
    """

    role: str
    other_role: str
    pairs: tuple[tuple[int, int], ...]
    others: frozenset[int]


def near_duplicates(roles: Mapping[str, Rows]) -> list[Repeats] | None:
    """The near duplicates of each two roles and of each role in itself; None if there are more than `MOST_TEXTS` rows.

    Equal texts, also those that differ in punctuation alone, are no near duplicates. Of two roles, `role` is the first.
    """
    if sum(map(len, roles.values())) > MOST_TEXTS:
        return None
    places: dict[str, dict[str, list[int]]] = {}  # text -> role -> positions
    for role, rows in roles.items():
        for position, key in enumerate(rows.near_keys):
            places.setdefault(key, {}).setdefault(role, []).append(position)
    texts, two_roles = list(places), list(combinations_with_replacement(roles, 2))
    firsts: dict[tuple[str, str], dict[int, int]] = {two: {} for two in two_roles}
    others: dict[tuple[str, str], set[int]] = {two: set() for two in two_roles}
    for one, other in similar(texts):
        for a, b in ((texts[one], texts[other]), (texts[other], texts[one])):
            for role, other_role in two_roles:
                own, repeated, first = places[a].get(role), places[b].get(other_role), firsts[role, other_role]
                if not own or not repeated:
                    continue
                others[role, other_role].update(repeated)
                for position in own:
                    if role != other_role or repeated[0] < position:
                        first[position] = min(first.get(position, repeated[0]), repeated[0])
    found = ((role, other, sorted(first.items())) for (role, other), first in firsts.items() if first)
    return [Repeats(role, other, tuple(pairs), frozenset(others[role, other])) for role, other, pairs in found]


def similar(texts: list[str]) -> list[tuple[int, int]]:
    """The positions of the pairs of texts that share at least `SHARED` of their pairs of words, sorted."""
    words = [pairs_of_words(text) for text in texts]
    if len(texts) <= FEW_TEXTS:
        every = combinations(range(len(texts)), 2)
        return [(one, other) for one, other in every if jaccard(words[one], words[other]) >= SHARED]
    signatures = signatures_of(words)
    pairs = candidates(signatures)
    alike = [
        (signatures[part[:, 0]] == signatures[part[:, 1]]).mean(axis=1) >= SHARED - MARGIN
        for part in np.array_split(pairs, len(pairs) // 100_000 + 1)
    ]
    likely = pairs[np.concatenate(alike)].tolist()
    return [(one, other) for one, other in likely if jaccard(words[one], words[other]) >= SHARED]


@functools.cache
def word() -> re.Pattern[str]:
    """A word, or a character of a script that is written without spaces."""
    return re.compile(word_pattern())


def word_pattern(least: int = 1) -> str:
    """A regular expression of the same, for words of `least` letters or more."""
    return rf"[{UNSPACED}]|(?:[^\W{UNSPACED}]|[{marks()}]){{{least},}}"


def words_of(text: str) -> list[str]:
    """The words of a text, in order; scripts that are written without spaces go by characters."""
    return word().findall(text)


def pairs_of_words(text: str) -> set[bytes]:
    """The pairs of neighbouring words of a normalised text; a text of one word is that word."""
    words = words_of(text)[:MOST_WORDS]
    return {f"{one} {other}".encode() for one, other in itertools.pairwise(words)} or {text.encode()}


def jaccard(one: set[bytes], other: set[bytes]) -> float:
    """The share of elements in both sets, of those in either."""
    both = len(one & other)
    return both / (len(one) + len(other) - both)


def signatures_of(words: list[set[bytes]]) -> NDArray[np.uint32]:
    """The MinHash signatures (n, HASHES) of n sets."""
    import xxhash
    from datasketch import MinHash

    hashes = MinHash.generator(words, num_perm=HASHES, hashfunc=xxhash.xxh32_intdigest)
    return np.array([one.hashvalues for one in hashes], dtype=np.uint32).reshape(len(words), HASHES)


def candidates(signatures: NDArray[np.uint32]) -> NDArray[np.int64]:
    """(m, 2) pairs of positions, smaller first, that agree in a band; of large bands each text with its neighbours.

    Neighbours are next to each other when sorted by the following bands, where similar texts are equal again.
    """
    found = [np.empty((0, 2), dtype=np.int64)]
    for band in range(BANDS):
        rolled = np.roll(signatures, -band * HASHES_OF_BAND, axis=1)
        order = np.lexsort(rolled[:, 3 * HASHES_OF_BAND - 1 :: -1].T)  # the last key counts most: the band itself
        own = rolled[order, :HASHES_OF_BAND]
        for step in range(1, min(NEIGHBOURS, len(order) - 1) + 1):
            same = (own[step:] == own[:-step]).all(axis=1)
            found.append(np.stack([order[:-step][same], order[step:][same]], axis=1))
    return np.unique(np.sort(np.concatenate(found), axis=1), axis=0)
