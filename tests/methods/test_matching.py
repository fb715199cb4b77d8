"""Methods that match the generated rows' texts to the real ones': density ratio, kernel mean matching, DSIR."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import minimize, nnls
from scipy.spatial.distance import cdist

from methods import discover
from methods.base import EMBEDDINGS, REAL_EMBEDDINGS, REAL_TOKENS, TOKENS, RealUse
from methods.density_ratio import bounded
from methods.dsir import BUCKETS, buckets, log_importance
from methods.kmm import duality_gap, kernels, matched

MATCHING = ["density-ratio", "kmm", "dsir"]


def world(context, shift=1.0, seed=0, rows=400, real=200):
    """Two classes of generated points around 0 and real ones `shift` to the right, in two dimensions."""
    rng = np.random.default_rng(seed)
    points, target = rng.normal(size=(rows, 2)), rng.normal(size=(real, 2))
    target[:, 0] += shift
    return replace(
        context(2),
        labels=np.arange(rows) % 2,
        ids=np.arange(rows),
        tables={EMBEDDINGS: points},
        real_labels=np.arange(real) % 2,
        real_tables={REAL_EMBEDDINGS: target},
    )


def texts(context, seed=0, rows=200, real=100):
    """Generated rows of common words, a third of which also use words of the real rows."""
    rng = np.random.default_rng(seed)
    generated = rng.integers(0, 50, size=(rows, 12))
    alike = np.arange(rows) % 3 == 0
    generated[alike, :4] = rng.integers(1000, 1020, size=(int(alike.sum()), 4))
    generated[::2, 10:] = -1
    cell_context = replace(
        context(2),
        labels=np.arange(rows) // 2 % 2,
        ids=np.arange(rows),
        tables={TOKENS: generated},
        real_labels=np.arange(real) % 2,
        real_tables={REAL_TOKENS: rng.integers(1000, 1020, size=(real, 8))},
    )
    return cell_context, alike


def test_density_ratio_is_the_ratio_of_densities(build, context):
    """Of two Gaussians shifted by 1 the log ratio is x - 1/2: slope and order are found, out of fold."""
    cell_context = world(context, rows=4000, real=4000)
    result = np.log(build("density-ratio", 2, clip=50.0).table(cell_context))
    slope, _ = np.polyfit(cell_context.tables[EMBEDDINGS][:, 0], result, 1)
    assert slope == pytest.approx(1, abs=0.1)
    for label in (0, 1):
        assert np.exp(result[cell_context.labels == label]).mean() == pytest.approx(1)


def test_density_ratio_moves_the_mean_to_the_real_rows(build, context):
    """The weighted generated mean is where the real rows are; with power 0 nothing moves."""
    cell_context = world(context, rows=2000, real=1000)
    points = cell_context.tables[EMBEDDINGS][:, 0]
    assert np.average(points, weights=build("density-ratio", 2).table(cell_context)) == pytest.approx(1, abs=0.25)
    assert build("density-ratio", 2, power=0.0).table(cell_context).tolist() == [1.0] * 2000


def test_density_ratio_is_clipped(build, context):
    """The largest ratios are cut to one value, all others keep their proportions."""
    cut, whole = (
        build("density-ratio", 2, clip=clip, per_class=False).table(world(context, shift=2.0)) for clip in (2.0, 1e6)
    )
    assert cut.max() == 2
    assert (cut == 2).sum() > 20
    assert cut == pytest.approx(np.minimum(whole * cut.min() / whole.min(), cut.max()))


@pytest.mark.parametrize("clip", [1.0, 3.0, 10.0])
@pytest.mark.parametrize("shift", [3.0, 5.0, 20.0])
def test_no_weight_is_above_the_clip(shift, clip, build, context):
    """Also where the sets hardly overlap and the mean ratio is near 0; each class keeps its total."""
    cell_context = world(context, shift=shift)
    weights = build("density-ratio", 2, clip=clip).table(cell_context)
    assert weights.max() <= clip * (1 + 1e-12)
    assert weights.min() >= 0
    for label in (0, 1):
        assert weights[cell_context.labels == label].mean() == pytest.approx(1)


@pytest.mark.parametrize("bound", [1.0, 2.5, 4.0, 100.0])
def test_bounded_weights_are_scaled_ratios(bound):
    """The scale that makes min(s r, bound) average 1, found by bisection; constants and huge ranges do no harm."""
    log_ratio = np.random.default_rng(0).normal(scale=3, size=50)
    low, high = -100.0, 100.0
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if np.minimum(np.exp(log_ratio + middle), bound).mean() < 1 else (low, middle)
    expected = np.minimum(np.exp(log_ratio + low), bound) if bound > 1 else np.ones(50)
    assert bounded(log_ratio, bound) == pytest.approx(expected)
    assert bounded(log_ratio + 1e4, bound) == pytest.approx(expected)
    wide = bounded(1e5 * log_ratio, bound)
    assert wide.mean() == pytest.approx(1)
    assert wide.max() <= bound * (1 + 1e-12)


def test_density_ratio_says_when_texts_are_told_apart(build, context, caplog):
    """A ratio between sets that do not overlap is a guess."""
    build("density-ratio", 2).table(world(context, shift=20.0))
    assert "told apart" in caplog.text
    caplog.clear()
    build("density-ratio", 2).table(world(context, shift=0.0))
    assert not caplog.text


def test_texts_that_are_alike_leave_the_rows_alone(build, context):
    """Real rows drawn as the generated ones: a density ratio near 1, and for the same rows uniform matching weights."""
    assert build("density-ratio", 2).table(world(context, shift=0.0)).std() < 0.3
    points = world(context).tables[EMBEDDINGS]
    same = replace(world(context), real_labels=np.arange(400) % 2, real_tables={REAL_EMBEDDINGS: points})
    assert build("kmm", 2).table(same) == pytest.approx(np.ones(400))


@pytest.mark.parametrize("bound", [3.0, 1000.0])
def test_kernel_mean_matching_solves_its_programme(bound):
    """Against a general solver, and by the duality gap of any other point."""
    rng = np.random.default_rng(0)
    kernel, target = kernels(rng.normal(size=(40, 3)), rng.normal(size=(30, 3)) + 0.7)
    result = matched(kernel, target, bound)
    assert result.mean() == pytest.approx(1)
    assert result.min() >= 0
    assert result.max() <= bound

    def objective(w):
        return w @ kernel @ w / 2 / 40**2 - w @ target / 40

    theirs = minimize(
        objective,
        np.ones(40),
        jac=lambda w: (kernel @ w / 40 - target) / 40,
        bounds=[(0, bound)] * 40,
        constraints={"type": "eq", "fun": lambda w: w.mean() - 1},
        method="SLSQP",
        options={"maxiter": 2000, "ftol": 1e-14},
    )
    assert objective(result) <= theirs.fun + 1e-7
    gap = duality_gap(kernel @ np.ones(40) / 40 - target, np.ones(40), bound)
    assert gap >= objective(np.ones(40)) - theirs.fun


@pytest.mark.parametrize("dimensions", [1, 2, 5])
def test_kernel_mean_matching_is_as_sparse_as_the_optimum_in_few_dimensions(dimensions):
    """There the objective is so flat that a gap of 1e-5 leaves weights on many more rows than the optimum has."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(200, dimensions))
    kernel, target = kernels(rows, rng.normal(size=(100, dimensions)) + 0.5)
    weights = matched(kernel, target, 1000.0)
    size = weights.sum() ** 2 / (weights**2).sum() / len(weights)
    # Non-negative least squares for the same optimum: the kernel has a square root, the sum is a heavy equation.
    values, vectors = np.linalg.eigh(kernel)
    root = vectors * np.sqrt(np.maximum(values, 1e-14))
    heavy = 1e3
    system = np.vstack([root.T / 200, heavy * np.ones((1, 200)) / 200])
    theirs, _ = nnls(system, np.append(np.linalg.solve(root, target), heavy))
    assert size == pytest.approx(theirs.sum() ** 2 / (theirs**2).sum() / 200, rel=0.15)


