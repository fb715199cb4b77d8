import itertools
import json
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import rankdata
from statsmodels.stats.multitest import multipletests

from bench.leaderboard import write_report
from bench.leaderboard.build import build
from bench.leaderboard.columns import OVERALL, overall_columns
from bench.leaderboard.compare.across_tasks import overall, ranks_of
from bench.leaderboard.figures.ranks import alike, critical_difference, ranks
from bench.leaderboard.figures.style import render, styled
from bench.leaderboard.formats.across import after_across
from bench.leaderboard.formats.to_markdown import as_markdown
from bench.stats.crossed import compare
from bench.stats.strata import strata
from tests.bench.leaderboard.fake_store import FakeStore


def task(root, name, methods, **section):
    """A section whose cells lie in a folder of its own."""
    store = FakeStore(root / name, task=name, task_ref=name, title=name, **section)
    for label, skill in methods.items():
        store.method(label, skill=skill, failed=[0] if skill is None else ())
        cells = store.section["methods"][-1]["cells"]
        store.section["methods"][-1]["cells"] = {seed: f"{name}/{path}" for seed, path in cells.items()}
    return store


def table_of(root, *stores):
    return build(stores[0].manifest(*stores[1:]), root)


METHODS = {"ce": 1.0, "dimp": 2.5, "focal": 0.8}


def test_means_wins_and_ranks(tmp_path):
    stores = [task(tmp_path, name, METHODS, rows=rows) for name, rows in (("a", 150), ("b", 80), ("c", 60))]
    table = table_of(tmp_path, *stores)
    (group,) = overall(table.sections)
    assert group.tasks == ("a", "b", "c")
    rows = {row.label: row for row in group.rows}
    assert group.rows[0].label == "dimp"
    assert (rows["dimp"].wins, rows["dimp"].losses) == (3, 0)
    assert (rows["ce"].wins, rows["ce"].ties, rows["ce"].losses, rows["ce"].gain) == (0, 0, 0, None)
    assert rows["focal"].wins + rows["focal"].ties + rows["focal"].losses == 3
    each = []
    for store in stores:
        right = [np.stack([store.correct(n, s, METHODS[n]) for s in store.seeds]).astype(float) for n in ("dimp", "ce")]
        each.append(compare(*right))
    gain, mean = rows["dimp"].gain, strata(each)
    assert gain.difference == pytest.approx(np.mean([one.difference for one in each]))
    assert gain.high - gain.low == pytest.approx(2 * mean.half_width(0.025 / 2)), "two core methods"
    p = {"dimp": mean.p(), "focal": rows["focal"].gain.p}
    assert [rows[name].gain.p_corrected for name in p] == pytest.approx(multipletests([*p.values()], method="holm")[1])
    assert (gain.word, rows["focal"].gain.word) == ("better", "undecided")
    assert sum(row.rank for row in group.rows) == pytest.approx(1 + 2 + 3)


def test_a_method_that_lacks_a_task_is_not_ranked(tmp_path):
    stores = [task(tmp_path, "a", {**METHODS, "imp": 9.0}), task(tmp_path, "b", METHODS)]
    (group,) = overall(table_of(tmp_path, *stores).sections)
    assert {row.label for row in group.rows} == set(METHODS)
    assert group.left_out == {"imp": ("b",)}
    write_report(stores[0].manifest(stores[1]), tmp_path, tmp_path / "reports", figures=False)
    text = (tmp_path / "reports" / "leaderboard.md").read_text()
    assert "## Across tasks" in text
    assert "Not ranked, because a task has no complete result that can be compared: imp (b)." in text
    assert "With only 2 tasks, do not generalise to others." in text
    page = (tmp_path / "reports" / "leaderboard.html").read_text()
    sections, _, parts = page.partition('id="method-')
    assert sections.count("<table>") == 5
    assert parts.count('aria-label="results of ') == len({*METHODS, "imp"})
    value = json.loads((tmp_path / "reports" / "leaderboard.json").read_text())
    assert value["overall"][0]["rows"][0]["label"] == "dimp"


