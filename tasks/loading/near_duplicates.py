"""Near duplicates: texts that share most of their pairs of neighbouring words, found by MinHash.

MinHash (Broder, 1997) replaces the pairs of words of a text by `HASHES` numbers. Two texts agree in a number with a
probability that is the share of pairs of words that they have in common (Jaccard). Texts that agree in all numbers of a
band are compared, so two texts that share 0.7 of their pairs are compared with a probability of 1 - (1 - 0.7^5)^25,
which is 0.99. What is compared is counted exactly, so every near duplicate that is reported is one.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from tasks.rows import Rows

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
# Words; scripts that are written without spaces go by characters.
UNSPACED = "぀-ヿ㐀-鿿豈-﫿"
WORDS = re.compile(rf"[{UNSPACED}]|[^\W{UNSPACED}]+")


@dataclass(frozen=True)
class NearDuplicate:
    """A row of a role and a row of another role, or an earlier one of the same; `row` and `other` are positions."""

    role: str
    row: int
    other_role: str
    other: int


def near_duplicates(roles: Mapping[str, Rows]) -> list[NearDuplicate] | None:
    """For each row and each role the first near duplicate of its text; None if there are more than `MOST_TEXTS` rows.

    Equal texts, also those that differ in punctuation alone, are no near duplicates. Between two roles, the row is that
    of the first one.
    """
    if sum(map(len, roles.values())) > MOST_TEXTS:
        return None
    places: dict[str, dict[str, list[int]]] = {}  # text -> role -> positions
    for role, rows in roles.items():
        for position, key in enumerate(rows.near_keys):
            places.setdefault(key, {}).setdefault(role, []).append(position)
    texts = list(places)
    order = {role: number for number, role in enumerate(roles)}
    found: dict[tuple[str, int, str], int] = {}
    for one, other in similar(texts):
        for a, b in ((texts[one], texts[other]), (texts[other], texts[one])):
            for role, positions in places[a].items():
                for other_role, others in places[b].items():
                    if order[role] > order[other_role]:
                        continue
                    for position in positions:
                        if role == other_role and others[0] > position:
                            continue
                        place = (role, position, other_role)
                        found[place] = min(found.get(place, others[0]), others[0])
    return [NearDuplicate(role, row, other, found[role, row, other]) for role, row, other in sorted(found)]


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


def pairs_of_words(text: str) -> set[bytes]:
    """The pairs of neighbouring words of a normalised text; a text of one word is that word."""
    words = WORDS.findall(text)[:MOST_WORDS]
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
