"""Corrections, information gain, metrics and columns, in every format of a report."""

import csv
import io
import json
import math

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from bench.leaderboard import USUAL, Rules, columns, frame, write_report
from bench.leaderboard.build import build
from bench.leaderboard.columns import COLUMNS, Column
from bench.leaderboard.formats import USUAL as FORMS
from bench.leaderboard.formats.explain import equivalent
from bench.leaderboard.rules import CHOICES
from bench.stats import metrics
from bench.stats.crossed import compare
from bench.stats.multiple import CORRECTIONS
from tests.bench.leaderboard.fake_store import FakeStore
from tests.helpers.single import needed


@pytest.fixture
def store(tmp_path):
    store = FakeStore(tmp_path / "runs", rows=150).method("ce")
    return (
        store.method("dimp", skill=1.7).method("focal", skill=1.4).method("imp", skill=1.6).method("broken", failed=[0])
    )


def rows_of(store, rules=USUAL):
    (section,) = build(store.manifest(), store.root, rules).sections
    return {row.label: row for row in section.rows}


def test_every_correction_has_a_function_and_words():
    assert set(CHOICES["correction"]) == set(CORRECTIONS)
    assert all(one.author and one.bounds and one.short for one in (Rules(correction=name) for name in CORRECTIONS))


@pytest.mark.parametrize(("correction", "method"), [("holm", "holm"), ("bh", "fdr_bh")])
def test_the_family_is_corrected_by_the_chosen_correction(store, correction, method):
    rows = rows_of(store, Rules(correction=correction))
    family = ["dimp", "focal", "imp"]
    raw = [rows[label].paired.accuracy.p for label in family]
    expected = multipletests([*raw, 1.0], method=method)[1][:3]  # the broken method was planned, so it counts
    assert [rows[label].paired.p_corrected for label in family] == pytest.approx(expected)
    assert math.isnan(rows["broken"].paired.p_corrected)


def test_the_report_names_its_correction(store, tmp_path):
    for rules, name in ((Rules(), "Holm"), (Rules(correction="bh"), "Benjamini and Hochberg")):
        text = write_report(store.manifest(), store.root, tmp_path / name, rules, figures=False).read_text()
        assert f"corrected by {name} over the core methods" in text
        assert json.loads((tmp_path / name / "leaderboard.json").read_text())["correction"] == rules.correction


def shuffled(store, **entry):
    """The store with `dimp` beside its within-class shuffle."""
    store.section["methods"][1]["hyperparameters"] = {"shuffle": "none", "clip": None}
    return store.method(
        "dimp(shuffle=class)", core=False, **{"hyperparameters": {"shuffle": "class", "clip": None}, **entry}
    )


def test_information_gain_is_the_method_minus_its_shuffle(store, tmp_path):
    rows = rows_of(shuffled(store))
    right = [
        np.stack([store.correct(label, seed, skill) for seed in store.seeds]).astype(float)
        for label, skill in (("dimp", 1.7), ("dimp(shuffle=class)", 1.0))
    ]
    expected = compare(*right)
    gain = rows["dimp"].information
    assert gain.accuracy == expected
    assert gain.p_corrected == pytest.approx(expected.p)
    assert gain.verdict.word == ("better" if expected.p < 0.05 else "undecided")
    assert all(row.information is None for label, row in rows.items() if label != "dimp")
    text = write_report(store.manifest(), store.root, tmp_path / "r", figures=False).read_text()
    assert f"{100 * expected.difference:+.1f} [" in text.split("information gain [simultaneous 95 %]")[1]
    table = frame(store.manifest(), store.root).set_index("label")
    assert table.loc["dimp", "information_gain_accuracy"] == pytest.approx(expected.difference)


@pytest.mark.parametrize(
    ("entry", "reason"),
    [({"failed": [1]}, "dimp(shuffle=class) incomplete: 2/3"), ({"env": {"torch": "1.0"}}, "mixed environments")],
)
def test_information_gain_needs_both(store, entry, reason):
    gain = rows_of(shuffled(store, **entry))["dimp"].information
    assert gain.withheld.startswith(reason)
    assert gain.verdict.word == ""


def test_with_a_margin_of_0_nothing_is_equivalent():
    assert equivalent(Rules(delta=0.0)) == "*equivalent* is not used (`--delta 0`)."
    assert "excludes a true difference of 0.5 points or more" in equivalent(Rules(delta=0.005))