def test_variants_of_a_task_and_other_sources_do_not_count_as_tasks(tmp_path):
    a = task(tmp_path, "a", METHODS)
    noisy = task(tmp_path, "noisy", METHODS)
    noisy.section.update(task="a", task_ref="a[noise=0.2]")
    other = task(tmp_path, "b", METHODS, source="local")
    assert overall(table_of(tmp_path, a, noisy).sections) == ()
    assert overall(table_of(tmp_path, a, other).sections) == ()
    third = task(tmp_path, "c", METHODS)
    (group,) = overall(table_of(tmp_path, a, noisy, third, other).sections)
    assert group.tasks == ("a", "c")


@pytest.mark.parametrize(("methods", "tasks", "expected"), [(5, 10, 1.929), (2, 9, 0.653), (10, 30, 2.473)])
def test_critical_difference_is_demsars(methods, tasks, expected):
    assert critical_difference(methods, tasks) == pytest.approx(expected, abs=2e-3)


def test_runs_of_ranks_that_do_not_differ_significantly():
    assert alike([1.0, 1.5, 2.5, 4.0], 1.6) == [(0, 2), (2, 3)]
    assert alike([1.0, 3.0, 5.0], 1.0) == []


def test_a_diagram_from_eight_tasks_on(tmp_path):
    stores = [task(tmp_path, f"t{i}", {**METHODS, "ce": 1.5, "imp": 1.0}, rows=90) for i in range(8)]
    (group,) = overall(table_of(tmp_path, *stores).sections)
    assert ranks(group) is not None
    (group,) = overall(table_of(tmp_path, *stores[:7]).sections)
    assert ranks(group) is None


def test_ranks_are_scipys():
    values = [0.5, 0.7, 0.7, 0.1, 0.5, 0.5]
    assert ranks_of(values) == rankdata([-value for value in values]).tolist()


def test_ties_of_the_same_hits_are_ties(tmp_path):
    hits = {"ce": (30, 32, 47), "dimp": (31, 32, 46)}  # 109 of 150 both; the means differ in their last digit
    stores = []
    for name in ("a", "b"):
        store = task(tmp_path, name, dict.fromkeys(hits, 1.0), rows=50)
        for entry in store.section["methods"]:
            for path, right in zip(entry["cells"].values(), hits[entry["label"]], strict=True):
                logits = np.zeros((50, 2), np.float32)
                logits[np.arange(50), np.where(np.arange(50) < right, store.labels, 1 - store.labels)] = 1
                store.cell(path.removeprefix(f"{name}/"), logits)
        stores.append(store)
    (group,) = overall(table_of(tmp_path, *stores).sections)
    assert [row.rank for row in group.rows] == [1.5, 1.5]


def test_without_a_baseline_there_are_no_verdicts(tmp_path):
    stores = [task(tmp_path, name, {"imp": 1.6, "dimp": 2.5}) for name in ("a", "b")]
    (group,) = overall(table_of(tmp_path, *stores).sections)
    assert {(row.wins, row.ties, row.losses) for row in group.rows} == {(0, 0, 0)}
    ties = next(column for column in OVERALL if column.key == "ties")
    assert [ties.render(row) for row in group.rows] == ["–", "–"]


def test_a_task_with_several_sections_is_named_and_other_settings_are_not_summarised(tmp_path):
    training = {"updates": 48, "lr": 0.0003}
    a, b, c = (task(tmp_path, name, METHODS, training=training) for name in ("a", "b", "c"))
    again = task(tmp_path, "again", METHODS, training=training, sizes={"test": 20})
    again.section.update(task="a", task_ref="a")
    table = table_of(tmp_path, a, b, c, again)
    (group,) = overall(table.sections)
    assert (group.tasks, group.omitted) == (("b", "c"), ("a",))
    assert "several sections of the task could represent it: a." in "\n".join(after_across(group))
    c.section["training"] = {**training, "updates": 4800}
    assert overall(table_of(tmp_path, b, c).sections) == ()


