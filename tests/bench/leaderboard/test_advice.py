import re

import numpy as np
import pytest

from bench.leaderboard.advice import advise, complexity
from bench.leaderboard.build import build
from bench.leaderboard.columns import gain, section_columns
from bench.leaderboard.formats.answer import answer, answer_json, helps, settle
from bench.leaderboard.formats.doubts import two_seeds
from bench.leaderboard.results import Helps
from bench.leaderboard.rules import CHOICES, Rules
from bench.stats.crossed import compare
from bench.stats.multiple import holm
from bench.stats.needed import Count, Needed
from tests.bench.leaderboard.fake_store import FakeStore


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
    assert third == "- **What is open?** No core method is undecided against the choice."


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
    _, second, _ = text.splitlines()
    assert second.startswith("- **Which method?** Open: no core method is shown to differ from another.")
    assert re.findall(r"\*\*(.*?)\*\*", second) == ["Which method?", "real-finetune"], "one method, not two"


def test_where_something_is_decided_the_choice_is_named(tmp_path):
    """Another method beside it, for the case that nothing is decided, stood six lines below."""
    for number, skills in enumerate(
        ({"ce": 0.5, "real-only": 0.5, "dimp": 3.0}, {"ce": 3.0, "real-only": 0.5, "dimp": 3.0})
    ):
        _, section = section_of(tmp_path / str(number), skills)
        second = next(answer(section)).splitlines()[1]
        assert second.startswith(f"- **Which method?** **{section.advice.choice}**, ")
        assert "real-finetune" not in second


def test_a_default_that_is_shown_to_be_worse_is_not_named(tmp_path):
    skills = {"ce": 1.5, "real-only": 1.5, "ce-mix": 1.5, "real-finetune": -2.0}
    _, section = section_of(tmp_path, skills, exploratory=("real-finetune",))
    assert "**real-finetune**" not in next(answer(section))


def test_a_default_that_is_worse_than_the_choice_is_not_named(tmp_path):
    """It was recommended, to be compared, where the comparison was done and lost."""
    skills = {"ce": 1.4, "real-only": 1.5, "real-finetune": 1.2}
    _, section = section_of(tmp_path, skills, exploratory=("real-finetune",), seeds=(0, 1))
    words = {row.label: row.paired.verdict.word for row in section.rows if row.paired is not None}
    assert words["real-finetune"] == "undecided", "against ce"
    assert section.advice.over_choice.paired.verdict.word == "worse"
    assert "**Which method?** **real-only**, " in next(answer(section))


def test_a_comparison_that_is_done_is_not_asked_for(tmp_path):
    skills = dict.fromkeys(("ce", "real-only", "real-finetune"), 1.5)
    for exploratory in ({"real-finetune"}, set()):
        labels = skills if exploratory else {"ce": 1.5, "real-only": 1.5}
        _, section = section_of(tmp_path / str(len(labels)), labels, exploratory=exploratory)
        second = next(answer(section)).splitlines()[1]
        assert "train **real-finetune**" in second
        assert ("compares it" in second) == (not exploratory)


def test_a_set_that_hurts(tmp_path):
    _, section = section_of(tmp_path, {"ce": 0.8, "focal": 0.9, "real-only": 3.0})
    assert (section.advice.helps, section.advice.choice) == (Helps.NO, "real-only")
    assert section.advice.over_real is None
    assert section.advice.over_plain.paired.verdict.word == "better"
    text = next(answer(section))
    assert "No: none of 2 core methods" in text
    assert "a gain that matters is excluded for each" in text, "a difference is shown: both are worse"


def test_without_real_only_it_is_not_known_whether_the_set_helps(tmp_path):
    _, section = section_of(tmp_path, {"ce": 1.0, "dimp": 3.0})
    assert section.advice.helps is Helps.UNKNOWN
    assert "Not known, as real-only" in next(answer(section))


@pytest.mark.parametrize(
    ("skills", "exploratory", "sentences"),
    [
        (
            {"ce": 1.0},
            (),
            ("ce is the only complete core method", "Everything, as core methods are not compared here."),
        ),
        ({"real-only": 1.0, "mine": 1.5}, ("mine",), ("as there is no core method with generated rows",)),
        ({"mine": 1.0, "other": 1.5}, ("mine", "other"), ("None can be named, as all methods are exploratory.",)),
    ],
)
def test_the_reason_why_nothing_can_be_said(tmp_path, skills, exploratory, sentences):
    _, section = section_of(tmp_path, skills, exploratory=exploratory)
    text = "".join(answer(section))
    assert all(sentence in text for sentence in sentences)


def test_nothing_is_claimed_of_a_section_without_a_cell(tmp_path):
    """It said that all 0 methods are shown to be better than the most frequent class."""
    store = FakeStore(tmp_path).method("ce", missing=(0, 1, 2)).method("real-only", missing=(0, 1, 2))
    (section,) = build(store.manifest(), store.root).sections
    assert section.advice is None
    first = helps(section, advise(section.rows, lambda label: {}, frozenset()))
    assert first == "**Does the generated set help?** Not known, as real-only (the real rows alone) has no result here."


