"""A score per row from outside: keep the rows with the largest scores, or weight all rows by them.

    s_i   the value of row i in the column `column` of the generated file
    loss = mean_i  w_i * -log p(y_i | x_i)
    how=share       w_i = n / k for the k = share * n rows with the largest s_i, else 0
    how=threshold   w_i = n / k for the k rows with s_i >= threshold, else 0; both are float32, as columns are
    how=softmax     w_i = n exp(z_i / temperature) / sum_j exp(z_j / temperature)        z: s less its mean, divided by
                    its standard deviation
    per_class=True: the share, or the softmax, of each label's rows; `threshold` is one number for all rows

Source: the filter of Chen et al., "AlpaGasus: Training a Better Alpaca with Fewer Data", ICLR 2024, who keep rows that
a language model rates 4.5 or more of 5. The score can be anything that is known of a row before training: a rating, the
log-probability that the generator gave to its text, the agreement of several generators. Where small values are good,
store their negative. Defaults are ours: the better half, per class, so that the label shares stay. Rows with equal
scores are chosen at random by the cell's seed: ratings have many ties.
Cost: 1. Needs: the column; whoever computes the scores knows whether real rows are in them.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isfinite
from typing import TYPE_CHECKING, Any, Literal

from methods.base import Context, MethodConfig, StaticWeights, WeightConfig, column, setting
from methods.registry import register

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class ScoreConfig(WeightConfig):
    column: str = setting("score", note="name of the column; larger is better")
    how: Literal["share", "threshold", "softmax"] = setting(
        "share", search=("share", "softmax"), note="keep a share of the rows, or those from a threshold; or weight all"
    )
    share: float = setting(0.5, search=(0.1, 0.9), note="part of the rows that how=share keeps; 1 is CE")
    threshold: float = setting(0.0, note="smallest score that how=threshold keeps")
    temperature: float = setting(1.0, search=(0.2, 5.0), log=True, note="of how=softmax; large is CE")
    per_class: bool = setting(True, search=(True, False), note="each label's rows for themselves")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.column.strip():
            raise ValueError("column must name a column of the generated file")
        if not 0 < self.share <= 1:
            raise ValueError(f"share must lie in (0, 1], not {self.share}")
        if not isfinite(self.threshold):
            raise ValueError(f"threshold must lie in (-inf, inf), not {self.threshold}")
        if not 0.01 <= self.temperature < inf:
            raise ValueError(f"temperature must lie in [0.01, inf), not {self.temperature}")


@register("score")
class Score(StaticWeights):
    """Cross-entropy on the rows, or weighted by the rows, with large values in a column of the generated file.

    Fails: By its formula, it is as good as the column: no label or real row checks the scores, and few rows may pass a
    threshold. No report of ours has it.
    """

    Config = ScoreConfig
    config: ScoreConfig
    requires = (column("score"),)

    @classmethod
    def requires_of(cls, config: MethodConfig) -> tuple[str, ...]:
        assert isinstance(config, ScoreConfig)
        return (column(config.column),)

    def table(self, context: Context) -> Array:
        import numpy as np

        labels, score = context.scored(column(self.config.column))
        score, rng = score.astype(np.float64), np.random.default_rng(context.seed)
        if self.config.how == "threshold":
            kept = score >= np.float32(self.config.threshold)  # the column is float32, and 0.7 is another number there
            if not kept.any():
                raise ValueError(
                    f"no row has {self.config.column} of {self.config.threshold} or more; largest {score.max()}"
                )
            return np.asarray(kept / kept.mean())
        weights, groups = np.zeros(len(score)), labels if self.config.per_class else np.zeros_like(labels)
        for group in np.unique(groups):
            rows = np.flatnonzero(groups == group)
            own = self.chosen(score[rows], rng) if self.config.how == "share" else self.tilted(score[rows])
            weights[rows] = own / own.mean()
        return weights

    def chosen(self, score: Array, rng: np.random.Generator) -> Array:
        """(n,) 1 for the share of the rows with the largest scores (n,), else 0; at least one row."""
        import numpy as np

        order = np.lexsort([rng.random(len(score)), -score])
        own = np.zeros(len(score))
        own[order[: max(1, round(self.config.share * len(score)))]] = 1
        return own

    def tilted(self, score: Array) -> Array:
        """(n,) exp of the standardised scores over the temperature, up to a factor; equal if all scores are."""
        import numpy as np

        spread = score.std()
        scaled = (score - score.max()) / (spread * self.config.temperature) if spread > 0 else score * 0
        return np.asarray(np.exp(scaled))
