"""Diverse subsets: choose rows whose texts cover all generated texts, by the pretrained encoder's embeddings.

    u_i     the embedding of row i, scaled to length 1; similarity is <u_i, u_j>
    loss = mean_i  w_i * -log p(y_i | x_i)        w_i = n / k for the k chosen of n rows, else 0

    k-center   k = share * n. The first row is the one nearest to the mean; each further one is the row that is farthest
               from all chosen rows
    coverage   k = share * n. A row covers the rows whose similarity to it is at least s. Rows are chosen one after the
               other, each time the one that covers most rows that are not covered yet (the first of several). s is the
               largest similarity, by bisection, at which the k rows cover the part `target` of all rows. If fewer rows
               do, only these are kept
    semdedup   Rows are ordered from the least to the most similar to their mean. m_i is the largest similarity of row i
               to a row before it, at least 0. The k = share * n rows with the smallest m_i are kept; with `eps`, those
               with m_i at most 1 - eps
    per_class=True: each label's rows for themselves, and n and k are the label's; so label shares stay

Source: Sener and Savarese, "Active Learning for Convolutional Neural Networks: A Core-Set Approach", ICLR 2018
(k-center, its greedy form); Tavakkol et al., "Less is More: Adaptive Coverage for Synthetic Training Data", 2025
(coverage, made for generated rows; target 0.9. Public code of it chooses only among rows that are not covered yet, and
lets a row cover at most 2 target n / k others, the nearest; here neither, as in the textbook's greedy rule); Abbas et
al., "SemDeDup: Data-efficient learning at web-scale through semantic deduplication", 2023, and their released code
(semdedup). SemDeDup looks for pairs within clusters of millions of rows; here a label is one cluster, so no pair is
missed. Its authors set eps so that as many rows stay as they want, which is `share` here. Share 0.5 (0.8 for semdedup)
and per_class are ours. A generated set need not have near copies: no two of the bundled tweets are more similar than
0.75. k-center also keeps texts that resemble no other, which can be mistakes of the generator.
Cost: 1, after one pass of the encoder over the generated rows. Needs: no real rows. Memory: a matrix of n x n
similarities for the largest label, at most 20,000 rows.
"""

from __future__ import annotations

import logging
from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from methods.base import EMBEDDINGS, Context, StaticWeights, WeightConfig, setting
from methods.registry import register

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

MOST = 20_000  # rows of a label: the matrix of similarities then takes 1.6 GB
STEPS = 30  # of the bisection: similarities are found to 2e-9


@dataclass(frozen=True)
class DiverseConfig(WeightConfig):
    per_class: bool = setting(True, search=(True, False), note="each label's rows for themselves; not in the sources")


@dataclass(frozen=True)
class ShareConfig(DiverseConfig):
    share: float = setting(0.5, search=(0.1, 0.9), note="part of the rows that is kept; 1 is CE")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.share <= 1:
            raise ValueError(f"share must lie in (0, 1], not {self.share}")


@dataclass(frozen=True)
class CoverageConfig(ShareConfig):
    target: float = setting(0.9, search=(0.7, 1.0), note="part of the rows that is covered; 0.9 in the source")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.target <= 1:
            raise ValueError(f"target must lie in (0, 1], not {self.target}")


@dataclass(frozen=True)
class SemDeDupConfig(ShareConfig):
    share: float = setting(0.8, search=(0.3, 0.95), note="part of the rows that is kept; 1 is CE")
    eps: float | None = setting(None, note="in place of share: a pair is alike above similarity 1 - eps; 0 is CE")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.eps is not None and not 0 <= self.eps < 1:
            raise ValueError(f"eps must lie in [0, 1), not {self.eps}")


