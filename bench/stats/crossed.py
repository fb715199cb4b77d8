"""Would a difference between two methods hold for new seeds and new test examples?

Seeds s = 1..S and test examples n = 1..N are crossed random effects of the paired per-example difference

    D_sn = mu + a_s + b_n + e_sn,

e.g. [A is right on n] - [B is right on n] at seed s. With s2_seed the sample variance of the S seed means, s2_example
that of the N example means and s2_interaction the residual variance of the two-way layout without replication,

    E[s2_seed]        = var(a) + var(e)/N
    E[s2_example]     = var(b) + var(e)/S
    E[s2_interaction] = var(e)
    V = s2_seed/S + s2_example/N - s2_interaction/(SN)

V is unbiased for var(mean of D) = var(a)/S + var(b)/N + var(e)/(SN).

The interval is mean(D) +- h. One t distribution with Satterthwaite degrees of freedom is not safe here: the
degrees of freedom are themselves estimated from S - 1 of them, and true nulls are rejected at 5 % in up to 8 % of
cases with 3 seeds and 6 % with 5. Instead each variance keeps its own quantile (Banerjee, 1960, Sankhya 22, 357-358;
at least nominal coverage for two independent variance estimates, as the tests confirm by simulation):

    h^2 = t_{S-1}^2 A + t_{N-1}^2 B,    A = (s2_seed + r)/S,    B = max(s2_example/N - s2_interaction/(SN), 0)

and h is at least the half-width for the given trained models, t_{N-1} sqrt(s2_example/N), since
var(mean of D) >= E[s2_example]/N. This also covers V <= 0 and seeds whose means agree by accident. The p-value is the
level at which h equals the absolute difference. With many seeds, or one dominant variance, all of these agree.

r = 1/(6 N^2) is the variance that rounding adds to a difference of two accuracies: each is a count over N, and a
count is rounded, with variance 1/12. Without it the means of two or three seeds that tie have s2_seed = 0. Then even
the t quantile of a corrected level (6,700 for two seeds) multiplies nothing, and h is the floor, which knows rows only.

Where rows are not independent, such as repeats of a text, a new test has new clusters of rows, and the examples are the
M clusters g, each with the score

    x_sg = m_s + (M/N) sum over n in g of (D_sn - m_s),    m_s = mean over n of D_sn,

whose mean over the clusters is m_s: the linear form of a ratio of sums over clusters, which may differ in size
(Cochran, 1977, Sampling Techniques, chapter 9A). Where each row is a cluster of its own, x_sg is D_sn. If a few
clusters are large, the variance over clusters is mostly theirs: it has the degrees of freedom of M' = N^2 / sum n_g^2
clusters of one size (see `interval.Sizes`), so t_{M'-1} stands for t_{N-1}.

Macro-F1 is no mean over examples, so D is replaced by the difference of its jackknife influence values

    I_sn = theta_s + (N - 1) (mean_m theta_s(-m) - theta_s(-n)),

theta_s(-n) being macro-F1 at seed s without example n. The seed means of I are theta_s, so s2_seed/S is the jackknife
variance over seeds, s2_example/N the jackknife variance over examples, and for accuracy I is [right] itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import stdtridf, stdtrit

from bench.arrays import BoolArray, FloatArray, IntArray, Value, Whole
from bench.stats.folds.variances import effective_shape, fold_variances, mean_of, of_folds, partial
from bench.stats.interval import EQUAL, LEVEL, Sample, Sizes, level_of, rounding, sample
from bench.stats.metrics import confusion, macro_f1_of, ratio


class Components(NamedTuple):
    """Sample variances (...) of the two-way layout; `seed` and `interaction` are NaN for one seed."""

    seed: FloatArray
    example: FloatArray
    interaction: FloatArray


@dataclass(frozen=True)
class Comparison:
    """A - B: estimate, 95 % interval and p-value.

    `df`: the degrees of freedom at which `difference +- t_{0.975, df} se` is the interval; NaN if se is 0.
    `conditional`: there is only one seed, so the results are for these trained models and new examples only.
    `effect`: the difference divided by the standard deviation of one more such comparison, which has a new seed and N
    new examples; NaN for one seed, or if nothing varies. `components`: those of `Components`; of folds also
    `within`, the part of the variance of a seed's mean that is due to its rows, which `seed` is without.
    """

    difference: float
    low: float
    high: float
    p: float
    df: float
    se: float
    seeds: int
    examples: int
    conditional: bool
    components: dict[str, float]
    effect: float = math.nan
    sizes: Sizes = EQUAL

    @property
    def varies(self) -> bool:
        """Whether the difference varies over test rows or seeds."""
        return self.components["example"] > 0.0 or self.components["seed"] > 0.0


def components(scores: FloatArray) -> Components:
    """The sample variances of scores (..., S, N); of one difference (S, N) where each seed tests a fold, with NaN."""
    return Components(*fold_variances(scores)) if partial(scores) else crossed(scores)


def crossed(scores: FloatArray) -> Components:
    """The sample variances of scores (..., S, N) where every seed tests every example."""
    seeds, examples = scores.shape[-2:]
    sums = scores.sum(axis=-1, keepdims=True)
    seed, mean = sums / examples, sums.sum(axis=-2, keepdims=True) / (seeds * examples)  # equal where counts are
    example = scores.mean(axis=-2, keepdims=True)
    s2_example = np.asarray(((example - mean) ** 2).sum(axis=(-2, -1)) / (examples - 1))
    if seeds == 1:
        unknown = np.full(s2_example.shape, math.nan)
        return Components(unknown, s2_example, unknown)
    s2_seed = np.asarray(((seed - mean) ** 2).sum(axis=(-2, -1)) / (seeds - 1))
    residual = scores - (seed - mean)
    residual -= example
    squares = np.einsum("...sn,...sn->...", residual, residual)
    return Components(s2_seed, s2_example, np.asarray(squares / ((seeds - 1) * (examples - 1))))


def terms(variances: Components, seeds: Whole, examples: Whole) -> tuple[FloatArray, FloatArray, FloatArray]:
    """A, B and the smallest variance allowed (...), as in the docstring of this module; A is 0 for one seed."""
    several, mean = np.greater(seeds, 1), variances.example / examples
    residual = np.where(several, variances.interaction, 0.0) / np.multiply(seeds, examples)
    by_seed = np.where(several, variances.seed + 2 * rounding(examples), 0.0) / seeds
    return by_seed, np.maximum(mean - residual, 0.0), np.maximum(mean, residual)


def half_width(variances: Components, seeds: Whole, examples: Whole | Sample, tail: Value) -> FloatArray:
    """h (...) with quantiles that leave the probability `tail` above them (0.025 for a 95 % interval)."""
    return half_widths(variances, seeds, examples)(tail)


def half_widths(variances: Components, seeds: Whole, examples: Whole | Sample) -> Callable[[Value], FloatArray]:
    """`half_width` by `tail`; what does not depend on it is computed once."""
    tested = sample(examples)
    by_seed, by_example, floor = terms(variances, seeds, tested.number)
    of_seeds, several = np.maximum(np.subtract(seeds, 1), 1), np.greater(seeds, 1)

    def half(tail: Value) -> FloatArray:
        square_n = stdtrit(tested.free, tail) ** 2
        square_s = np.where(several, stdtrit(of_seeds, tail) ** 2, 0.0)
        return np.asarray(np.sqrt(np.maximum(square_s * by_seed + square_n * by_example, square_n * floor)))

    return half


def p_values(difference: FloatArray, variances: Components, seeds: Whole, examples: Whole | Sample) -> FloatArray:
    """Two-sided p-values (...): the levels at which the intervals just reach zero."""
    size = np.abs(difference)
    p = level_of(size, half_widths(variances, seeds, examples))
    return np.where(size == 0.0, 1.0, p)


def interval(result: Comparison, tail: float) -> tuple[float, float]:
    """The ends of the interval of a comparison that leaves the probability `tail` on each side."""
    half = float(width(variances_of([result]), *numbers([result]), tail)[0])
    return result.difference - half, result.difference + half


def variances_of(results: Sequence[Comparison]) -> Components:
    """The sample variances (K,) of K comparisons."""
    return Components(*(np.array([one.components[name] for one in results]) for name in Components._fields))


def numbers(of: Sequence[Comparison | Moments]) -> tuple[IntArray, Sample]:
    """The numbers of seeds, and the examples (K,), of K comparisons."""
    examples = np.array([one.examples for one in of])
    return np.array([one.seeds for one in of]), sample(examples, sizes_of(of))


def sizes_of(of: Sequence[Comparison | Moments]) -> Sizes:
    """How unequal the examples (K,) of K comparisons are."""
    return Sizes(*np.array([one.sizes for one in of]).T)


def varying(variances: Components) -> BoolArray:
    """Whether differences vary over test rows or seeds."""
    return np.greater(variances.example, 0.0) | np.greater(variances.seed, 0.0)


def width(variances: Components, seeds: Whole, examples: Whole | Sample, tail: Value) -> FloatArray:
    """The half-widths (...) of intervals.

    Where nothing varies, a width of 0 would be certainty about rows that were not seen; see `equivalence`.
    """
    tested = sample(examples)
    unseen = tested.largest * stdtrit(tested.free, tail) ** 2 / tested.number
    return np.where(varying(variances), half_width(variances, seeds, examples, tail), unseen)


def once_more(difference: FloatArray, variances: Components, seeds: IntArray, examples: IntArray) -> FloatArray:
    """`effect` of comparisons (...).

    The mean difference of one new seed on N new examples has the variance var(a) + (var(b) + var(e))/N, of which
    s2_seed + (s2_example - s2_interaction/S)/N is an unbiased estimate.
    """
    own = np.maximum(variances.example - variances.interaction / seeds, 0.0)
    sd = np.sqrt(variances.seed + own / examples)
    known = (seeds > 1) & (sd > 0.0)
    return np.where(known, difference / np.where(known, sd, 1.0), math.nan)


def compare(a: FloatArray, b: FloatArray, *, sizes: Sizes = EQUAL) -> Comparison:
    """Compare per-example scores (S, N) of two methods, paired by seed and example.

    A score is NaN where a seed does not test an example, see `bench.stats.folds.variances`.
    Methods with the same scores have difference 0 and p = 1. Raises ValueError for fewer than two examples or shapes
    that do not match.
    """
    return compared([moments(a, b, sizes=sizes)])[0]


class Moments(NamedTuple):
    """What a comparison needs of the differences (S, N) of two methods: mean, sample variances, numbers, `of_folds`."""

    difference: float
    variances: Components
    seeds: int
    examples: int
    folds: dict[str, float]
    sizes: Sizes


def moments(a: FloatArray, b: FloatArray, *, sizes: Sizes = EQUAL) -> Moments:
    """The moments of the differences of per-example scores (S, N) of two methods; see `compare`."""
    if a.shape != b.shape or a.ndim != 2:
        raise ValueError(f"scores must be two arrays (seeds, examples) of one shape, got {a.shape} and {b.shape}")
    seeds, examples = a.shape
    if seeds < 1 or examples < 2:
        raise ValueError(f"a comparison needs a seed and two examples, got {seeds} and {examples}")
    scores = np.asarray(a, np.float64) - np.asarray(b, np.float64)
    if not partial(scores):
        return Moments(float(scores.mean()), crossed(scores), seeds, examples, {}, sizes)
    mean = float(mean_of(scores, (0, 1)))
    return Moments(mean, components(scores), *effective_shape(scores), of_folds(scores), sizes)


def compared(of: Sequence[Moments]) -> list[Comparison]:
    """The comparisons of several pairs of methods: `compare` of each, in one pass over arrays."""
    if not of:
        return []
    difference = np.array([one.difference for one in of])
    seeds, tested = numbers(of)
    examples = np.asarray(tested.number)
    variances = Components(*map(np.array, zip(*(one.variances for one in of), strict=True)))
    tail = (1 - LEVEL) / 2
    by_seed, by_example, floor = terms(variances, seeds, examples)
    se = np.where(varying(variances), np.sqrt(np.maximum(by_seed + by_example, floor)), 0.0)
    half, known = width(variances, seeds, tested, tail), se > 0
    df = np.where(known, stdtridf(1 - tail, half / np.where(known, se, 1.0)), math.nan)
    p, effect = p_values(difference, variances, seeds, tested), once_more(difference, variances, seeds, examples)
    columns = (difference, difference - half, difference + half, p, df, se, seeds, examples, seeds == 1)
    components_of = [
        {**{name: float(value) for name, value in one.variances._asdict().items()}, **one.folds} for one in of
    ]
    rows = zip(
        *(column.tolist() for column in columns), components_of, effect.tolist(), (one.sizes for one in of), strict=True
    )
    return [Comparison(*row) for row in rows]


def correct(labels: IntArray, predictions: IntArray) -> FloatArray:
    """1 where predictions (..., N) are right, 0 where they are wrong, NaN where they are -1: not tested."""
    return np.where(predictions < 0, math.nan, (predictions == labels).astype(np.float64))


def by_cluster(scores: FloatArray, clusters: IntArray | None) -> FloatArray:
    """Scores (..., M) of clusters from scores (..., N) of rows; `clusters` (N,) are 0 to M - 1. None: as they are."""
    if clusters is None:
        return scores
    mean = scores.mean(axis=-1, keepdims=True)
    return np.asarray(mean + cluster_sums(scores - mean, clusters) * (clusters.max() + 1) / len(clusters))


def cluster_sums(values: FloatArray, clusters: IntArray) -> FloatArray:
    """Sums (..., M) over the rows of each cluster."""
    order = np.argsort(clusters, kind="stable")
    first = np.searchsorted(clusters[order], np.arange(clusters.max() + 1))
    return np.asarray(np.add.reduceat(values[..., order], first, axis=-1))


def macro_f1_influence(labels: IntArray, predictions: IntArray, classes: int) -> FloatArray:
    """Influence values (S, N) of macro-F1; their mean over examples is each seed's macro-F1.

    Leaving out an example changes at most two of the F1 = 2 TP / (labelled + predicted). A correct one takes 2 from
    numerator and denominator of its class; a wrong one takes 1 from the denominators of its label and its prediction.
    """
    counts = confusion(labels, predictions, classes)
    hits = 2 * np.diagonal(counts, axis1=1, axis2=2)
    size = counts.sum(axis=2) + counts.sum(axis=1)
    f1 = ratio(hits, size)
    without_hit = ratio(hits - 2, size - 2) - f1
    without_miss = ratio(hits, size - 1) - f1
    wrong = without_miss[:, :, None] + without_miss[:, None, :]
    change = np.where(np.eye(classes, dtype=bool), without_hit[:, :, None], wrong) / classes  # (S, C, C)
    examples = len(labels)
    mean = (counts * change).sum(axis=(1, 2), keepdims=True) / examples
    influence = macro_f1_of(counts)[:, None, None] + (examples - 1) * (mean - change)
    seed = np.arange(len(predictions))[:, None]
    return np.asarray(influence.take((seed * classes + labels) * classes + predictions))
