"""Diverse subsets against brute force, scipy and hand-made points."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from methods.base import EMBEDDINGS
from methods.coverage import greedy_cover, unit

DIVERSE = ["k-center", "coverage", "semdedup"]


def world(context, rows=60, copies=0, seed=0, shift=0.5):
    """Random embeddings of two classes; the last `copies` rows repeat the first ones, up to a small difference."""
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(rows, 5)) + shift
    points[rows - copies :] = points[:copies] * 2 + 1e-4 * rng.normal(size=(copies, 5))
    return replace(context(2), labels=np.arange(rows) % 2, ids=np.arange(rows), tables={EMBEDDINGS: points})


@pytest.mark.parametrize("per_class", [True, False])
@pytest.mark.parametrize("entry", DIVERSE)
def test_weights_are_equal_within_a_group_and_average_one(entry, per_class, build, context):
    """Chosen rows share one weight; per class each label keeps its total."""
    cell_context = world(context, copies=10)
    weights = build(entry, 2, per_class=per_class).table(cell_context)
    groups = [cell_context.labels == label for label in (0, 1)] if per_class else [np.ones(60, dtype=bool)]
    for rows in groups:
        assert weights[rows].mean() == pytest.approx(1)
        assert len(set(weights[rows][weights[rows] > 0])) == 1


@pytest.mark.parametrize(
    ("entry", "settings"), [("k-center", {"share": 1.0}), ("semdedup", {"share": 1.0}), ("semdedup", {"eps": 0.0})]
)
def test_all_rows_are_cross_entropy(entry, settings, build, context):
    """Nothing is dropped, not even a copy."""
    assert build(entry, 2, **settings).table(world(context, copies=10)).tolist() == [1.0] * 60


@pytest.mark.parametrize("entry", DIVERSE)
def test_length_and_order_of_embeddings_do_not_matter(entry, build, context):
    """Only directions count; rows in another order are chosen as before, except that coverage has ties."""
    cell_context = world(context)
    points = cell_context.tables[EMBEDDINGS]
    before = build(entry, 2).table(cell_context)
    scaled = replace(cell_context, tables={EMBEDDINGS: points * np.linspace(1, 9, 60)[:, None]})
    assert build(entry, 2).table(scaled).tolist() == before.tolist()
    if entry == "coverage":  # of rows that cover equally many, the first one is taken
        return
    order = np.random.default_rng(3).permutation(60)
    moved = replace(cell_context, labels=cell_context.labels[order], tables={EMBEDDINGS: points[order]})
    assert build(entry, 2).table(moved).tolist() == before[order].tolist()


@pytest.mark.parametrize("share", [0.1, 0.3, 0.6])
def test_k_center_is_farthest_first_traversal(share, build, context):
    """Recomputed with distances; its radius is at most twice the best one (Gonzalez 1985), found by brute force."""
    cell_context = world(context)
    method = build("k-center", 2, share=share, per_class=False)
    points = unit(cell_context.tables[EMBEDDINGS])
    distance, count = cdist(points, points), round(share * 60)
    chosen = [int(np.linalg.norm(points - points.mean(0), axis=1).argmin())]
    while len(chosen) < count:
        chosen.append(int(distance[:, chosen].min(1).argmax()))
    assert np.flatnonzero(method.table(cell_context)).tolist() == sorted(chosen)


def test_k_center_is_within_twice_the_best_radius(build, context):
    """Over all choices of 3 of 14 rows."""
    cell_context = world(context, rows=14)
    points = unit(cell_context.tables[EMBEDDINGS])
    distance = cdist(points, points)
    best = min(distance[:, list(rows)].min(1).max() for rows in combinations(range(14), 3))
    kept = np.flatnonzero(build("k-center", 2, share=3 / 14, per_class=False).table(cell_context))
    assert len(kept) == 3
    assert best <= distance[:, kept].min(1).max() <= 2 * best


def test_semdedup_keeps_one_of_each_copy(build, context):
    """Of a pair, the row that is less like the mean; other rows stay."""
    cell_context = world(context, copies=10)
    kept = build("semdedup", 2, eps=0.001, per_class=False).table(cell_context) > 0
    for i in range(10):
        assert kept[i] != kept[50 + i]
    assert kept[10:50].all()


@pytest.mark.parametrize("eps", [0.02, 0.1, 0.3])
def test_semdedup_is_its_formula(eps, build, context):
    """Row by row: dropped if any row nearer to the beginning of the order is too similar, whether kept or not."""
    cell_context = world(context, copies=10)
    points = cell_context.tables[EMBEDDINGS] / np.linalg.norm(cell_context.tables[EMBEDDINGS], axis=1, keepdims=True)
    order = sorted(range(60), key=lambda i: points[i] @ points.mean(0))
    expected = [i for place, i in enumerate(order) if all(points[i] @ points[j] <= 1 - eps for j in order[:place])]
    kept = build("semdedup", 2, eps=eps, per_class=False).table(cell_context)
    assert np.flatnonzero(kept).tolist() == sorted(expected)
    assert 1 <= len(expected) < 60


@pytest.mark.parametrize("share", [0.2, 0.7])
def test_semdedup_keeps_the_share_with_the_smallest_similarities(share, build, context):
    """To any row nearer to the beginning of the order, pair by pair."""
    cell_context = world(context, copies=10)
    points = unit(cell_context.tables[EMBEDDINGS])
    order = sorted(range(60), key=lambda i: points[i] @ points.mean(0))
    largest = [max([points[i] @ points[j] for j in order[: order.index(i)]], default=0) for i in range(60)]
    kept = build("semdedup", 2, share=share, per_class=False).table(cell_context)
    assert np.flatnonzero(kept).tolist() == sorted(np.argsort(largest, kind="stable")[: round(share * 60)].tolist())


def test_a_subset_that_is_everything_is_said(build, context, caplog):
    """In the cell's log."""
    build("semdedup", 2, eps=1e-9).table(world(context))
    assert "all 60 generated rows are kept" in caplog.text


