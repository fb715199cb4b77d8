"""Is a difference smaller than a margin? A test that few differing rows cannot pass by accident.

The usual rule, a 95 % interval within the margin, fails where hardly any row differs: the sample variance is then too
small just when the estimate is too near zero, and it is 0 if no row differs. So the variance is taken under the null
that the true difference is at the margin: then rows with a difference of 1 have a share of at least the distance x
between estimate and margin, even if they are missing among these N. The variance of an example is at most
s2_example + x, so with the half-width h of `crossed`, the estimate must be further from the margin than

    r = c/2 + sqrt((c/2)^2 + h^2),    c = t_{N-1}^2/N

which is where x^2 = h^2 + t_{N-1}^2 x/N. Without a differing row r is c, 5.0 points on 80 rows (Clopper and Pearson's
exact bound: 4.5). It is a score bound like Tango's (1998, Statistics in Medicine 17, 891-908) for one seed, and for
several seeds it supposes the worst: that missing rows differ at all of them. Of clusters, a missing one may be the
largest, of L times the mean size, and then has the score L: c is L t_{M'-1}^2/M.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import stdtrit

from bench.arrays import FloatArray, Value, Whole
from bench.stats.crossed import Comparison, Components, half_widths, numbers, variances_of
from bench.stats.interval import Sample, level_of, sample


def reach(half: FloatArray, examples: Whole | Sample, tail: Value) -> FloatArray:
    """The distance r between estimate and margin that excludes the margin; `half` is h at the same `tail`."""
    tested = sample(examples)
    step = tested.largest * stdtrit(tested.free, tail) ** 2 / tested.number / 2
    return np.asarray(step + np.hypot(step, half))


def p_equivalent(
    difference: FloatArray, variances: Components, seeds: Whole, examples: Whole | Sample, delta: float
) -> FloatArray:
    """p (...) of the null that the true difference is not within +-delta.

    Twice the larger of the two one-sided p-values, so that p < 0.05 corresponds to a 95 % interval within the margin.
    """
    return p_within(delta - np.abs(difference), variances, seeds, examples)


def p_within(room: FloatArray, variances: Components, seeds: Whole, examples: Whole | Sample) -> FloatArray:
    """p (...) of the null that the true difference is `room` or more from the estimate; 1 for no room."""
    half = half_widths(variances, seeds, examples)
    p = level_of(room, lambda tail: reach(half(tail), examples, tail))
    return np.where(room <= 0.0, 1.0, p)


def non_inferior(result: Comparison, delta: float) -> float:
    """p of the null that A is worse than B by `delta` or more; a score bound as for equivalence.

    Twice the one-sided p-value, so that p < 0.05 corresponds to a 95 % interval that ends above -delta.
    """
    room = np.array([result.difference + delta])
    return float(p_within(room, variances_of([result]), *numbers([result]))[0])


def equivalence(results: Sequence[Comparison], delta: float) -> list[float]:
    """p of the null that the true difference is not within +-delta, of each comparison, not corrected."""
    if not results:
        return []
    difference = np.array([one.difference for one in results])
    p = p_equivalent(difference, variances_of(results), *numbers(results), delta)
    return [float(value) for value in p]