def test_kernels_are_gaussian_at_the_median_distance():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(20, 3)), rng.normal(size=(10, 3))
    squares = cdist(a, np.concatenate([a, b]), "sqeuclidean")
    width = np.median(squares[squares > 0])
    kernel, target = kernels(a, b)
    assert kernel == pytest.approx(np.exp(-squares[:, :20] / (2 * width)))
    assert target == pytest.approx(np.exp(-squares[:, 20:] / (2 * width)).mean(1))


def test_kernel_mean_matching_brings_the_sets_together(build, context):
    """The weighted distance of the mean embeddings is far below the plain one; a bound of 1 changes nothing."""
    cell_context = world(context)
    for label in (0, 1):
        own, theirs = cell_context.labels == label, cell_context.real_labels == label
        a, b = cell_context.tables[EMBEDDINGS][own], cell_context.real_tables[REAL_EMBEDDINGS][theirs]
        kernel, target = kernels(a, b)
        weights = build("kmm", 2).table(cell_context)[own]
        ones, n = np.ones(len(weights)), len(weights)

        def distance(w, kernel=kernel, target=target, n=n):
            return w @ kernel @ w / n**2 - 2 * w @ target / n

        assert distance(weights) < distance(ones) - 0.05
    assert build("kmm", 2, bound=1.0).table(cell_context) == pytest.approx(np.ones(400))


