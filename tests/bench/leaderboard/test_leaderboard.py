import json
import math
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from bench.errors import UserError
from bench.leaderboard import Rules, frame, write_report
from bench.leaderboard.build import build
from bench.leaderboard.columns import COLUMNS, MAIN
from bench.leaderboard.formats import USUAL
from bench.leaderboard.read import provenance
from bench.stats.crossed import compare, interval
from bench.stats.metrics import METRICS
from tests.bench.leaderboard.fake_store import FakeStore

GOLDEN = Path(__file__).parent / "golden" / "leaderboard.md"


@pytest.fixture
def store(tmp_path):
    return FakeStore(tmp_path / "runs")


def report(store, manifest=None, **rules):
    """The JSON and Markdown of a store, each read back from disk."""
    reports = store.root.parent / "reports"
    path = write_report(manifest or store.manifest(), store.root, reports, Rules(**rules), figures=False)
    assert path == reports / "leaderboard.md"
    assert {file.name for file in reports.iterdir()} == {f"leaderboard.{form}" for form in USUAL}
    refused = {"parse_constant": lambda name: pytest.fail(f"{name} is not JSON")}
    return json.loads((reports / "leaderboard.json").read_text(), **refused), path.read_text()


def row_of(value, label):
    """The only row with this label."""
    (row,) = [row for row in value["rows"] if row["label"] == label]
    return row


def table_of(text):
    """Both Markdown tables of a section joined, as a list of dicts by column key; in the second, values in full."""
    lines = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")]
    families = "(Holm|BH) over .*|no (other )?core method"
    patterns = {re.escape(column.title): column.key for column in (*MAIN, *COLUMNS)}
    named = {
        pattern.replace(r"\{family\}", f"({families})").replace(r"\{intervals\}", "(simultaneous )?95 %"): key
        for pattern, key in patterns.items()
    }

    def key_of(title):
        return next(key for pattern, key in named.items() if re.fullmatch(pattern, title))

    starts = [place for place, line in enumerate(lines) if line[0] == "method"]
    assert len(starts) == 2
    tables = [
        [dict(zip(map(key_of, part[0]), line, strict=True)) for line in part[2:]]
        for part in (lines[: starts[1]], lines[starts[1] :])
    ]
    return [{**one, **two} for one, two in zip(*tables, strict=True) if one["label"] == two["label"]]


def test_numbers_by_hand(store):
    store.method("ce").method("dimp", skill=2.5, real_use="checker", real_rows=100).method("focal", skill=1.2)
    value, text = report(store)
    right = {
        label: np.stack([store.correct(label, seed, skill) for seed in store.seeds]).astype(float)
        for label, skill in (("ce", 1.0), ("dimp", 2.5), ("focal", 1.2))
    }
    row = row_of(value, "dimp")
    per_seed = right["dimp"].mean(1)
    spread = math.sqrt((per_seed.var(ddof=1) + 1 / 12 / right["dimp"].shape[1] ** 2) / 3)
    low, high = stats.t.interval(0.95, 2, per_seed.mean(), spread)
    assert row["accuracy"] == pytest.approx(
        {"mean": per_seed.mean(), "sd": per_seed.std(ddof=1), "low": low, "high": high}
    )
    result = {label: compare(right[label], right["ce"]) for label in ("dimp", "focal")}
    difference = row["difference"]
    assert difference["accuracy"] == pytest.approx(per_seed.mean() - right["ce"].mean())
    assert (difference["low"], difference["high"]) == pytest.approx((result["dimp"].low, result["dimp"].high))
    assert difference["p"] == pytest.approx(result["dimp"].p)
    assert result["dimp"].p < result["focal"].p
    assert difference["p_corrected"] == pytest.approx(2 * result["dimp"].p)
    assert row_of(value, "focal")["difference"]["p_corrected"] == pytest.approx(
        max(2 * result["dimp"].p, result["focal"].p)
    )
    assert (difference["seeds"], difference["examples"], difference["family"]) == (3, 40, "confirmatory")
    shown = next(row for row in table_of(text) if row["label"] == "dimp")
    assert (difference["shown_low"], difference["shown_high"]) == pytest.approx(interval(result["dimp"], 0.025 / 2))
    assert shown["accuracy"] == f"{100 * per_seed.mean():.1f} [{100 * low:.1f}, {100 * high:.1f}]"
    assert shown["real_rows"] == "100 (checker)"
    assert shown["cells"] == "3/3"


