"""Reports after planned looks: methods that stopped early are compared too, and numbers know of all looks."""

import numpy as np
import pytest

from bench.leaderboard.build import build
from bench.leaderboard.formats.to_html import details
from bench.stats.crossed import compare_accuracy, interval
from bench.stats.needed import needed
from tests.bench.leaderboard.fake_store import FakeStore

LOOKS = [3, 5, 7, 10]
SHARES = {3: 0.027, 5: 0.098, 7: 0.218, 10: 0.657}


def stopped(root, skills, early, rows=1_000, seeds=10, **section):
    """A store after planned looks. `early`: the numbers of seeds at which methods stopped."""
    store = FakeStore(root, rows=rows, seeds=tuple(range(seeds)), looks=LOOKS, **section)
    for label, skill in skills.items():
        store.method(label, skill=skill)
        entry = store.section["methods"][-1]
        entry["cells"] = dict(list(entry["cells"].items())[: early.get(label, seeds)])
    return store


def rows_of(store):
    (section,) = build(store.manifest(), store.root).sections
    return section, {row.label: row for row in section.rows}


def test_what_would_settle_it_is_that_of_a_run_without_looks(tmp_path):
    skills = {"ce": 1.0, "real-only": 1.0, "focal": 1.02, "imp": 1.03}
    _, rows = rows_of(stopped(tmp_path, skills, {}))
    paired = rows["focal"].paired
    assert paired.verdict.word == "undecided"
    assert paired.needed == needed(paired.accuracy, 0.01, 3, rows=1_000)


def test_seeds_after_the_last_look_do_not_count_yet(tmp_path):
    """A run that was interrupted between two looks: difference, interval and p are those of the look."""
    _, rows = rows_of(stopped(tmp_path, {"ce": 1.0, "focal": 1.02}, {}, rows=300, seeds=4))
    paired = rows["focal"].paired
    a, b = (np.stack([rows[name].cells[seed].predictions for seed in range(3)]) for name in ("focal", "ce"))
    store_labels = FakeStore(tmp_path / "labels", rows=300).labels
    expected = compare_accuracy(store_labels, a, b)
    assert (paired.accuracy.seeds, paired.macro_f1.seeds) == (3, 3)
    assert paired.accuracy.difference == pytest.approx(expected.difference)
    assert paired.p_alone == pytest.approx(min(1.0, expected.p / SHARES[3]))


def test_the_page_has_the_p_and_the_interval_over_all_looks(tmp_path):
    _, rows = rows_of(stopped(tmp_path, {"ce": 1.0, "focal": 1.1}, {}, rows=300, seeds=5))
    row = rows["focal"]
    found = dict(details(row, row.paired.accuracy))
    assert row.paired.p_alone != pytest.approx(row.paired.accuracy.p)
    assert found["p, not corrected"] == f"{row.paired.p_alone:.3g}"
    low, high = interval(row.paired.accuracy, 0.025 * SHARES[5])
    assert f"{100 * low:+.2f} to {100 * high:+.2f}" in found.values()
