from types import SimpleNamespace

import numpy as np
import pytest

from bench.commands.reports.compare import compare, rows_tested
from bench.errors import UserError
from bench.leaderboard import Rules
from bench.leaderboard.build import build
from bench.stats import conditional
from bench.stats.crossed import compare as crossed
from bench.stats.crossed import interval
from bench.store.files import write_json
from tests.bench.leaderboard.fake_store import FakeStore


@pytest.fixture
def store(tmp_path):
    store = FakeStore(tmp_path / "runs", rows=150, stand_in=True)
    store.method("ce").method("dimp", skill=2.5).method("focal", skill=1.1).method("superloss", failed=[1])
    store.method("imp", env={"torch": "1.0"}).method("gone", failed=store.seeds)
    return store


def lines(store, a, b, **options):
    """The text of a comparison."""
    write_json(store.root / ".grids" / "a.json", store.manifest())
    task = options.pop("task", None)
    return "\n".join(compare(store.root, a, Rules(b, **options), task=task))


def test_numbers(store):
    right = [
        np.stack([store.correct(label, seed, skill) for seed in store.seeds])
        for label, skill in (("dimp", 2.5), ("ce", 1.0))
    ]
    text = lines(store, "dimp", "ce")
    result = crossed(*(part.astype(float) for part in right))
    low, high = (100 * end for end in interval(result, 0.025 / 5))
    together = "95 % for all the section's 5 core methods together"
    assert f"difference    +{100 * result.difference:.1f} [{low:+.1f}, {high:+.1f}] points, {together}" in text
    plain = f"+{100 * result.difference:.1f} [{100 * result.low:+.1f}, {100 * result.high:+.1f}] points"
    assert f"difference    {plain}\n" in lines(store, "dimp", "ce", intervals="plain")
    assert f"p             {result.p:.3g}, not corrected for other comparisons" in text
    assert "verdict       undecided (detectable: " in text
    assert f"alone         better, {plain}, if it were the only comparison" in text
    assert "better at 3 of 3 seeds" in text
    for one in conditional.per_seed(*right):
        assert f"only dimp right: {one.a_alone}, only ce right: {one.b_alone}; exact McNemar p {one.p:.3g}" in text
    assert f"permutation p {conditional.label_swap(*right):.3g} (exact if the methods are alike on each example" in text
    assert "no human text" in text


def test_of_folds_the_tested_rows_are_counted():
    """Two seeds test two of five folds; all rows were said to be tested."""
    predictions = np.full((2, 10), -1)
    predictions[0, :2], predictions[1, 2:5] = 1, 0
    row = SimpleNamespace(cells={seed: SimpleNamespace(predictions=one) for seed, one in enumerate(predictions)})
    assert rows_tested(SimpleNamespace(), row, (0, 1)) == "5 of 10 real rows, a fold per seed"


def test_a_section_with_imported_cells_is_shown(store):
    cell = store.section["methods"][0]["cells"]["0"]
    write_json(store.root / ".imported" / "b.json", {"name": "b", "cells": [cell], "digest": "d"})
    assert "alone         better" in lines(store, "dimp", "ce")


def test_alone_means_the_interval_and_the_p_of_the_same_test(tmp_path):
    store = FakeStore(tmp_path / "runs", rows=150, seeds=(0, 1, 2, 3, 4), looks=[3, 5, 7, 10])
    store.method("ce").method("dimp", skill=1.3).method("imp")
    text = lines(store, "dimp", "ce", intervals="simultaneous")
    (section,) = build(store.manifest(), store.root, Rules("ce")).sections
    match = next(row.paired.match for row in section.rows if row.label == "dimp")
    low, high = (100 * end for end in interval(match.accuracy, 0.025 * match.share))
    assert match.share < 1
    assert f"[{low:+.1f}, {high:+.1f}] points, if it were the only comparison" in text
    assert f"p             {match.p:.3g}, not corrected for other comparisons, over all planned looks so far" in text