def test_methods_without_a_comparison_are_counted(tmp_path):
    store = FakeStore(tmp_path, rows=400)
    store.method("ce", skill=0.8).method("real-only", skill=3.0).method("dimp", failed=(1,)).method("imp", failed=(2,))
    (section,) = build(store.manifest(), store.root).sections
    text = next(answer(section))
    assert "2 more without a comparison" in text
    assert (section.advice.closest.paired.verdict.word, section.advice.helps) == ("worse", Helps.OPEN)
    assert "Not shown: the one core method" in text, "dimp and imp may be better, so it is no No"
    store.method("real-only", skill=3.0, failed=(0,))
    store.section["methods"].pop(1)
    (section,) = build(store.manifest(), store.root).sections
    assert "Not known, as real-only (the real rows alone) is incomplete: 2/3" in next(answer(section))


def test_a_method_that_only_the_one_sided_test_rules_out_is_said_to_be_so(tmp_path):
    """One-sided at 5 % real-only beats dimp, two-sided it does not: not ruled out, beside a column with no."""
    _, section = section_of(tmp_path, {"real-only": 1.5, "dimp": 1.36}, rows=500)
    rows = {row.label: row for row in section.rows}
    assert (rows["real-only"].best, rows["dimp"].best) == (True, False)
    assert section.advice.question.paired.verdict.word == "undecided"
    assert (section.advice.choice, section.advice.rivals) == ("real-only", ())
    text = next(answer(section))
    assert "**real-only**, the only core method that no other is shown to beat; dimp is shown to be worse" in text
    assert "undecided against real-only by the two-sided one of the verdict" in text
    assert answer_json(section)["not_ruled_out"] == [row.label for row in section.rows if row.best][1:]


def test_an_exploratory_method_is_named_and_never_chosen(tmp_path):
    _, section = section_of(tmp_path, {"ce": 1.0, "real-only": 0.9, "mine": 4.0}, exploratory=("mine",))
    assert section.advice.choice in ("ce", "real-only")
    assert section.advice.exploratory_above == ("mine",)
    assert "to be confirmed on new seeds: mine" in next(answer(section))


def test_a_method_that_stands_below_the_choice_may_be_undecided_against_it(tmp_path):
    """The advice said that nothing is undecided, beside a table in which dimp was, against the choice."""
    _, section = section_of(tmp_path, {"ce": 1.5, "real-only": -1.0, "dimp": 1.45})
    ce, dimp, _ = section.rows
    assert (ce.label, dimp.label, dimp.paired.verdict.word) == ("ce", "dimp", "undecided")
    assert (section.advice.helps, section.advice.choice) == (Helps.YES, "ce")
    assert (section.advice.question.label, section.advice.question.reference) == ("dimp", "ce")
    assert "**What is open?** Whether dimp is better than plain cross-entropy (ce)" in next(answer(section))


def test_order_of_simplicity(tmp_path):
    _, section = section_of(tmp_path, dict.fromkeys(("dimp", "ce-mix", "real-only"), 1.5))
    ordered = sorted(section.rows, key=lambda row: complexity(row, ["ce-mix"]))
    assert [row.label for row in ordered] == ["real-only", "ce-mix", "dimp"]


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


def test_the_family_of_the_advice_is_that_of_the_report(tmp_path):
    skills = {"ce": 1.0, "real-only": 0.9, "dimp": 1.6, "focal": 1.2}
    stores = [FakeStore(tmp_path / name, rows=200, task=name, task_ref=name) for name in ("a", "b", "c")]
    for store, name in zip(stores, ("a", "b", "c"), strict=True):
        for label, skill in skills.items():
            if (label, name) != ("real-only", "c"):
                store.method(label, skill=skill)
                entry = store.section["methods"][-1]
                entry["cells"] = {seed: f"{name}/{path}" for seed, path in entry["cells"].items()}
    manifest = stores[0].manifest(*stores[1:])
    found = {family: build(manifest, tmp_path, Rules(family=family)).sections for family in CHOICES["family"]}
    raw = []
    for place in range(2):
        right = {
            label: np.stack([stores[place].correct(label, seed, skill) for seed in stores[place].seeds]).astype(float)
            for label, skill in skills.items()
        }
        raw.append({label: compare(right[label], right["real-only"]).p for label in ("ce", "dimp", "focal")})
    whole = holm([p for one in raw for p in one.values()]).reshape(2, 3)
    for place in range(2):
        shown = {family: sections[place].advice for family, sections in found.items()}
        sizes = {family: one.closest or one.helped[0] for family, one in shown.items()}
        assert [sizes[family].paired.size for family in ("task", "report")] == [3, 6]
        for family, p in (("task", holm(list(raw[place].values()))), ("report", whole[place])):
            corrected = dict(zip(raw[place], p, strict=True))
            for one in (*shown[family].helped, shown[family].closest):
                if one is not None:
                    assert one.paired.p_corrected == pytest.approx(corrected[one.label])
    assert found["report"][2].advice.helps is Helps.UNKNOWN, "it has no real-only"


