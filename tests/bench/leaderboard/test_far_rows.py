"""A seed far from the others of its method is named, counts, and comes with the verdicts without it."""

from dataclasses import replace

import numpy as np
import pytest

from bench.leaderboard.build import build
from bench.leaderboard.compare.far_rows import far_seeds
from bench.leaderboard.formats.doubts import doubts, few_rows
from bench.leaderboard.rules import CHOICES, Rules
from tests.bench.leaderboard.fake_store import FakeStore

USUAL = {0: 0.80, 1: 0.81, 2: 0.79, 3: 0.80}


@pytest.mark.parametrize(
    ("seeds", "expected"),
    [
        ({**USUAL, 3: 0.55}, [("b", 3)]),
        ({**USUAL, 3: 0.99}, [("b", 3)]),
        ({**USUAL, 3: 0.76}, []),  # less than five points
        ({0: 0.80, 1: 0.50}, []),  # of two, either may be the odd one
        (USUAL, []),
    ],
)
def test_the_rule(seeds, expected):
    assert far_seeds({"a": USUAL, "b": seeds, "c": USUAL}) == expected
    assert far_seeds({"a": USUAL, "b": seeds}) == expected, "the other method tells how far seeds usually lie apart"


def test_where_seeds_spread_widely_none_is_far():
    wide = {0: 0.6, 1: 0.8, 2: 0.7, 3: 0.9}
    assert far_seeds({"a": wide, "b": {**wide, 3: 0.5}}) == []


@pytest.fixture
def collapsed(tmp_path):
    """A section in which one of five seeds of dimp collapsed."""
    store = FakeStore(tmp_path / "runs", rows=400, seeds=(0, 1, 2, 3, 4))
    store.method("ce").method("dimp", skill=2.2).method("focal", skill=1.05)
    path = store.section["methods"][1]["cells"]["3"]
    store.cell(path, store.logits("dimp", 3, -1.0))
    (section,) = build(store.manifest(), store.root, Rules()).sections
    return section


def test_the_report_names_it_and_the_verdict_without_it(collapsed):
    (one,) = collapsed.far
    assert (one.label, one.seed) == ("dimp", 3)
    assert one.words["dimp"] == ("undecided", "better")
    row = next(row for row in collapsed.rows if row.label == "dimp")
    assert len(row.cells) == 5, "the seed counts"
    assert row.paired.verdict.word == "undecided"
    text = "\n".join(doubts(collapsed))
    assert f"- dimp, seed 3: accuracy {100 * row.cells[3].accuracy:.1f} %" in text
    assert "Without it: dimp better (with it undecided)" in text


@pytest.mark.parametrize("family", CHOICES["family"])
@pytest.mark.parametrize("label", ["dimp", "ce", "mine"])
def test_the_verdicts_without_it_have_the_family_of_the_table(tmp_path, family, label):
    """As if the seed had not been planned, in a report of the same tasks."""
    skills = {"ce": 1.0, "dimp": 1.6, "focal": 1.3, "imp": 1.4, "mine": 1.3}

    def sections(name, planned):
        stores = []
        for task in ("a", "b"):
            root = tmp_path / name / task
            store = FakeStore(root, rows=400, seeds=(0, 1, 2, 3, 4), task=task, task_ref=task, title=task)
            for method, skill in skills.items():
                store.method(method, skill=skill, core=method != "mine")
                entry = store.section["methods"][-1]
                if (task, method) == ("a", label):
                    store.cell(entry["cells"]["4"], store.logits(method, 4, -1.0))
                    entry["cells"] = {seed: path for seed, path in entry["cells"].items() if int(seed) in planned}
                entry["cells"] = {seed: f"{task}/{path}" for seed, path in entry["cells"].items()}
            stores.append(store)
        return build(stores[0].manifest(stores[1]), tmp_path / name, Rules(family=family)).sections

    whole, fewer = (
        {row.label: row.paired.verdict.word for row in sections(name, seeds)[0].rows}
        for name, seeds in (("whole", range(5)), ("fewer", range(4)))
    )
    (one,) = sections("again", range(5))[0].far
    assert (one.label, one.seed) == (label, 4)
    expected = {name: (whole[name], fewer[name]) for name in whole if whole[name] != fewer[name] or name == label}
    assert one.words == {name: pair for name, pair in expected.items() if any(pair)}
    assert one.words


def test_macro_f1_has_no_interval_where_a_class_has_few_rows(tmp_path):
    store = FakeStore(tmp_path / "runs", rows=200)
    store.labels[:] = np.arange(200) < 4  # class 1 has four rows
    for label, skill in (("ce", 1.0), ("dimp", 2.5)):
        store.method(label, skill=skill)
    (section,) = build(store.manifest(), store.root, Rules()).sections
    assert section.test.few == {1: 4}
    dimp = next(row for row in section.rows if row.label == "dimp").paired
    assert np.isnan([dimp.macro_f1.low, dimp.macro_f1.high, dimp.macro_f1.p]).all()
    assert dimp.interval_f1 is None
    assert not np.isnan(dimp.accuracy.p)
    assert "class 1 (4 test rows)" in "\n".join(doubts(section))
    baseline = [row for row in section.rows if row.is_baseline]
    assert not list(few_rows(replace(section, rows=baseline))), "there is no difference of macro-F1"