def test_dsir_scores_are_its_definition():
    """Counts of hashed 1- and 2-grams, row by row in plain Python."""
    rng = np.random.default_rng(0)
    generated, real = (np.where(rng.random((rows, 6)) < 0.9, rng.integers(0, 30, (rows, 6)), -1) for rows in (12, 9))
    rows, target = buckets(generated), buckets(real)
    q, p = (Counter(b for row in table.tolist() for b in row if b >= 0) for table in (rows, target))

    def log_share(counts, bucket, added):
        return np.log((counts[bucket] + added) / (sum(counts.values()) + added * BUCKETS) + 1e-8)

    for added in (0.0, 0.5):
        expected = [sum(log_share(p, b, added) - log_share(q, b, 0.0) for b in row if b >= 0) for row in rows.tolist()]
        assert log_importance(rows, target, added) == pytest.approx(expected)
    assert log_importance(rows, rows, 0.0) == pytest.approx(np.zeros(12))


def test_ngrams_end_with_the_text():
    """Three words have three 1-grams and two 2-grams, and the same words the same buckets."""
    result = buckets(np.array([[5, 6, 7, -1, -1], [6, 7, 8, 9, 5]]))
    assert (result[0] >= 0).sum() == 5
    assert (result[1] >= 0).sum() == 9
    assert result[0, 1] == result[1, 0]
    assert result[0, 6] == result[1, 5]
    assert result[0, 0] == result[1, 4]


def test_ngrams_are_spread_over_the_buckets():
    """20,000 words, or pairs of words, fill most of the 10,000 buckets (a share of 1 - exp(-2) at random)."""
    words = buckets(np.arange(20_000)[:, None])
    pairs = buckets(np.random.default_rng(0).integers(0, 30_000, (20_000, 2)))[:, -1]
    for found in (words, pairs):
        assert len(np.unique(found)) > 8_000
        assert 0 <= found.min() <= found.max() < 10_000


def test_dsir_draws_a_share_of_each_class_and_prefers_real_words(build, context):
    cell_context, alike = texts(context)
    weights = build("dsir", 2, share=0.3).table(cell_context)
    for label in (0, 1):
        own = weights[cell_context.labels == label]
        assert (own > 0).sum() == 30
        assert own.mean() == pytest.approx(1)
    assert weights[alike].mean() > 2 * weights[~alike].mean()
    assert build("dsir", 2, share=1.0).table(cell_context).tolist() == [1.0] * 200


@pytest.mark.parametrize("entry", MATCHING)
def test_labels_of_real_rows_are_a_use_of_their_own(entry):
    """Matching by class differs from matching texts alone."""
    cls = discover()[entry]
    assert cls.real_use_of(cls.Config()) is RealUse.CLASSES
    assert cls.real_use_of(cls.Config(per_class=False)) is RealUse.TEXTS


@pytest.mark.parametrize("entry", MATCHING)
def test_no_generated_rows_and_no_real_rows_of_a_class(entry, build, context):
    """Training on real rows alone has nothing to weight; a class that cannot be compared is named."""
    cell_context = texts(context)[0] if entry == "dsir" else world(context)
    tables = {name: table[:0] for name, table in cell_context.tables.items()}
    build(entry, 2, train_on="real").start(
        replace(cell_context, labels=cell_context.labels[:0], ids=cell_context.ids[:0], tables=tables)
    )
    lacking = replace(cell_context, real_labels=np.zeros_like(cell_context.real_labels))
    with pytest.raises(ValueError, match="class 1 has 0 real rows"):
        build(entry, 2).start(lacking)
    build(entry, 2, per_class=False).start(lacking)
