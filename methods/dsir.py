"""DSIR: keep the generated rows whose words are those of real text, by importance resampling of hashed n-grams.

    loss = mean_i  w_i * -log p(y_i | x_i)        w_i = n / k for the k = share * n rows drawn, 0 for the rest
    drawn: the k largest log W_i + G_i        G_i is Gumbel noise: rows are drawn by W without replacement
    log W_i = sum_b count_ib (log P_b - log Q_b)        over the hashed 1- and 2-grams b of row i
    P_b = 1e-8 + (count of b + smoothing) / (all counts + 10000 smoothing)        in the real rows
    Q_b = 1e-8 + count of b / all counts        in the generated rows

Source: Xie et al., "Data Selection for Language Models via Importance Resampling", NeurIPS 2023, with 10,000 buckets.
`smoothing` is the released code's `target_laplace_smoothing`, a count for the real rows alone. Its default there is 0,
with which a bucket that the small real set lacks outweighs all others; here it is 1. The source chooses among millions
of documents. Further differences for a few hundred short ones: no minimum length; drawing within each class
(per_class=False draws over all rows, so that the label shares can drift); words are the tokens of the encoder's
tokenizer. Default: share 0.5, ours. As in the source, log W is a sum: long texts have the largest and the smallest
values, and Gumbel noise only matters between texts whose scores differ by a few nats.
Cost: 1 with the tokens available. Needs: the tokens of the generated and the small real set, and the labels of the
latter unless per_class=False; no encoder.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Any

from methods.base import REAL_TOKENS, TOKENS, setting
from methods.matching import Matching, MatchingConfig
from methods.registry import register

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

BUCKETS = 10_000
FLOOR = 1e-8  # added to the share of each bucket
SPREAD = 2_654_435_761, 40_503  # odd multipliers: neighbouring token ids fall into distant buckets


@dataclass(frozen=True)
class DSIRConfig(MatchingConfig):
    share: float = setting(0.5, search=(0.1, 0.9), note="part of the rows that is drawn; 1 is CE")
    smoothing: float = setting(
        1.0, search=(0.01, 10.0), log=True, note="count added to each bucket of the real rows; 0 in the released code"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.share <= 1:
            raise ValueError(f"share must lie in (0, 1], not {self.share}")
        if not 0 <= self.smoothing < inf:
            raise ValueError(f"smoothing must lie in [0, inf), not {self.smoothing}")


@register("dsir")
class DSIR(Matching):
    """Cross-entropy on a draw of the rows that use the words of real text.

    Fails: By its formula, a score is a sum over n-grams, so long texts come first or last, and a small real set has few
    n-grams to count. In our results (preset `quick`) it was worse than `ce` on `financial`.
    """

    Config = DSIRConfig
    config: DSIRConfig
    requires = (TOKENS, REAL_TOKENS)

    def matched(self, generated: Array, real: Array, rng: np.random.Generator) -> Array:
        import numpy as np

        score = log_importance(buckets(generated), buckets(real), self.config.smoothing)
        noisy = score + rng.gumbel(size=len(generated))
        count = max(1, round(self.config.share * len(generated)))
        weights = np.zeros(len(generated))
        weights[np.argsort(-noisy, kind="stable")[:count]] = len(generated) / count
        return weights


def buckets(tokens: Array) -> Array:
    """(n, 2 L - 1) the bucket of every 1- and 2-gram of (n, L) token ids; -1 after a text's end."""
    import numpy as np

    ids = tokens.astype(np.int64)
    single = np.where(ids < 0, -1, (ids * SPREAD[0]) % 2**31 % BUCKETS)
    pairs = (ids[:, :-1] * SPREAD[0] + ids[:, 1:] * SPREAD[1] + 1) % 2**31 % BUCKETS
    return np.concatenate([single, np.where((ids[:, :-1] < 0) | (ids[:, 1:] < 0), -1, pairs)], axis=1)


def log_importance(generated: Array, real: Array, smoothing: float) -> Array:
    """(n,) log W of (n, G) generated rows of buckets; the real rows are (m, G')."""
    import numpy as np

    def log_shares(rows: Array, added: float) -> Array:
        counts = np.bincount(rows[rows >= 0], minlength=BUCKETS) + added
        return np.asarray(np.log(counts / max(1, counts.sum()) + FLOOR))

    difference = log_shares(real, smoothing) - log_shares(generated, 0.0)
    difference = np.append(difference, 0.0)  # the last entry is for -1: no n-gram
    return np.asarray(difference[generated].sum(1))
