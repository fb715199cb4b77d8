"""A report on test rows in clusters: every variance counts clusters, and the numbers are those of fewer rows."""

import itertools

import numpy as np
import pandas as pd
import pytest

from bench.commands.reports.compare import compare as compare_methods
from bench.leaderboard import Rules
from bench.leaderboard.build import build
from bench.leaderboard.formats.to_html import details
from bench.leaderboard.read.examples import Examples
from bench.stats.crossed import by_cluster, compare
from bench.stats.equivalence import non_inferior
from bench.store import hidden_columns
from bench.store.files import write_json
from bench.store.layout import precomputed_path
from tasks import Rows
from tests.bench.leaderboard.fake_store import FakeStore
from tests.helpers.single import equivalence, needed

COPIES = 4


def section(root, clusters, rows=80):
    """A section of a store whose test rows are each repeated, with or without their clusters."""
    store = FakeStore(root, rows=rows)
    store.labels = np.repeat(store.labels, COPIES)
    store.difficulty = np.repeat(store.difficulty, COPIES)
    for label, skill in {"ce": 1.0, "dimp": 1.5, "focal": 1.2}.items():
        store.method(label, missing=store.seeds)
        for seed in store.seeds:
            once = store.logits(label, seed, skill)[::COPIES]
            store.cell(store.section["methods"][-1]["cells"][str(seed)], np.repeat(once, COPIES, axis=0))
    count = rows * COPIES
    if clusters:
        codes = np.arange(count) // COPIES
        hidden = Rows(np.arange(count), [""] * count, None, store.labels, {"cluster": codes})
        hidden_columns.save({"c": hidden}, root)
        assert (precomputed_path(root, "record", "c") / hidden_columns.FILE).exists()
        store.section["records"] = {str(seed): {"test": "c"} for seed in store.seeds}
    (built,) = build(store.manifest(), root, Rules()).sections
    return built


@pytest.fixture
def both(tmp_path):
    return section(tmp_path / "a" / "runs", clusters=True), section(tmp_path / "b" / "runs", clusters=False)


def test_repeats_of_rows_are_as_the_rows_once(both):
    clustered, plain = both
    assert clustered.test.count == 80
    assert plain.test.count == 320
    right = {
        row.label: np.stack([row.cells[seed].predictions == clustered.test.labels for seed in (0, 1, 2)])[:, ::COPIES]
        for row in clustered.rows
    }
    for row in clustered.rows:
        if row.is_baseline:
            continue
        once = compare(right[row.label].astype(float), right["ce"].astype(float))
        result = row.paired.accuracy
        assert result.examples == 80
        assert (result.difference, result.p) == pytest.approx((once.difference, once.p))
        assert (result.low, result.high) == pytest.approx((once.low, once.high))
        narrow = next(other for other in plain.rows if other.label == row.label).paired.accuracy
        assert result.high - result.low > narrow.high - narrow.low
        assert row.paired.macro_f1.examples == 80


def test_needed_test_rows_are_rows(both):
    rows = [next(row for row in section.rows if row.label == "focal") for section in both]
    clustered, plain = (row.paired for row in rows)
    assert clustered.verdict.word == "undecided"
    units = needed(clustered.accuracy, 0.01, clustered.size).examples
    found = clustered.needed.examples
    assert (found.number, found.low) == (COPIES * units.number, COPIES * units.low)
    assert plain.needed == needed(plain.accuracy, 0.01, plain.size)
    said = [dict(details(row, row.paired.accuracy))["test rows"] for row in rows]
    assert said == ["320 in 80 clusters", "320"]


def test_all_pairs_and_max_t_count_clusters(both):
    clustered, plain = both
    assert (clustered.pairs.p >= plain.pairs.p - 1e-9).all()
    for row in clustered.rows:
        assert row.is_baseline or 0 < row.paired.p_max_t <= 1


def test_a_row_without_a_cluster_is_an_error(tmp_path):
    from bench.errors import UserError

    root = tmp_path / "runs"
    store = FakeStore(root).method("ce")
    folder = precomputed_path(root, "record", "c")
    folder.mkdir(parents=True)
    pd.DataFrame({"id": [0, 1], "label": [0, 1], "cluster": [0, 0]}).to_parquet(folder / hidden_columns.FILE)
    store.section["records"] = {"0": {"test": "c"}}
    with pytest.raises(UserError, match="a test row has no cluster"):
        build(store.manifest(), root, Rules())