class Diverse(StaticWeights):
    """Base of all three: cross-entropy on a subset that covers the generated texts."""

    Config = DiverseConfig
    config: DiverseConfig
    requires = (EMBEDDINGS,)

    def table(self, context: Context) -> Array:
        import numpy as np

        labels, points = context.scored(EMBEDDINGS)
        weights = np.zeros(len(labels))
        whole = [np.arange(len(labels))]
        groups = [np.flatnonzero(labels == c) for c in np.unique(labels)] if self.config.per_class else whole
        for rows in groups:
            if len(rows) > MOST:
                raise ValueError(f"{len(rows)} rows are too many for a matrix of similarities; at most {MOST}")
            kept = self.chosen(unit(points[rows].astype(np.float64)))
            weights[rows] = kept / kept.mean()
        if (weights == 1).all():
            logging.getLogger(__name__).warning("all %d generated rows are kept: this is cross-entropy", len(labels))
        return weights

    @abstractmethod
    def chosen(self, points: Array) -> Array:
        """(n,) mask of the rows to keep, at least one, from (n, H) embeddings of length 1."""


@register("k-center")
class KCenter(Diverse):
    """Cross-entropy on rows that are far from each other.

    Fails: By its formula, texts that resemble no other come first, which can be mistakes of the generator, and wrong
    labels stay. In our results no gain over `ce` is shown on `twitter` or `financial`.
    """

    Config = ShareConfig
    config: ShareConfig

    def chosen(self, points: Array) -> Array:
        import numpy as np

        kept = np.zeros(len(points), dtype=bool)
        new = int((points @ points.mean(0)).argmax())
        nearest = np.full(len(points), -np.inf)  # similarity to the nearest chosen row
        for _ in range(max(1, round(self.config.share * len(points)))):
            kept[new] = True
            nearest = np.maximum(nearest, points @ points[new])
            new = int(np.where(kept, np.inf, nearest).argmin())
        return kept


@register("coverage")
class Coverage(Diverse):
    """Cross-entropy on rows that together resemble nearly all generated rows.

    Fails: By its formula, it reads texts alone: wrong labels stay, and a small set loses rows. In our results no
    gain over `ce` is shown on `twitter` or `financial`.
    """

    Config = CoverageConfig
    config: CoverageConfig

    def chosen(self, points: Array) -> Array:
        import numpy as np

        similarity = (points @ points.T).astype(np.float32)
        np.fill_diagonal(similarity, 2)  # a row covers itself whatever the threshold
        count, least = max(1, round(self.config.share * len(points))), self.config.target * len(points)
        low, high = -1.01, 1.01
        best, _ = greedy_cover(similarity >= low, count)
        for _ in range(STEPS):
            middle = (low + high) / 2
            kept, covered = greedy_cover(similarity >= middle, count)
            if covered >= least:
                low, best = middle, kept
            else:
                high = middle
        return best


@register("semdedup")
class SemDeDup(Diverse):
    """Cross-entropy on the rows without those that nearly repeat another one.

    Fails: By its formula, it drops its share of the rows even where none repeats another, and a wrong label stays
    unless its text is dropped. In our results no gain over `ce` is shown on `twitter` or `financial`.
    """

    Config = SemDeDupConfig
    config: SemDeDupConfig

    def chosen(self, points: Array) -> Array:
        import numpy as np

        order = np.argsort(points @ points.mean(0), kind="stable")
        largest = np.empty(len(points))
        largest[order] = np.triu(points[order] @ points[order].T, 1).max(0)
        if self.config.eps is not None:
            return np.asarray((largest <= 1 - self.config.eps) | (self.config.eps == 0))  # 1 + rounding is above 1
        kept = np.zeros(len(points), dtype=bool)
        kept[np.argsort(largest, kind="stable")[: max(1, round(self.config.share * len(points)))]] = True
        return kept


def unit(points: Array) -> Array:
    """(n, H) embeddings scaled to length 1; zeros stay zeros."""
    import numpy as np

    length = np.linalg.norm(points, axis=1, keepdims=True)
    return np.asarray(points / np.where(length > 0, length, 1))


def greedy_cover(covers: Array, count: int) -> tuple[Array, int]:
    """(n,) mask of at most `count` rows, and how many rows they cover; `covers` (n, n) is symmetric."""
    import numpy as np

    kept = np.zeros(len(covers), dtype=bool)
    gains, open_ = covers.sum(1), np.ones(len(covers), dtype=bool)
    for _ in range(count):
        row = int(gains.argmax())
        if not gains[row]:
            break
        kept[row] = True
        new = covers[row] & open_
        gains = gains - covers[new].sum(0)
        open_ &= ~new
    return kept, int((~open_).sum())