def test_exploratory_methods_are_marked_and_the_family_is_named(tmp_path):
    stores = [task(tmp_path, name, {**METHODS, "imp": 3.0}, rows=60) for name in ("a", "b")]
    for store in stores:
        store.section["methods"][-1]["core"] = False
    table = table_of(tmp_path, *stores)
    (group,) = overall(table.sections)
    imp = next(row for row in group.rows if row.label == "imp")
    shown = {column.key: column.render(imp) for column in overall_columns(group)}
    assert (shown["label"], shown["p_corrected"], shown["verdict"]) == ("imp †", "†", "better, exploratory")
    assert shown["wins"].endswith(" †")
    assert group.family == 2, "dimp and focal"
    text = "\n".join(after_across(group))
    assert "Verdicts are corrected per task." in text
    assert "up to 10 % of tables of 2 tasks would have a false *better* or *worse* of a core method" in text
    assert "new seeds and test rows" in text


def test_sections_of_one_seed_are_not_summarised(tmp_path):
    stores = [task(tmp_path, name, METHODS, rows=60, seeds=(0,)) for name in ("a", "b")]
    assert overall(table_of(tmp_path, *stores).sections) == ()


@pytest.mark.parametrize(("seeds", "ranked"), [(2, {"ce", "focal", "dimp"}), (1, {"ce", "focal"})])
def test_a_method_with_fewer_seeds_on_a_task(tmp_path, seeds, ranked):
    """All of its cells are done. One seed says nothing about new seeds."""
    stores = [task(tmp_path, name, METHODS, rows=60) for name in ("a", "b")]
    entry = stores[1].section["methods"][1]
    entry["cells"] = dict(list(entry["cells"].items())[:seeds])
    (group,) = overall(table_of(tmp_path, *stores).sections)
    assert {row.label for row in group.rows} == ranked
    assert group.family == 2, "dimp was planned"


def test_the_numbers_of_many_ranks_do_not_overlap():
    names = [f"m{place}" for place in range(40)]
    rows = [SimpleNamespace(label=name, rank=float(place + 1)) for place, name in enumerate(names)]
    with styled():
        plot = ranks(SimpleNamespace(tasks=["a"] * 10, rows=rows, sharing=()))
        render(plot)
        boxes = [text.get_window_extent() for text in plot.axes[0].get_xticklabels()]
    assert len(boxes) == 20
    assert all(one.x1 < two.x0 for one, two in itertools.pairwise(boxes))


def test_an_encoder_that_was_moved_is_the_same(tmp_path):
    """Two tasks trained with one encoder at two paths had no summary."""
    stores = [task(tmp_path, name, METHODS, encoder=f"/{name}/minilm") for name in ("a", "b")]
    (group,) = overall(table_of(tmp_path, *stores).sections)
    assert (group.tasks, group.spec["encoder"]) == (("a", "b"), "/a/minilm")
    stores[1].section["encoder_hash"] = "other"
    assert overall(table_of(tmp_path, *stores).sections) == ()


@pytest.mark.parametrize("entry", [{"hashes": {"generated": "9e4e", "test": "7e57"}}, {"drawn_from": "d4a3"}])
def test_tasks_that_share_test_rows_have_no_verdict_on_the_mean(tmp_path, entry):
    """Several generated sets with one test: 16 % of equal methods had a false verdict on the mean of four tasks."""
    methods = {**METHODS, "ce": 1.5, "imp": 1.0}
    stores = [task(tmp_path, f"t{i}", methods, rows=90, **(entry if i in (2, 5) else {})) for i in range(8)]
    for store in stores:
        store.section["methods"][1]["core"] = False
    table = table_of(tmp_path, *stores)
    (group,) = overall(table.sections)
    assert group.sharing == ("t2", "t5")
    for label in ("dimp", "imp"):
        (row,) = (row for row in group.rows if row.label == label)
        found = [one.paired.accuracy.difference for part in table.sections for one in part.rows if one.label == label]
        assert row.gain.difference == pytest.approx(np.mean(found))
        assert np.isnan([row.gain.low, row.gain.high, row.gain.p, row.gain.p_corrected]).all()
        assert row.gain.word == ""
    assert ranks(group) is None
    shown = {column.key: column.title for column in overall_columns(group)}
    assert shown["difference"] == "mean Δ accuracy"
    assert not shown.keys() & {"p", "p_corrected", "verdict"}
    text = as_markdown(table)
    assert "**t2, t5 are tested on the same rows, or on draws from the same rows, so their differences are not" in text
    assert "Intervals are for new seeds and test rows of these 8 tasks" not in text