@pytest.mark.parametrize("target", [0.7, 0.9, 1.0])
def test_coverage_covers_the_target_with_the_largest_similarity(target, build, context):
    """The chosen rows cover enough at some similarity; greedy choices at a larger one, tried on a grid, do not."""
    cell_context = world(context)
    points = unit(cell_context.tables[EMBEDDINGS])
    similarity = points @ points.T
    kept = np.flatnonzero(build("coverage", 2, share=0.2, target=target, per_class=False).table(cell_context))
    assert len(kept) <= 12
    reached = np.sort(similarity[:, kept].max(1))[::-1][int(np.ceil(target * 60)) - 1]
    for threshold in np.linspace(reached + 1e-3, 1, 50):
        assert greedy_cover(similarity >= threshold, 12)[1] < target * 60


def test_greedy_cover_takes_the_largest_gain_first():
    """A star and a pair: the centre of the star, then one of the pair, then nothing is left."""
    covers = np.eye(6, dtype=bool)
    covers[0, :4] = covers[:4, 0] = covers[4, 5] = covers[5, 4] = True
    kept, covered = greedy_cover(covers, 1)
    assert (np.flatnonzero(kept).tolist(), covered) == ([0], 4)
    kept, covered = greedy_cover(covers, 6)
    assert (np.flatnonzero(kept).tolist(), covered) == ([0, 4], 6)


@pytest.mark.parametrize("entry", DIVERSE)
def test_identical_and_single_rows(entry, build, context):
    """Texts that are all alike, zeros, and a class of one row are no error; each class keeps a row."""
    cell_context = world(context, rows=9)
    labels = np.array([0] * 8 + [1])
    for points in (np.ones((9, 4)), np.zeros((9, 4))):
        weights = build(entry, 2).table(replace(cell_context, labels=labels, tables={EMBEDDINGS: points}))
        assert np.isfinite(weights).all()
        assert weights[8] == 1
        assert weights[:8].mean() == pytest.approx(1)
