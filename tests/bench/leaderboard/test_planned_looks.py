"""Reports after planned looks: methods that stopped early are compared too, and numbers know of all looks."""

import itertools

import numpy as np
import pytest

from bench.leaderboard.build import build
from bench.leaderboard.compare.across_tasks import overall
from bench.leaderboard.formats.across import after_across
from bench.leaderboard.formats.answer import answer, answer_json
from bench.leaderboard.formats.to_html import details
from bench.stats.crossed import compare, correct, interval
from bench.stats.multiple import holm
from bench.stats.strata import strata
from tests.bench.leaderboard.fake_store import FakeStore
from tests.helpers.single import needed

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
    expected = compare(correct(store_labels, a), correct(store_labels, b))
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


def test_a_winner_that_stopped_early_is_the_choice(tmp_path):
    skills = {"ce": 1.0, "real-only": 1.0, "dimp": 2.5, "focal": 1.02, "imp": 1.03}
    section, rows = rows_of(stopped(tmp_path, skills, {"dimp": 5}))
    assert rows["dimp"].paired.verdict.word == "better"
    assert {label for label, row in rows.items() if row.best} == {"dimp"}
    assert (section.advice.choice, section.advice.rivals) == ("dimp", ())
    assert "**dimp**, the only core method that no other is shown to beat" in "".join(answer(section))


def test_pairs_are_compared_on_common_seeds_with_the_share_of_their_look(tmp_path):
    store = stopped(tmp_path, {"ce": 1.0, "dimp": 1.3, "focal": 1.1, "imp": 1.0}, {"dimp": 5, "focal": 3})
    section, rows = rows_of(store)
    labels = section.pairs.labels
    raw = {}
    for one, other in itertools.combinations(labels, 2):
        count = min(len(rows[one].seeds), len(rows[other].seeds))
        a, b = (np.stack([rows[name].cells[seed].predictions for seed in range(count)]) for name in (one, other))
        result = compare(correct(store.labels, a), correct(store.labels, b))
        place = labels.index(one), labels.index(other)
        assert section.pairs.difference[place] == pytest.approx(result.difference)
        raw[place] = min(1.0, result.p / SHARES[count])
    for place, p in zip(raw, holm(list(raw.values())), strict=True):
        assert section.pairs.p[place] == pytest.approx(p)


def test_the_best_group_with_different_seeds_without_looks(tmp_path):
    """Methods of several grids: compared on the seeds that both have; one with a single seed in common is not."""
    store = FakeStore(tmp_path, rows=600, seeds=(0, 1, 2, 3, 4))
    for label, skill, seeds in (("ce", 1.0, 5), ("focal", 1.0, 5), ("dimp", 3.0, 3), ("imp", 1.2, 1)):
        store.method(label, skill=skill)
        entry = store.section["methods"][-1]
        entry["cells"] = dict(list(entry["cells"].items())[:seeds])
    section, rows = rows_of(store)
    assert {label: row.best for label, row in rows.items()} == {"ce": False, "focal": False, "dimp": True, "imp": None}
    assert section.advice.choice == "dimp"
    assert "not compared with it, as seeds, code or device differ: imp" in "".join(answer(section))
    assert answer_json(section)["not_compared"] == ["imp"]


def test_the_mean_over_tasks_knows_of_all_looks(tmp_path):
    skills = {"ce": 1.0, "dimp": 2.5, "focal": 1.05}
    stores = []
    for name in ("a", "b"):
        store = stopped(tmp_path / name, skills, {"dimp": 5 if name == "a" else 3}, rows=300, task=name, task_ref=name)
        for entry in store.section["methods"]:
            entry["cells"] = {seed: f"{name}/{path}" for seed, path in entry["cells"].items()}
        stores.append(store)
    sections = build(stores[0].manifest(stores[1]), tmp_path).sections
    (group,) = overall(sections)
    assert group.left_out == {}
    gains = {row.label: row.gain for row in group.rows}
    for label, share in (("dimp", SHARES[5] * SHARES[3] / 2), ("focal", (1 + SHARES[10] ** 2) / 2)):
        paired = [row.paired for section in sections for row in section.rows if row.label == label]
        mean = strata([one.accuracy for one in paired])
        assert gains[label].p == pytest.approx(min(1.0, float(mean.p()) / share))
        half = float(mean.half_width(0.025 / 2 * share))
        assert gains[label].high == pytest.approx(min(1.0, float(mean.difference) + half))
    assert "all combinations of planned looks" in "".join(after_across(group))