def test_rows_are_sorted_by_mean_then_label_and_empty_ones_last(store):
    for label in ("b", "a"):
        store.method(label, skill=2.0)
    store.section["methods"][0]["cells"] = store.section["methods"][1]["cells"]  # a tie
    store.method("best", skill=4.0).method("broken", failed=store.seeds).method("ce", skill=1.2)
    value, text = report(store)
    labels = [row["label"] for row in value["rows"]]
    assert labels == ["best", "a", "b", "ce", "broken"]
    assert [row["label"] for row in table_of(text)] == labels


def test_identical_methods_differ_by_zero_on_these_rows(store):
    store.method("ce", skill=2.0).method("same")
    store.section["methods"][1]["cells"] = store.section["methods"][0]["cells"]
    value, text = report(store)
    difference = row_of(value, "same")["difference"]
    assert (difference["accuracy"], difference["p"], difference["word"]) == (0, 1, "undecided")
    assert table_of(text)[1]["difference"] == "0.0 [-10.2, +10.2]", "40 rows exclude no smaller difference"


def test_failed_and_missing_cells(store):
    store.method("ce").method("dimp", failed=[1], needs={"2": ["checker/q"]}, missing=[2]).method("focal", skill=3.0)
    store.fail("checker/q", message="no memory\nfor it")
    value, text = report(store)
    row = row_of(value, "dimp")
    assert (row["n_seeds"], row["n_planned"], row["missing"]) == (1, 3, [2])
    assert row["failed"] == {"1": "RuntimeError: loss is nan at update 7"}
    assert row["difference"]["verdict"] == "incomplete: 1/3"
    assert row["difference"]["word"] == ""
    assert row["difference"]["seeds"] == 1
    assert row["difference"]["p"] is row["difference"]["p_corrected"] is None
    focal = row_of(value, "focal")["difference"]
    assert focal["p_corrected"] == pytest.approx(min(1, 2 * focal["p"]))  # the family keeps its planned size
    assert "- dimp, seed 1: failed: RuntimeError: loss is nan at update 7" in text
    assert "- dimp, seed 2: missing: it needs checker/q, which failed: RuntimeError: no memory for it" in text


def test_an_incomplete_baseline_allows_no_verdict(store):
    store.method("ce", failed=[0]).method("dimp", skill=3.0)
    value, _ = report(store)
    assert row_of(value, "dimp")["difference"]["verdict"] == "baseline incomplete: 2/3"
    assert row_of(value, "dimp")["difference"]["seeds"] == 2


def test_no_baseline(store):
    store.method("dimp", skill=3.0).method("focal", skill=2.5)
    value, _ = report(store)
    assert row_of(value, "dimp")["difference"]["verdict"] == "no baseline ce"
    assert row_of(value, "dimp")["passes"]["own"] is None
    other, text = report(store, baseline="focal")
    assert row_of(other, "focal")["difference"]["verdict"] == "baseline"
    assert row_of(other, "dimp")["difference"]["p_corrected"] is not None
    assert "baseline: focal" in text


@pytest.mark.parametrize("seeds", [(0,), (0, 1)])
def test_few_seeds(tmp_path, seeds):
    store = FakeStore(tmp_path / "runs", rows=200, seeds=seeds)
    store.method("ce").method("dimp", skill=4.0)
    value, text = report(store)
    row, one = row_of(value, "dimp"), len(seeds) == 1
    assert (row["accuracy"]["low"] is None) == one
    assert row["difference"]["conditional"] == one
    verdict = row["difference"]["verdict"]
    assert verdict.startswith("not informative" if one else ("better", "undecided"))
    assert ("there is one seed" in text) == one
    assert verdict in text


def test_without_any_result(store):
    store.method("ce", failed=store.seeds).method("dimp", missing=store.seeds)
    value, text = report(store)
    assert [row["accuracy"]["mean"] for row in value["rows"]] == [None, None]
    assert "0/3" in text


def test_exploratory_methods_are_marked_and_do_not_enlarge_the_family(store):
    store.method("ce").method("dimp", skill=2.0).method("new", skill=2.0, core=False)
    value, text = report(store)
    core, new = row_of(value, "dimp")["difference"], row_of(value, "new")["difference"]
    assert core["p_corrected"] == core["p"]
    assert new["p_corrected"] is None
    assert new["family"] == "exploratory"
    assert "exploratory" in new["verdict"]
    shown = next(row for row in table_of(text) if row["label"] == "new")
    assert (shown["p"], shown["p_corrected"]) == (f"{new['p']:.3f}", "†")
    assert (new["shown_low"], new["shown_high"]) == (new["low"], new["high"]), "not corrected"


