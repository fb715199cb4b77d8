"""Corrections over a task or a report, and intervals that go with them."""

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from bench.leaderboard.build import build
from bench.leaderboard.columns import section_columns
from bench.leaderboard.compare.families import clipped
from bench.leaderboard.formats.explain import reading
from bench.leaderboard.rules import CHOICES, Rules
from bench.stats.crossed import interval
from tests.bench.leaderboard.fake_store import FakeStore

SKILLS = {"ce": 1.0, "dimp": 2.6, "focal": 0.8, "imp": 2.0}


def two_tasks(root, **rules):
    """The sections of a report on two tasks; the second has an exploratory method."""
    stores = [FakeStore(root / name, rows=rows, task=name, task_ref=name) for name, rows in (("a", 120), ("b", 60))]
    for store, name in zip(stores, ("a", "b"), strict=True):
        for label, skill in SKILLS.items():
            store.method(label, skill=skill, core=(label, name) != ("imp", "b"))
            entry = store.section["methods"][-1]
            entry["cells"] = {seed: f"{name}/{path}" for seed, path in entry["cells"].items()}
    return build(stores[0].manifest(stores[1]), root, Rules(**rules)).sections


def core(sections):
    """The corrected comparisons of all sections."""
    return [row.paired for section in sections for row in section.rows if row.paired.family == "confirmatory"]


def test_the_family_may_be_the_report(tmp_path):
    by_task = core(two_tasks(tmp_path))
    whole = two_tasks(tmp_path, family="report")
    assert [one.size for one in by_task] == [3, 3, 3, 2, 2]
    assert [one.size for one in core(whole)] == [5] * 5
    raw = [one.accuracy.p for one in by_task]
    assert [one.p_corrected for one in core(whole)] == pytest.approx(multipletests(raw, method="holm")[1])
    titles = [column.title for column in section_columns(whole[0])]
    assert "p, Holm over 5 comparisons of the report" in titles
    assert "p, Holm over 3 comparisons of this task" in [c.title for c in section_columns(two_tasks(tmp_path)[0])]
    exploratory = [row.paired for row in whole[1].rows if row.label == "imp"]
    assert [one.family for one in exploratory] == ["exploratory"]


def test_information_gains_are_corrected_over_the_report_too(tmp_path):
    """Nothing but the core methods was, so with 8 tasks of equal methods 27 to 30 % of reports had a false gain."""
    stores = [FakeStore(tmp_path / name, rows=150, task=name, task_ref=name) for name in ("a", "b")]
    skills = {"ce": ("", 1.0), "dimp": ("none", 2.6), "dimp(shuffle=class)": ("class", 2.0)}
    for store, name in zip(stores, ("a", "b"), strict=True):
        for label, (shuffle, skill) in skills.items():
            store.method(label, skill=skill, core="(" not in label, hyperparameters={"shuffle": shuffle})
            entry = store.section["methods"][-1]
            entry["cells"] = {seed: f"{name}/{path}" for seed, path in entry["cells"].items()}
    report = {
        family: build(stores[0].manifest(stores[1]), tmp_path, Rules(family=family)) for family in CHOICES["family"]
    }
    by_task, whole = (
        [row.information for section in report[family].sections for row in section.rows if row.information]
        for family in ("task", "report")
    )
    assert ([one.size for one in by_task], [one.size for one in whole]) == ([1, 1], [2, 2])
    raw = [one.accuracy.p for one in by_task]
    assert [one.p_corrected for one in by_task] == pytest.approx(raw)
    assert [one.p_corrected for one in whole] == pytest.approx(multipletests(raw, method="holm")[1])
    assert "over these comparisons of the report, a family of their own" in reading(report["report"])


@pytest.mark.parametrize("correction", CHOICES["correction"])
def test_an_interval_excludes_zero_where_the_verdict_does(tmp_path, correction):
    for one in core(two_tasks(tmp_path, correction=correction, family="report")):
        low, high = one.interval
        assert (one.p_corrected < 0.05) == (low >= 0 or high <= 0)
        plain = one.accuracy.high - one.accuracy.low
        assert high - low > plain or 0 in (low, high), "wider, or cut at 0"


def test_intervals_of_holm_are_bonferronis(tmp_path):
    for one in core(two_tasks(tmp_path, family="report")):
        wide = np.array(interval(one.accuracy, 0.025 / 5))
        kept = np.array(one.interval)
        assert (np.isclose(kept, wide) | (kept == 0)).all()


def test_an_interval_ends_at_100_points():
    assert clipped(0.3, (-1.7, 2.3), rejected=False, rules=Rules()) == (-1.0, 1.0)
    assert clipped(-0.3, (-1.7, 0.2), rejected=True, rules=Rules()) == (-1.0, 0.0)


def test_plain_intervals_are_those_of_each_comparison(tmp_path):
    for one in core(two_tasks(tmp_path, intervals="plain")):
        assert one.interval == pytest.approx((one.accuracy.low, one.accuracy.high))
        assert one.interval_f1 == pytest.approx((one.macro_f1.low, one.macro_f1.high))


def test_an_interval_ends_at_zero_where_only_a_later_step_of_holm_rejects(tmp_path):
    store = FakeStore(tmp_path, rows=150)
    for label, skill in {"ce": 1.0, "a": 4.0, "b": 2.1}.items():
        store.method(label, skill=skill)
    (section,) = build(store.manifest(), tmp_path, Rules()).sections
    found = {row.label: row.paired for row in section.rows if row.paired.family}
    b = found["b"]
    assert b.p_corrected < 0.05 < 2 * b.accuracy.p, "the second of two steps rejects"
    assert b.interval[0] == 0
    assert b.interval[1] == pytest.approx(interval(b.accuracy, 0.0125)[1])
