import numpy as np
import pytest
from scipy.stats import ttest_1samp

from bench.leaderboard.build import build
from bench.leaderboard.formats.answer import answer, answer_json, larger
from bench.leaderboard.formats.to_markdown import as_markdown
from bench.leaderboard.informative import FEWEST_UPDATES, at_chance, beats_majority
from tests.bench.leaderboard.fake_store import FakeStore

SKILLS = {"ce": 1.0, "dimp": 2.0, "real-only": 1.5}


def section_of(folder, skills=SKILLS, **options):
    store = FakeStore(folder, **{"rows": 300, **options})
    for label, skill in skills.items():
        store.method(label, skill=skill)
    return build(store.manifest(), store.root)


@pytest.mark.parametrize(
    ("options", "skills", "reason"),
    [
        ({}, SKILLS, None),
        ({"seeds": (3,)}, SKILLS, "one seed"),
        ({"preset": "smoke"}, SKILLS, "smoke test"),
        ({"settings": {"updates": FEWEST_UPDATES - 1}}, SKILLS, "smoke test"),
        ({"settings": {"updates": FEWEST_UPDATES}}, SKILLS, None),
        ({}, dict.fromkeys(SKILLS, -1.0), "no method is shown to be better than a constant guess"),
        ({}, {**SKILLS, "ce": -1.0}, "the baseline ce is at chance"),
        (
            {"rows": 80, "seeds": (0, 1)},
            {"ce": 2.4, "focal": 2.2, "dimp": 2.3, "imp": 2.1, "superloss": 2.0, "ce-mix": 2.6},
            "no difference, however large",
        ),
    ],
)
def test_each_reason_withholds_verdicts_and_ranking(tmp_path, options, skills, reason):
    report = build_report = section_of(tmp_path, skills, **options)
    (section,) = build_report.sections
    if reason is None:
        assert section.uninformative == ()
        assert section.advice is not None
        return
    assert any(reason in one for one in section.uninformative)
    assert section.advice is None
    assert section.pairs is None
    assert [row.label for row in section.rows] == sorted(skills)
    assert {row.paired.verdict.word for row in section.rows} == {""}
    assert {row.best for row in section.rows} == {None}
    (banner,) = answer(section)
    assert banner.startswith("**Not informative: ")
    assert reason in as_markdown(report).split("| method |")[0]
    assert answer_json(section) == {"informative": False, "reasons": list(section.uninformative)}


@pytest.mark.parametrize(
    ("options", "ways"),
    [
        ({}, " What may help: training every layer (`--preset full`)."),
        ({"preset": "full"}, ""),
        (
            {
                "source": "files",
                "sizes": {"generated": 1000, "real": 300, "pool": 3668, "test": 300},
                "generated_size": {"used": 1000, "of": 6000, "cause": "preset full; --generated-rows all"},
                "preset": "full",
            },
            " What may help: all 3,668 real rows (`[real=3668]` after the task in `--tasks`, or `--tasks "
            '"files[real=3668]"` with `--generated`); all 6,000 generated rows (`--generated-rows all`).',
        ),
    ],
)
def test_the_banner_names_what_may_help(tmp_path, options, ways):
    (section,) = section_of(tmp_path, dict.fromkeys(SKILLS, -1.0), **options).sections
    (banner,) = answer(section)
    assert banner.endswith(f"Methods are in alphabetical order.{ways}")


def test_the_banner_names_more_seeds_where_two_find_nothing(tmp_path):
    """All rows and `--preset full` do not help where t has one degree of freedom."""
    skills = {"ce": 2.4, "focal": 2.2, "dimp": 2.3, "imp": 2.1, "superloss": 2.0, "ce-mix": 2.6}
    (section,) = section_of(tmp_path, skills, rows=80, seeds=(0, 1)).sections
    assert "no difference, however large" in section.uninformative[-1]
    assert "What may help: more seeds (`--seeds 5`); training every layer" in next(answer(section))


def test_more_repeats_of_folds_may_help():
    spec = {
        "preset": "full",
        "seeds": [0, 1, 2, 3, 4],
        "cross_validation": {"folds": 5},
        "sizes": {"real": 80, "pool": 100},
    }
    assert list(larger(spec)) == ["another repeat of the folds (`--seeds 10`)"]


def test_a_constant_guess_is_beaten_as_scipy_says(tmp_path):
    store = FakeStore(tmp_path, rows=150)
    store.method("ce", skill=0.7)
    (section,) = build(store.manifest(), store.root).sections
    right = np.stack([store.correct("ce", seed, 0.7) for seed in store.seeds]).mean(axis=0)
    guess = store.labels == np.bincount(store.labels).argmax()
    p = ttest_1samp(right - guess, 0).pvalue
    assert 0.001 < p < 0.2, "the case must be close to the limit"
    assert (beats_majority(section.rows, section.test) == {"ce"}) == (p < 0.05)
    shares = np.bincount(store.labels) / len(store.labels)
    recall = right / (2 * shares[store.labels])
    assert recall.mean() == pytest.approx(np.mean([right[store.labels == k].mean() for k in (0, 1)]))
    assert at_chance(section.rows[0], section.test) == (ttest_1samp(recall, 0.5).pvalue >= 0.05)


def test_an_unbalanced_baseline_below_the_majority_is_not_at_chance(tmp_path):
    store = FakeStore(tmp_path, rows=400)
    store.labels = (np.arange(400) >= 80).astype(int)  # 80 % of class 1
    store.section["majority"] = 0.8
    for label, skill in {"ce": 1.4, "dimp": 6.0}.items():
        store.method(label, skill=skill)
    (section,) = build(store.manifest(), store.root).sections
    base = next(row for row in section.rows if row.label == "ce")
    assert base.accuracy.mean < 0.8
    assert section.uninformative == ()


def test_a_task_that_is_not_informative_is_left_out_across_tasks(tmp_path):
    stores = []
    for name, skill in (("a", 1.5), ("b", 1.5), ("c", -2.0)):
        store = FakeStore(tmp_path / name, task=name, task_ref=name, rows=200)
        for label, more in {"ce": 0.0, "dimp": 1.0}.items():
            store.method(label, skill=skill + more if skill > 0 else skill)
            entry = store.section["methods"][-1]
            entry["cells"] = {seed: f"{name}/{path}" for seed, path in entry["cells"].items()}
        stores.append(store)
    text = as_markdown(build(stores[0].manifest(*stores[1:]), tmp_path))
    assert "2 tasks: a, b (" in text
    assert "Not included, because their sections are not informative: c." in text
