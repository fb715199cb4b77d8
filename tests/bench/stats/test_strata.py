"""The mean difference over tasks: by hand, and how often its interval misses the truth."""

import numpy as np
import pytest
from scipy import stats

from bench.stats.calibration import Design, draw
from bench.stats.crossed import Components, compare, interval, terms
from bench.stats.strata import Strata, strata


def differences(rng, seeds, rows, sd):
    """Differences (S, N) with a spread between seeds."""
    return sd * rng.normal(size=(seeds, 1)) + 0.3 * rng.normal(size=rows) + 0.3 * rng.normal(size=(seeds, rows)) + 0.05


def test_by_hand():
    rng = np.random.default_rng(0)
    d = [differences(rng, seeds, rows, sd) for seeds, rows, sd in ((3, 200, 0.05), (5, 100, 0.02), (4, 300, 0.03))]
    mean = strata([compare(one, np.zeros_like(one)) for one in d])
    a = [(one.mean(1).var(ddof=1) + 1 / (6 * one.shape[1] ** 2)) / len(one) for one in d]
    scaled = [stats.t.ppf(0.975, len(one) - 1) ** 2 * part for one, part in zip(d, a, strict=True)]
    first = int(np.argmax(scaled))
    pooled = stats.t.ppf(0.975, sum(len(one) - 1 for i, one in enumerate(d) if i != first)) ** 2
    rows = stats.t.ppf(0.975, 99) ** 2
    total = scaled[first] + pooled * (sum(a) - a[first]) + rows * mean.example.sum()
    assert float(mean.difference) == pytest.approx(np.mean([one.mean() for one in d]))
    assert float(mean.half_width(0.025)) == pytest.approx(np.sqrt(total) / 3)
    p = float(mean.p())
    assert float(mean.half_width(p / 2)) == pytest.approx(abs(float(mean.difference)))


def test_one_task_is_its_own_comparison():
    d = differences(np.random.default_rng(1), 4, 100, 0.02)
    one = compare(d, np.zeros_like(d))
    assert float(strata([one]).half_width(0.025)) == pytest.approx(one.high - one.difference)
    assert float(strata([one]).p()) == pytest.approx(one.p)


def test_one_seed_counts_rows_alone():
    d = differences(np.random.default_rng(2), 1, 100, 0.0)
    one = compare(d, np.zeros_like(d))
    assert float(strata([one, one]).half_width(0.025)) == pytest.approx((one.high - one.difference) / np.sqrt(2))


@pytest.mark.parametrize(
    ("seeds", "rows", "sds", "narrower"),
    [
        (3, 1_500, (0.025,) * 8, 0.75),
        (3, 1_500, (0.0,) * 8, 0.8),
        (2, 20_000, (0.0,) * 7 + (0.04,), 1.0),
        (3, 20_000, (0.0,) * 7 + (0.04,), 1.0),
        (5, 350, (0.01, 0.04), 1.01),
    ],
)
@pytest.mark.parametrize("tail", [0.025, 0.025 / 8])
def test_it_misses_the_truth_in_at_most_five_percent(seeds, rows, sds, narrower, tail):
    rng, grids = np.random.default_rng(seeds), 10_000
    means, parts, wide = [], [], []
    for sd in sds:
        sample = draw(rng, grids, Design(seeds, rows, sd))
        variances = Components(*(value[:, 0] for value in sample.variances))
        means.append(sample.mean[:, 0])
        parts.append(terms(variances, seeds, rows))
        alone = Strata(means[-1], *(part[:, None] for part in parts[-1]), (seeds,), (rows,))
        wide.append(alone.half_width(tail))
    a, b, floor = (np.stack([part[place] for part in parts], axis=1) for place in range(3))
    mean = Strata(np.mean(means, axis=0), a, b, floor, (seeds,) * len(sds), (rows,) * len(sds))
    half = mean.half_width(tail)
    assert (np.abs(mean.difference) > half).mean() <= 2 * tail + 3 * np.sqrt(2 * tail / grids)
    assert half.mean() <= narrower * np.sqrt((np.array(wide) ** 2).sum(axis=0)).mean() / len(sds)


def test_tasks_on_which_no_row_differs_leave_room_for_rows_that_were_not_seen():
    right = (np.random.default_rng(3).random((3, 400)) < 0.8).astype(float)
    same = compare(right, right)
    for tail in (0.025, 0.025 / 8):
        alone = interval(same, tail)[1]
        assert alone <= float(strata([same]).half_width(tail)) < 1.1 * alone
        assert alone <= np.sqrt(2) * float(strata([same, same]).half_width(tail)) < 1.1 * alone
    d = differences(np.random.default_rng(4), 4, 100, 0.02)
    differs = compare(d, np.zeros_like(d))
    one = (differs.high - differs.difference) / 2
    assert float(strata([differs, same]).half_width(0.025)) > max(one, same.high / 2)
