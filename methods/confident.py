"""Confident learning: find wrong labels with models that were not fitted on the rows, and drop these rows.

    t_j      mean of p_i(j) over the rows with label j: the usual confidence in class j
    g_i      argmax of p_i(j) over the classes j with p_i(j) >= t_j; none if there is no such class
    C[k, j]  the number of rows with label k and g_i = j: the confident joint
    Q[k, j]  C[k, j] / sum_j C[k, j] * n_k / n: estimated share of rows labelled k that are truly j
    loss = mean_i  w_i * -log p(y_i | x_i)        w_i = 0 if row i is pruned, constant or per class otherwise

    confident-learning   p_i = Q'(. | x_i), by a classifier fitted on the other folds of the generated set
        prune=noise-rate   of the rows labelled k, the n Q[k, j] with the largest p_i(j) - p_i(k), for every j != k
        prune=class        of the rows labelled k, the n sum_{j != k} Q[k, j] with the smallest p_i(k)
        prune=both         the rows that both rules prune
        prune=joint        the rows that C counts off its diagonal
        the other rows weigh sum_k Q[k, y_i] / Q[y_i, y_i], or n / (their number) with reweight=False
    confident            p_i = P'(. | x_i), the quality checker, which was fitted on no generated row
        pruned: rows whose g_i is another class; rows without g_i are pruned only with unsure=drop
        the other rows weigh n / (their number)

The thresholds matter if a checker is less confident of one class, or underconfident altogether: it can still dispute
labels. A row whose label is its most likely class is never pruned.
Source: Northcutt, Jiang and Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels", JAIR 2021.
Defaults: those of their package cleanlab: pruning by noise rate, never against the most likely class, and weights
1 / P(label k | truly k), so that a class that lost rows keeps its size. This is written from the paper's formulas:
cleanlab is AGPL, so it is not imported; tests compare with it where it is installed. `confident` is ours: a checker
fitted on trusted rows needs no folds, but it needs real labels.
Cost: 1, after 5 trainings on four fifths of the generated set (confident-learning), or with P' available (confident).
Needs: out-of-fold Q' and no real rows (confident-learning); P' (confident).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from methods.base import DIVERSITY_OOF, QUALITY, Context, RealUse, StaticWeights, WeightConfig, setting
from methods.registry import register

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

SLACK = 1e-6  # a value so little below a threshold reaches it: equal rows must reach their own mean


@dataclass(frozen=True)
class ConfidentConfig(WeightConfig):
    unsure: Literal["keep", "drop"] = setting(
        "keep", search=("keep", "drop"), note="rows for which no class reaches its threshold; kept in the source"
    )


@dataclass(frozen=True)
class ConfidentLearningConfig(WeightConfig):
    prune: Literal["noise-rate", "class", "both", "joint"] = setting(
        "noise-rate", search=("noise-rate", "class", "both", "joint"), note="noise-rate in cleanlab; the paper has all"
    )
    reweight: bool = setting(True, note="classes keep their estimated true size, as in the source; else mean weight 1")


@register("confident")
class Confident(StaticWeights):
    """Cross-entropy on the rows whose labels the quality checker does not dispute.

    Fails: By its formula, it follows the quality checker: one that knows little disputes right labels, and wrong labels
    that it shares stay. In our results with preset `probe` it gained nothing by a checker of one pass over the real
    rows.
    """

    Config = ConfidentConfig
    config: ConfidentConfig
    requires = (QUALITY,)
    real_use = RealUse.CHECKER

    def table(self, context: Context) -> Array:
        labels, probs = probabilities(context, QUALITY)
        _, guess = confident_joint(labels, probs)
        kept = (guess == labels) | (probs.argmax(1) == labels)
        if self.config.unsure == "keep":
            kept |= guess < 0
        return spread(kept, "the quality checker")


@register("confident-learning")
class ConfidentLearning(StaticWeights):
    """Cross-entropy on the rows whose labels out-of-fold checkers do not confidently dispute.

    Fails: By its formula, errors that the generator makes again and again look right to checkers of generated rows, and
    unusual rows with right labels are dropped. In our results no gain over `ce` is shown on `twitter` or `financial`.
    """

    Config = ConfidentLearningConfig
    config: ConfidentLearningConfig
    requires = (DIVERSITY_OOF,)

    def table(self, context: Context) -> Array:
        import numpy as np

        labels, probs = probabilities(context, DIVERSITY_OOF)
        counted, guess = confident_joint(labels, probs)
        joint = calibrated(counted, labels)
        kept = ~self.pruned(labels, probs, joint, guess)
        even = spread(kept, "the out-of-fold checkers")
        if not self.config.reweight:
            return even
        own = np.diagonal(joint)
        by_class = np.divide(joint.sum(0), own, out=np.ones_like(own), where=own > 0)
        return np.asarray(kept * by_class[labels])

    def pruned(self, labels: Array, probs: Array, joint: Array, guess: Array) -> Array:
        """(n,) mask of the rows to drop."""
        by_rate = prune_by_noise_rate(labels, probs, joint)
        by_class = prune_by_class(labels, probs, joint)
        chosen: Array = {
            "noise-rate": by_rate,
            "class": by_class,
            "both": by_rate & by_class,
            "joint": (guess >= 0) & (guess != labels),
        }[self.config.prune]
        disputed: Array = probs.argmax(1) != labels
        return chosen & disputed


def probabilities(context: Context, artefact: str) -> tuple[Array, Array]:
    """(n,) labels, and (n, C) probabilities of a checker in float64."""
    import numpy as np

    labels, log_probs = context.scored(artefact)
    return labels, np.exp(log_probs.astype(np.float64))


def spread(kept: Array, judge: str) -> Array:
    """(n,) weights of mean 1: equal for the rows of the mask (n,), 0 elsewhere. Raises ValueError for an empty mask."""
    if not kept.any():
        raise ValueError(f"{judge} disputes the label of every one of {len(kept)} generated rows")
    weights: Array = kept * (len(kept) / kept.sum())
    return weights


def confident_joint(labels: Array, probs: Array) -> tuple[Array, Array]:
    """(C, C) counts of label and confident class, and (n,) the confident class; -1 if none reaches its threshold."""
    import numpy as np

    classes = probs.shape[1]
    # A class without rows has no threshold, so no row is assigned to it.
    thresholds = np.array([probs[labels == j, j].mean() if (labels == j).any() else np.inf for j in range(classes)])
    reached = probs >= thresholds - SLACK
    guess = np.where(reached.any(1), np.where(reached, probs, -1).argmax(1), -1)
    counts = np.zeros((classes, classes))
    np.add.at(counts, (labels[guess >= 0], guess[guess >= 0]), 1)
    return counts, guess


def calibrated(counts: Array, labels: Array) -> Array:
    """(C, C) joint distribution of label and true class, summing to 1. Its rows are scaled to the counts of the labels.

    If no row of a label has a confident class, the label is taken as right.
    """
    import numpy as np

    sizes = np.bincount(labels, minlength=len(counts))
    filled = np.where(counts.sum(1, keepdims=True) > 0, counts, np.eye(len(counts)))
    return np.asarray(filled / filled.sum(1, keepdims=True) * sizes[:, None] / len(labels))


def prune_by_noise_rate(labels: Array, probs: Array, joint: Array) -> Array:
    """(n,) mask: for each label k and class j, the rows of k that lean most towards j."""
    import numpy as np

    pruned = np.zeros(len(labels), dtype=bool)
    for k, j in zip(*np.nonzero(joint * (1 - np.eye(len(joint)))), strict=True):
        rows = np.flatnonzero(labels == k)
        margin = probs[rows, j] - probs[rows, k]
        count = round(len(labels) * joint[k, j])
        pruned[rows[np.argsort(-margin, kind="stable")[:count]]] = True
    return pruned


def prune_by_class(labels: Array, probs: Array, joint: Array) -> Array:
    """(n,) mask: for each label, its rows with the smallest probability of it."""
    import numpy as np

    pruned = np.zeros(len(labels), dtype=bool)
    for k in range(len(joint)):
        rows = np.flatnonzero(labels == k)
        count = round(len(labels) * float(joint[k].sum() - joint[k, k]))
        pruned[rows[np.argsort(probs[rows, k], kind="stable")[:count]]] = True
    return pruned