def test_a_shuffle_with_other_settings_does_not_count(store, tmp_path):
    rows = rows_of(shuffled(store, hyperparameters={"shuffle": "class", "clip": 20}))
    assert all(row.information is None for row in rows.values())
    text = write_report(store.manifest(), store.root, tmp_path / "r", figures=False).read_text()
    assert "information gain [95 %]" not in text, "a column without content is not shown"


@pytest.mark.parametrize("name", ["accuracy", "macro_f1", "log_loss", "ece"])
def test_metrics_are_computed_from_the_logits(store, tmp_path, name):
    expected = [getattr(metrics, name)(store.labels, store.logits("dimp", seed, 1.7)) for seed in store.seeds]
    assert rows_of(store)["dimp"].metrics[name].mean == pytest.approx(np.mean(expected))
    reports = write_report(store.manifest(), store.root, tmp_path / "r", figures=False).parent
    table = {row["label"]: row for row in csv.DictReader(io.StringIO((reports / "leaderboard.csv").read_text()))}
    assert float(table["dimp"][f"{name}_mean"]) == pytest.approx(np.mean(expected))
    title = next(column.title for column in COLUMNS if column.key == name)
    assert title in (reports / "leaderboard.html").read_text()


def test_a_new_column_is_one_entry_for_every_format(store, tmp_path, monkeypatch):
    extra = Column("letters", "letters of its name", lambda row: str(len(row.label)), lambda row: len(row.label))
    for module in ("columns", *(f"formats.to_{name}" for name in ("csv", "html", "json", "latex", "markdown"))):
        monkeypatch.setattr(f"bench.leaderboard.{module}.COLUMNS", (*columns.COLUMNS, extra), raising=False)
    reports = write_report(store.manifest(), store.root, tmp_path / "r", figures=False).parent
    for form in FORMS:
        assert "letters" in (reports / f"leaderboard.{form}").read_text(), form
    value = json.loads((reports / "leaderboard.json").read_text())
    assert all(row["letters"] == len(row["label"]) for row in value["rows"])
    assert "letters of its name" in (reports / "leaderboard.html").read_text()


def test_the_report_says_what_would_settle_an_undecided_verdict(store, tmp_path):
    result = rows_of(store)["focal"].paired
    assert result.verdict.word == "undecided"
    assert result.needed == needed(result.accuracy, 0.01, 4)
    assert rows_of(store, Rules(delta=0.9))["focal"].paired.needed is None
    reports = write_report(store.manifest(), store.root, tmp_path / "r", figures=False).parent
    row = next(row for row in json.loads((reports / "leaderboard.json").read_text())["rows"] if row["label"] == "focal")
    more = result.needed.seeds
    assert [row["difference"][f"needed_seeds{end}"] for end in ("", "_low", "_high")] == [
        more.number,
        more.low,
        more.high,
    ]
    assert (
        f"<dt>seeds in total that would settle it with 80 % power, if all is as estimated</dt><dd>{more.text}"
        in (reports / "leaderboard.html").read_text()
    )


def test_methods_with_fewer_seeds_may_be_in_the_best_group(tmp_path):
    store = FakeStore(tmp_path / "runs", seeds=(0, 1, 2, 3, 4)).method("ce").method("dimp", skill=2.0).method("focal")
    store.seeds = (0, 1, 2)
    rows = rows_of(store.method("imp", skill=2.0))
    assert rows["imp"].complete
    assert rows["imp"].paired.accuracy.seeds == 3
    assert (rows["imp"].best, rows["dimp"].best) == (True, True)
    assert rows["imp"].paired.p_max_t <= 1


def test_ties_everywhere(tmp_path):
    store = FakeStore(tmp_path / "runs", rows=1_000).method("ce").method("dimp").method("focal")
    for entry in store.section["methods"]:
        for path in entry["cells"].values():
            right = np.where(np.arange(1_000) < 900, store.labels, 1 - store.labels)
            store.cell(path, np.eye(2, dtype=np.float32)[right])  # right on the first 900 rows, always
    rows = rows_of(store)
    for label in ("dimp", "focal"):
        result = rows[label].paired
        assert (result.accuracy.difference, result.accuracy.p, result.p_corrected, result.p_max_t) == (0, 1, 1, 1)
        assert (result.verdict.word, result.macro_f1.p) == ("equivalent", 1)
        assert math.isnan(result.accuracy.effect)
    assert all(row.best and row.accuracy.mean == 0.9 for row in rows.values())
    assert rows["ce"].metrics["log_loss"].mean == pytest.approx(
        0.9 * math.log1p(math.exp(-1)) + 0.1 * math.log1p(math.e)
    )
    assert rows["ce"].metrics["ece"].mean == pytest.approx(0.9 - 1 / (1 + math.exp(-1)))