def test_clusters_of_any_store_count(tmp_path):
    """Of several stores, those of the last one were looked for in the first."""
    section(tmp_path / "a", clusters=False)
    old = section(tmp_path / "a", clusters=False).spec
    new = section(tmp_path / "b", clusters=True).spec
    cells = [{**entry, "cells": {}} for entry in old["methods"]]
    for entry, (place, one) in itertools.product(cells, enumerate((old, new))):
        of = next(other for other in one["methods"] if other["label"] == entry["label"])["cells"]
        entry["cells"] |= {str(2 * int(seed) + place): f"{'ab'[place]}/{path}" for seed, path in of.items()}
    spec = {**new, "seeds": [*range(6)], "methods": cells, "records": {str(seed): {"test": "c"} for seed in range(6)}}
    manifest = {"schema": 1, "command": "c", "references_missing": [], "sections": [spec]}
    (built,) = build(manifest, tmp_path, Rules()).sections
    assert (len(built.test.labels), built.test.count) == (320, 80)


def heavy(large, small, count=600, step=20):
    """The clusters of test rows of which each `step`-th has `large` rows, and the others `small`."""
    sizes = np.full(count, small)
    sizes[::step] = large
    clusters = np.repeat(np.arange(count), sizes)
    return Examples(np.arange(len(clusters)), np.zeros(len(clusters), np.int64), 2, clusters)


def test_clusters_of_one_size_count_as_their_number():
    assert heavy(4, 4).sizes == pytest.approx((1.0, 1.0))
    test = heavy(20, 2)
    sizes = np.bincount(test.clusters)
    assert test.sizes.unequal == pytest.approx(600 * (sizes**2).sum() / sizes.sum() ** 2)
    assert test.sizes.largest == pytest.approx(20 / sizes.mean())


def test_a_large_cluster_that_may_be_missing_forbids_to_say_equivalent():
    """A method that fails on all texts of 2 % of the heavy authors loses a point, and often none of them is here."""
    test = heavy(20, 2)
    right = test.right(np.zeros((3, len(test.ids)), np.int64))
    assert equivalence(compare(right, right), 0.01) < 0.05, "what 600 equal clusters would say"
    same = compare(right, right, sizes=test.sizes)
    assert equivalence(same, 0.01) > 0.3
    assert non_inferior(same, 0.01) > 0.3
    assert same.high > 0.03


def test_one_cluster_of_a_quarter_of_the_rows_makes_no_more_false_verdicts():
    """With M - 1 degrees of freedom, 8 to 9 % of differences on new clusters were significant, of 5 % promised."""
    test, rng = heavy(100, 5, count=60, step=60), np.random.default_rng(8)
    found = np.zeros(2, np.int64)
    for _ in range(600):
        own = np.clip(0.1 * rng.standard_normal(60), -0.2, 0.2)[test.clusters]
        draw = rng.random(len(own))
        scores = [
            by_cluster(np.repeat(one[None].astype(float), 3, axis=0), test.clusters)
            for one in (draw < (0.2 + own) / 2, draw > 1 - (0.2 - own) / 2)
        ]
        found += [compare(*scores).p < 0.05, compare(*scores, sizes=test.sizes).p < 0.05]
    assert found[0] / 600 > 0.065
    assert found[1] / 600 < 0.065


def test_compare_says_that_a_class_has_few_clusters(tmp_path):
    """It said "fewer than 10 test rows" of a class that has more of them, in fewer clusters."""
    built = section(tmp_path, clusters=True, rows=12)
    assert min(np.bincount(built.test.labels)) >= 10
    manifest = {"schema": 1, "command": "c", "references_missing": [], "sections": [built.spec]}
    write_json(tmp_path / ".grids" / "a.json", manifest)
    text = "\n".join(compare_methods(tmp_path, "dimp", Rules("ce"), task=None))
    assert "no interval: a class has fewer than 10 clusters of test rows" in text


def test_a_class_in_few_clusters_has_no_interval_of_macro_f1():
    labels = np.r_[np.zeros(40, np.int64), np.ones(20, np.int64)]
    clusters = np.r_[np.arange(40), np.repeat([40, 41], 10)]
    assert Examples(np.arange(60), labels, 2, clusters).few == {1: 2}
    assert Examples(np.arange(60), labels, 2).few == {}