def test_between_two_looks_all_numbers_are_those_of_the_last_look(tmp_path):
    """Accuracies and `better at 4 of 4 seeds` were of a seed that the difference did not count yet."""
    store = FakeStore(tmp_path / "runs", rows=150, seeds=(0, 1, 2, 3), looks=[3, 5, 7, 10])
    text = lines(store.method("ce").method("dimp", skill=1.2), "dimp", "ce")
    skills = {"dimp": 1.2, "ce": 1.0}
    a, b = (np.mean([store.correct(label, seed, skill) for seed in range(3)]) for label, skill in skills.items())
    assert f"accuracy      {100 * a:.1f} against {100 * b:.1f} on 150 test rows" in text
    assert "of 3 seeds (a tie is half)" in text


def test_intervals_of_a_false_discovery_rate_hold_on_average(store):
    text = lines(store, "dimp", "ce", correction="bh")
    assert "points; of the intervals of the section's 5 core methods that exclude 0, at most 5 % are expected" in text
    assert "together" not in text


def test_a_comparison_is_a_look_at_its_section(store):
    lines(store, "dimp", "ce")
    assert [entry.name for entry in (store.root / ".looks").iterdir()], "reports count it"


def test_the_other_way_round(store):
    assert "alone         worse" in lines(store, "ce", "dimp")


def test_an_undecided_comparison_names_what_would_decide_it(store):
    text = lines(store, "focal", "ce")
    assert "undecided" in text
    assert "Needed for a decision with 80 % power, corrected over 5 comparisons" in text
    (section,) = build(store.manifest(), store.root, Rules("ce")).sections
    more = next(row for row in section.rows if row.label == "focal").paired.needed
    assert f"seeds         {more.seeds.text} in all" in text, "as in the leaderboard"
    assert f"test rows     {more.examples.text} in all" in text


def test_incomplete_methods_have_no_verdict(store):
    text = lines(store, "superloss", "ce")
    assert "verdict       none: incomplete: 2/3" in text
    assert "difference    " in text
    assert "macro-F1      " in text
    assert not any(line.startswith("  p ") for line in text.splitlines()), "the leaderboard has no p either"
    assert ", p " not in text.split("For these trained models only")[0]
    assert text.count("McNemar") == 2
    assert "Needed for a decision" not in text
    assert "no difference: incomplete: 0/3" in lines(store, "gone", "ce")


def test_other_environments_are_not_compared_unless_told(store):
    assert "no difference: mixed environments: torch 1.0, 2.13.0" in lines(store, "imp", "ce")
    assert "McNemar" in lines(store, "imp", "ce", allow_mixed=True)


def test_one_seed(tmp_path):
    store = FakeStore(tmp_path / "runs", rows=150, seeds=(4,))
    text = lines(store.method("ce").method("dimp", skill=1.1), "dimp", "ce")
    assert "For new test rows only" in text
    assert "not informative: there is one seed" in text
    assert "effect" not in text
    assert "seeds  " not in text.split("Needed")[-1].split("For these")[0]


@pytest.mark.parametrize(
    ("a", "b", "task", "message"),
    [
        ("dimpp", "ce", None, "no method 'dimpp' .* did you mean 'dimp'"),
        ("dimp", "zzzzz", None, "no method 'zzzzz' .* known: ce, dimp"),
        ("dimp", "ce", "twiter", "no task twiter .* did you mean 'twitter'"),
        ("ce", "ce", None, "takes two methods, not ce twice"),
    ],
)
def test_what_is_not_there(store, a, b, task, message):
    with pytest.raises(UserError, match=message):
        lines(store, a, b, task=task)


def test_non_inferiority(store):
    write_json(store.root / ".grids" / "a.json", store.manifest())
    text = "\n".join(compare(store.root, "dimp", Rules("ce"), task=None, margin=0.2))
    assert "non-inferior  yes: a loss of 20 points or more is excluded; p " in text
    assert "by Bonferroni over the section's 5 core methods" in text
    text = "\n".join(compare(store.root, "ce", Rules("dimp"), task=None, margin=0.01))
    assert "non-inferior  not shown: a loss of 1 point or more is not excluded; p 1" in text
    with pytest.raises(UserError, match="above 0, not 0"):
        list(compare(store.root, "ce", Rules("dimp"), task=None, margin=0.0))
