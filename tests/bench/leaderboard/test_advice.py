import numpy as np
import pytest

from bench.leaderboard.advice import complexity
from bench.leaderboard.build import build
from bench.leaderboard.formats.answer import answer, answer_json
from bench.leaderboard.results import Helps
from bench.stats.crossed import compare
from tests.bench.leaderboard.fake_store import FakeStore

NEEDS = {"real_use": "checker", "real_rows": 100}


def section_of(folder, skills, *, rows=400, seeds=(0, 1, 2, 3, 4), exploratory=()):
    store = FakeStore(folder, rows=rows, seeds=seeds)
    for label, skill in skills.items():
        store.method(label, skill=skill, core=label not in exploratory)
    (section,) = build(store.manifest(), store.root).sections
    return store, section


def test_generated_rows_that_help_and_a_method_that_stands_out(tmp_path):
    skills = {"ce": 1.0, "real-only": 0.8, "ce-mix": 1.3, "dimp": 3.0}
    store, section = section_of(tmp_path, skills)
    advice = section.advice
    assert (advice.helps, advice.choice, advice.rivals) == (Helps.YES, "dimp", ())
    right = {
        label: np.stack([store.correct(label, seed, skill) for seed in store.seeds]).astype(float)
        for label, skill in skills.items()
    }
    for against, reference in ((advice.over_plain, "ce"), (advice.over_real, "real-only")):
        expected = compare(right["dimp"], right[reference])
        assert against.reference == reference
        assert against.paired.accuracy.difference == pytest.approx(expected.difference)
        assert against.paired.verdict.word == "better"
    (text,) = answer(section)
    first, second, third = text.splitlines()
    assert first.startswith("- **Does the generated set help?** Yes: ")
    assert "**dimp**" in second
    assert third.startswith("- **What is open?** No comparison")


def test_the_simplest_of_equals_is_chosen(tmp_path):
    skills = dict.fromkeys(("dimp", "superloss", "ce-mix", "ce", "real-only"), 1.5)
    _, section = section_of(tmp_path, skills)
    advice = section.advice
    assert advice.helps is Helps.OPEN
    assert advice.choice in ("ce", "real-only")
    assert len(advice.rivals) >= 2
    (text,) = answer(section)
    assert "is shown to be better than the real rows alone" in text
    assert "would settle it" in text


def test_a_set_that_hurts(tmp_path):
    _, section = section_of(tmp_path, {"ce": 0.8, "focal": 0.9, "real-only": 3.0})
    assert (section.advice.helps, section.advice.choice) == (Helps.NO, "real-only")
    assert section.advice.over_real is None
    assert section.advice.over_plain.paired.verdict.word == "better"
    assert "No: none of 2 core methods" in next(answer(section))


def test_without_real_only_it_is_not_known_whether_the_set_helps(tmp_path):
    _, section = section_of(tmp_path, {"ce": 1.0, "dimp": 3.0})
    assert section.advice.helps is Helps.UNKNOWN
    assert "Not known, as real-only" in next(answer(section))


def test_an_exploratory_method_is_named_and_never_chosen(tmp_path):
    _, section = section_of(tmp_path, {"ce": 1.0, "real-only": 0.9, "mine": 4.0}, exploratory=("mine",))
    assert section.advice.choice in ("ce", "real-only")
    assert section.advice.exploratory_above == ("mine",)
    assert "to be confirmed on new seeds: mine" in next(answer(section))


def test_order_of_simplicity(tmp_path):
    _, section = section_of(tmp_path, dict.fromkeys(("dimp", "ce-mix", "real-only"), 1.5))
    assert [row.label for row in sorted(section.rows, key=complexity)] == ["real-only", "ce-mix", "dimp"]


def test_the_json_has_the_numbers_of_the_sentences(tmp_path):
    _, section = section_of(tmp_path, {"ce": 1.0, "real-only": 0.9, "ce-mix": 1.3, "dimp": 1.4})
    value = answer_json(section)
    assert value["informative"] is True
    assert value["choice"] == section.advice.choice
    assert len(value["sentences"]) == 3
    question = value["open"]
    assert question["verdict"] == "undecided"
    assert question["low"] < question["difference"] < question["high"]


def test_of_equal_methods_a_simple_one_is_chosen_with_at_least_95_per_cent(tmp_path):
    """20 draws: no more than one may choose a method that is not among the simplest."""
    chosen = []
    for draw in range(20):
        store = FakeStore(tmp_path / str(draw), rows=200)
        rng = np.random.default_rng(draw)
        for label in ("ce", "real-only", "ce-mix", "dimp", "focal"):
            store.method(label, missing=store.seeds)
            for path in store.section["methods"][-1]["cells"].values():
                logits = rng.normal(size=(200, 2)).astype(np.float32)
                logits[np.arange(200), store.labels] += 1.5
                store.cell(path, logits)
        (section,) = build(store.manifest(), store.root).sections
        chosen.append(section.advice.choice)
    assert sum(label in ("ce", "real-only") for label in chosen) >= 19