def test_a_class_that_is_never_predicted(store):
    store.method("ce")
    constant = np.tile(np.array([1.0, 0.0], np.float32), (40, 1))
    store.method("flat", missing=store.seeds)
    for path in store.section["methods"][1]["cells"].values():
        store.cell(path, constant)
    row = row_of(report(store)[0], "flat")
    share = (store.labels == 0).mean()
    assert row["macro_f1"]["mean"] == pytest.approx(2 * share / (1 + share) / 2)
    assert row["macro_f1"]["sd"] == pytest.approx(0)


def test_mixed_environments_are_paired_only_if_allowed(store):
    store.method("ce", skill=2.5).method("dimp", skill=3.0, env={"torch": "2.12.0"}).method(
        "focal", env={"python": "3.12.1"}
    )
    value, text = report(store)
    row = row_of(value, "dimp")
    assert row["difference"]["verdict"] == "mixed environments: torch 2.12.0, 2.13.0"
    assert row["difference"]["accuracy"] is row["macro_f1_difference"]["macro_f1"] is None
    assert row["accuracy"]["mean"] is not None
    assert row_of(value, "focal")["difference"]["accuracy"] is not None  # Python's version does not matter
    assert "- torch: 2.12.0, 2.13.0" in text
    assert "versions or devices were compared" not in text
    value, text = report(store, allow_mixed=True)
    assert "versions or devices were compared" in text
    assert row_of(value, "dimp")["difference"]["p_corrected"] is not None


def test_a_mixed_baseline_allows_no_verdict(store):
    store.method("ce").method("dimp")
    store.put(store.section["methods"][0]["cells"]["0"], "env.json", {"code": "other"})
    assert row_of(report(store)[0], "dimp")["difference"]["verdict"].startswith("mixed environments: code c0de, other")


@pytest.mark.parametrize("changed", [{"accuracy": 0.99}, {"macro_f1": 0.1}, {"log_loss": 0.0}, {"rows": 41}])
def test_a_cell_whose_metrics_contradict_its_predictions_has_no_result(store, changed):
    store.method("ce")
    store.cell("twitter/ce/0-1", store.logits("ce", 1, 1.0), **changed)
    assert re.search(rf"cell twitter/ce/0-1: {next(iter(changed))} is .* in metrics.json", report(store)[1])


def test_cells_of_other_test_rows_are_refused(store):
    store.method("ce")
    store.cell("twitter/ce/0-2", store.logits("ce", 2, 1.0), labels=1 - store.labels)
    with pytest.raises(UserError, match="cell twitter/ce/0-2: its test rows"):
        report(store)


def test_a_cell_with_unreadable_predictions_has_no_result(store):
    store.method("ce")
    (store.root / "twitter/ce/0-0/predictions.parquet").write_bytes(b"PAR1")
    assert "cell twitter/ce/0-0: predictions.parquet cannot be read" in report(store)[1]


def test_passes_and_seconds(store):
    store.method("ce")
    needs = {str(seed): ["checker/q", "checker/d", "checker/q"] for seed in store.seeds}
    store.method("dimp", passes={"train_rows": 3000, "score_rows": 1500}, needs=needs)
    for name in ("q", "d"):
        store.cell(
            f"checker/{name}", store.logits(name, 0, 1.0), passes={"train_rows": 1000, "score_rows": 0}, seconds=5
        )
    value, text = report(store)
    assert row_of(value, "ce")["passes"] == {"own": 1, "standalone": 1}
    assert row_of(value, "dimp")["passes"] == pytest.approx({"own": 3500 / 2000, "standalone": 5500 / 2000})
    assert row_of(value, "dimp")["seconds"] == {"own": 12.346, "standalone": 22.346}
    shown = next(row for row in table_of(text) if row["label"] == "dimp")
    assert (shown["passes"], shown["passes_standalone"], shown["seconds"]) == ("1.75", "2.75", "12.3")


def test_unknown_costs_of_a_precomputed_table_are_not_zero(store):
    store.method("ce").method("dimp", needs={"0": ["checker/none"]})
    row = row_of(report(store)[0], "dimp")
    assert row["passes"]["standalone"] is row["seconds"]["standalone"] is None
    assert row["passes"]["own"] == 1