@pytest.mark.parametrize(
    ("seeds", "rows", "sentence"),
    [
        (12, 5_000, "a new run with 12 seeds in all or with 5,000 test rows in all would settle it with 80 % power"),
        (
            12,
            None,
            "with 12 seeds in all would settle it with 80 % power; more test rows alone would not (computed up to",
        ),
        (None, None, "neither 1,000 seeds nor 100,000 test rows would settle it with 80 % power"),
    ],
)
def test_numbers_out_of_reach_are_said_to_be(seeds, rows, sentence):
    more = Needed(Count(seeds, None, None, 1_000), Count(rows, None, None, 100_000))
    assert sentence in settle(more)
    if rows is None:
        assert "not even 100,000 test rows would settle it" in settle(Needed(None, more.examples))


@pytest.mark.parametrize(
    ("seeds", "sentence"),
    [
        (
            12,
            "a new run with 12 seeds in all would settle it with 80 % power; whether more test rows alone would",
        ),
        (
            None,
            "not even 1,000 seeds would settle it with 80 % power; whether more test rows",
        ),
    ],
)
def test_test_rows_of_an_open_interval_are_no_way(seeds, sentence):
    """They appear where few seeds show no variance; in 241 simulated cases their power was 3 to 25 %, not 80 %."""
    rows = Count(5_000, 3_000, None, 100_000)
    text = settle(Needed(Count(seeds, None, None, 1_000), rows))
    assert text.startswith(f"if the difference and the variances are as estimated, {sentence}")
    assert text.endswith("(80 % interval 3,000 to more than 100,000)")
    assert "with 5,000 test rows in all" in settle(Needed(None, rows)), "one seed: only rows vary"


def test_two_seeds_are_said_to_say_little(tmp_path):
    skills = {"ce": 1.0, "dimp": 1.2, "focal": 8.0}
    _, section = section_of(tmp_path, skills, seeds=(0, 1), rows=150)
    assert not section.uninformative
    (said,) = two_seeds(section)
    ends = [row.paired.shown for row in section.rows if row.label != "ce"]
    empty = sum(one.low == -1 and one.high == 1 for one in ends)
    assert empty
    assert f"{empty} of 2 intervals exclude" in said
    assert "12.7 standard errors to each side (with 3, 5 and 10 seeds 4.3, 2.8 and 2.3)" in said
    assert "[excludes nothing]" in gain(next(one for one in ends if (one.low, one.high) == (-1, 1)))
    _, more = section_of(tmp_path / "more", skills, seeds=(0, 1, 2), rows=150)
    assert not list(two_seeds(more))


def test_no_core_method_is_in_the_best_group(tmp_path):
    skills = {"ce": 1.0, "real-only": 0.9, "mine": 4.0}
    _, section = section_of(tmp_path, skills, exploratory=("mine",))
    assert not any(row.best for row in section.rows if row.spec["core"])
    (text,) = answer(section)
    assert (
        f"**{section.advice.choice}**, the simplest core method, but each that is compared is worse than some" in text
    )
    assert "no other is shown to beat" not in text


def test_the_baseline_is_the_only_core_method(tmp_path):
    """It was called the simplest of several, and the head of p said that there is none."""
    _, section = section_of(tmp_path, {"ce": 1.0, "mine": 4.0, "other": 1.0}, exploratory=("mine", "other"))
    text = next(answer(section))
    assert "**ce**, the only core method, but shown to be worse than some other method" in text
    assert "p, no other core method" in [column.title for column in section_columns(section)]


@pytest.mark.parametrize(
    ("failed", "how"), [((1,), "the same command with `--retry-failed`"), ((), "the same command")]
)
def test_a_core_method_that_lacks_cells_is_named(tmp_path, failed, how):
    """The advice said that nothing is open while the highest method had no verdict."""
    store = FakeStore(tmp_path, rows=2000, seeds=(0, 1, 2, 3, 4))
    store.method("ce", skill=0.8).method("real-only", skill=3.0)
    store.method("dimp", skill=5.0, failed=failed, missing=() if failed else (1,))
    (section,) = build(store.manifest(), store.root).sections
    *_, third = next(answer(section)).splitlines()
    assert "No core method is undecided against the choice. Not compared, " in third
    assert third.endswith(f"as cells are missing: dimp (4/5); {how} continues them.")
    assert answer_json(section)["unfinished"] == ["dimp"]


def test_failed_cells_are_trained_again_by_an_option(tmp_path):
    store = FakeStore(tmp_path, rows=200)
    for label in ("ce", "real-only", "dimp"):
        store.method(label, skill=3.0, failed=(1,))
    (section,) = build(store.manifest(), store.root).sections
    assert "the same command with `--retry-failed` continues them" in next(answer(section))
