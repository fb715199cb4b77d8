"""The test rows of a section, and the scores of predictions on them by cluster."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from bench.arrays import FloatArray, IntArray
from bench.stats.crossed import by_cluster, correct, macro_f1_influence
from bench.stats.interval import EQUAL, Sizes

FEWEST_PER_CLASS = 10  # test rows or clusters; with fewer, intervals of differences of macro-F1 are too narrow


@dataclass(frozen=True, eq=False)
class Examples:
    """The test rows of a section, shared by all its cells: ids and labels (N,).

    `clusters`: (N,) 0 to M - 1, the cluster of each row; None where each row is independent of the others. `folds`:
    those of a cross-validation, of which each seed tests one; 0: each seed tests all rows.
    """

    ids: IntArray
    labels: IntArray
    classes: int
    clusters: IntArray | None = None
    folds: int = 0

    def right(self, predictions: IntArray) -> FloatArray:
        """Scores (..., M) of predicted classes (..., N) by cluster, see `bench.stats.crossed.correct`."""
        return by_cluster(correct(self.labels, predictions), self.clusters)

    def influence(self, predictions: IntArray) -> FloatArray:
        """Scores (S, M) of predicted classes (S, N) by cluster, whose means are each seed's macro-F1."""
        return by_cluster(macro_f1_influence(self.labels, predictions, self.classes), self.clusters)

    @property
    def count(self) -> int:
        """M, the number of clusters, or of rows where each is one."""
        return len(self.labels) if self.clusters is None else int(self.clusters.max()) + 1

    @cached_property
    def sizes(self) -> Sizes:
        """How unequal the clusters are."""
        if self.clusters is None:
            return EQUAL
        rows, count = np.bincount(self.clusters), len(self.labels)
        return Sizes(
            len(rows) * float((rows.astype(np.float64) ** 2).sum()) / count**2, float(rows.max()) * len(rows) / count
        )

    @cached_property
    def few(self) -> dict[int, int]:
        """Classes that fewer than `FEWEST_PER_CLASS` rows have, or clusters where there are any; with these numbers."""
        labels = self.labels
        if self.clusters is not None:  # a cluster counts once in each of its classes
            labels = np.unique(np.stack([labels, self.clusters]), axis=1)[0]
        counts = np.bincount(labels, minlength=self.classes)
        return {k: int(count) for k, count in enumerate(counts) if count < FEWEST_PER_CLASS}

    def same(self, other: Examples) -> bool:
        """Whether these are the same rows with the same labels and classes."""
        return self is other or (
            self.classes == other.classes
            and np.array_equal(self.ids, other.ids)
            and np.array_equal(self.labels, other.labels)
        )