@pytest.mark.parametrize(("skill", "warned"), [(3.0, False), (-6.0, True)])
def test_the_report_shows_the_accuracy_of_the_quality_checker(store, skill, warned):
    store.method("ce")
    for seed in (0, 1):
        store.cell(f"checker/{seed}", store.logits("real-only", seed, skill))
    store.section["checkers"] = {"quality": {"0": "checker/0", "1": "checker/1", "2": "checker/2"}}
    value, text = report(store)
    expected = np.mean([store.correct("real-only", seed, skill).mean() for seed in (0, 1)])
    shown = value["sections"][0]["quality_checker"]
    assert (shown["n"], shown["accuracy"]) == (2, pytest.approx(expected))
    assert f"mean test accuracy {100 * expected:.1f} %, log-loss {shown['log_loss']:.3f} and" in text
    assert f"calibration error {100 * shown['ece']:.1f} points over 2 seeds" in text
    assert ("Warning: the quality checker is not above" in text) == warned
    assert ("probabilities are worse than equal ones" in text) == (shown["log_loss"] > np.log(3)) == warned


def test_a_method_that_is_no_better_than_a_constant_guess_is_named(store):
    skills = {"ce": 0, "focal": -2, "dimp": 3}
    for name, skill in skills.items():
        store.method(name, skill=skill)
    text = report(store)[1]
    (line,) = [line for line in text.splitlines() if line.startswith("**Not above")]
    correct = {name: np.mean([store.correct(name, seed, skills[name]).mean() for seed in (0, 1, 2)]) for name in skills}
    majority = store.section["majority"]
    assert majority < correct["dimp"]
    no_better = sorted((name for name in skills if correct[name] <= majority), key=correct.get, reverse=True)
    guess = f"the constant guess ({100 * majority:.1f} %)"
    assert line.startswith(
        f"**Not above {guess}:** {', '.join(no_better)}. This compares numbers and is no statistical"
    )


def test_a_section_in_which_no_method_beats_a_constant_guess_says_so(store):
    store.method("ce", skill=-2).method("focal", skill=-2)
    value, text = report(store)
    assert "**Not informative: no method is shown to be better than a constant guess" in text
    assert value["sections"][0]["advice"]["informative"] is False
    assert row_of(value, "focal")["difference"]["word"] == ""


def test_label_shares_are_shown_and_a_shift_between_generated_and_real_rows_is_a_note(store):
    store.method("ce")
    text = report(store)[1]
    assert "- text: simulated logits, no text\n" in text
    assert "the label shares of the generated rows" not in text.lower()
    store.section["label_shares"] = {"generated": [0.5, 0.5], "real": [0.31, 0.69], "test": [0.312, 0.688]}
    text = report(store)[1]
    assert "- label shares: class 0 50 / 31 / 31 %, class 1 50 / 69 / 69 % (generated / real / test rows)\n" in text
    assert "differ from those of the real rows by up to 19 points. A method that learns the real shares gains" in text
    assert "those of the test rows" not in text
    store.section["label_shares"]["test"] = [0.54, 0.46]
    text = report(store)[1]
    assert "A method that learns the real shares may lose by that alone." in text
    assert "The label shares of the real rows differ from those of the test rows by up to 23 points, so" in text
    store.section["label_shares"] |= {"generated": [0.4, 0.6], "test": [0.312, 0.688]}
    assert "differ from those" not in report(store)[1], "9 points"
    del store.section["label_shares"], store.section["about"]  # as in manifests of earlier versions
    assert "- label shares" not in report(store)[1]


def test_each_source_has_its_own_section(store):
    other = FakeStore(
        store.root, rows=30, source="local", stand_in=True, protocol="tuned(8)", task_ref="twitter[noise=0.2]"
    )
    store.method("ce")
    other.seeds = (0, 1)
    other.section["seeds"] = [0, 1]
    other.method("dimp").method("ce")  # in folders that the first section does not use
    value, text = report(store, store.manifest(other))
    assert text.count("| method |") == 4
    assert [row["source"] for row in value["rows"]].count("local") == 2
    assert text.count("no human text") == 1
    assert text.count("(untuned defaults)") == 1
    assert "## Tweet polarity (twitter[noise=0.2], local)" in text


def test_markdown_is_escaped_and_what_is_missing_is_named(store):
    store.method("ce").method("a|b\nc(`x`=<i>*)[d](e)")
    left_out = {"sungen": "too | dear"}
    _, text = report(store, store.manifest(references_missing=["ce-prior"], left_out=left_out))
    assert "a\\|b c(\\`x\\`=\\<i>\\*)[d]\\(e)" in text
    assert "**Reference methods missing:** ce-prior." in text
    assert "Left out: sungen (too \\| dear)." in text
    assert "Do not generalise beyond them" in text


def test_frame(store):
    store.method("ce").method("dimp", hyperparameters={"clip": 20}, failed=[0])
    table = frame(store.manifest(), store.root)
    assert sorted(table["label"]) == ["ce", "dimp"]
    dimp = table.set_index("label").loc["dimp"]
    assert dimp["hyperparameters"] == {"clip": 20}
    assert dimp["difference_verdict"] == "incomplete: 2/3"
    assert dimp["accuracy_mean"] == pytest.approx(np.mean([store.correct("dimp", s, 1.0).mean() for s in (1, 2)]))
    assert math.isnan(table.set_index("label").loc["ce", "difference_accuracy"])


def golden_store(root):
    """The store of the committed report: every kind of row in it."""
    store = FakeStore(root, rows=120, seeds=(0, 1, 2, 3, 4))
    needs = {str(seed): [f".artefacts/checker/q{seed}"] for seed in store.seeds}
    for seed in store.seeds:
        store.cell(f".artefacts/checker/q{seed}", store.logits("real-only", seed, 1.3), seconds=8.0)
    store.section["checkers"] = {"quality": {seed: paths[0] for seed, paths in needs.items()}}
    checker = {"real_use": "checker", "real_rows": 100, "needs": needs}
    store.method("ce").method("focal", skill=0.6).method("superloss", failed=[3])
    store.method("dimp", skill=2.4, hyperparameters={"shuffle": "none"}, **checker).method(
        "imp", skill=1.1, env={"torch": "2.12.0"}, **checker
    )
    store.method("dimp(clip=20)", skill=2.2, core=False, hyperparameters={"clip": 20}, **checker)
    store.method("dimp(shuffle=class)", skill=1.3, core=False, hyperparameters={"shuffle": "class"}, **checker)
    store.method("ce-mix", skill=1.6, real_use="train", real_rows=100)
    return store


def test_golden(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "VERSION", "0.1.0")
    store = golden_store(tmp_path / "runs")
    _, text = report(store, store.manifest(references_missing=["ce-prior"]))
    assert text == GOLDEN.read_text(), "if the change is meant, write the new text to tests/bench/leaderboard/golden"


def test_same_cells_same_bytes(tmp_path):
    store = golden_store(tmp_path / "runs")
    result = []
    for name in ("a", "b"):
        write_report(store.manifest(), store.root, tmp_path / name)
        result.append({path.relative_to(tmp_path / name): path.read_bytes() for path in (tmp_path / name).rglob("*.*")})
    assert result[0] == result[1]


def test_import_is_light_and_reports_need_no_torch():
    code = (
        "import sys; import bench.leaderboard; loaded = {'numpy', 'scipy', 'pandas', 'pyarrow'} & set(sys.modules);"
        "assert not loaded, loaded;"
        "sys.modules.update(dict.fromkeys(('torch', 'transformers', 'datasets', 'wandb')));"
        "import bench.leaderboard.formats.to_markdown, bench.leaderboard.formats.to_json, bench.stats.verdict"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[3], timeout=60)


def test_one_seed_in_common_with_the_baseline_gives_no_verdict(tmp_path):
    """It says nothing about new seeds: 40 % of such verdicts on equal methods were false."""
    store = FakeStore(tmp_path / "runs", rows=400).method("ce").method("focal", skill=1.2)
    store.seeds = (1,)
    value, _ = report(store.method("dimp", skill=4.0))
    assert row_of(value, "dimp")["difference"]["verdict"] == "one seed in common"
    assert row_of(value, "dimp")["difference"]["p"] is None
    assert row_of(value, "focal")["difference"]["verdict"].startswith("undecided")


def test_a_metric_of_another_range_has_its_own_interval(store, monkeypatch):
    """Matthews correlation, for example, may be below 0: its interval was cut there."""
    monkeypatch.setitem(METRICS, "skill", lambda labels, logits: float((logits.argmax(1) == labels).mean() - 1))
    section = build(store.method("ce").manifest(), store.root).sections[0]
    found = section.rows[0].metrics["skill"]
    assert found.low < found.mean < found.high
    assert found.mean == pytest.approx(section.rows[0].accuracy.mean - 1)


def test_captions_of_tex_say_what_tells_sections_apart(tmp_path):
    first = FakeStore(tmp_path / "runs").method("ce").method("dimp", skill=2.5)
    second = FakeStore(tmp_path / "runs", settings={**first.section["settings"], "lr": 0.001}, seeds=(0,))
    second.method("ce").method("dimp", skill=2.5)
    report(first, first.manifest(second))
    text = (tmp_path / "reports" / "leaderboard.tex").read_text()
    one, two = re.findall(r"\\caption\{(.+)\}", text)
    assert "lr 0.0003" in one
    assert "lr 0.001" in two
    assert "Not informative: there is one seed" in two
    assert "Not informative" not in one
