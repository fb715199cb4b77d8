import itertools
import json
from types import SimpleNamespace

import numpy as np
import pytest

from bench.cli import main
from bench.commands.reports import labels
from bench.commands.reports.labels import as_json, default_sizes, fitted_curve, rows_text
from bench.config.request import make_request
from bench.errors import UserError
from bench.execution.grid import Options, Result
from bench.leaderboard import Rules
from bench.leaderboard.build import build
from bench.leaderboard.extra_tables.stress import Curve, curves
from bench.leaderboard.figures.stress import stress
from bench.leaderboard.power_law import Forecast
from bench.leaderboard.read.examples import Examples
from tests.bench.leaderboard.fake_store import FakeStore


def grid(tmp_path, sizes=(25, 50, 100, 200), seeds=(0, 1, 2)):
    """A manifest with a section for each size, in which more rows are better."""
    stores = []
    for size in sizes:
        store = FakeStore(tmp_path, rows=200, seeds=seeds, task_ref=f"twitter[real={size}]", stress={"real": size})
        store.section["sizes"]["real"] = size
        store.method("real-only", missing=seeds)
        entry = store.section["methods"][-1]
        entry["cells"] = {seed: f"{size}/{path}" for seed, path in entry["cells"].items()}
        for seed, path in entry["cells"].items():
            store.cell(path, store.logits("real-only", int(seed), 3 - 8 * size**-0.5))
        stores.append(store)
    return stores[0].manifest(*stores[1:])


def test_a_curve_is_fitted_through_the_means_of_the_cells(tmp_path):
    (curve,) = curves(build(grid(tmp_path), tmp_path).sections)
    value = as_json(fitted_curve(curve, "real-only", "accuracy"))
    means = [section.rows[0].accuracy.mean for section in curve.sections]
    assert value["values"] == pytest.approx(means)
    assert value["sizes"] == [25, 50, 100, 200]
    assert set(value["forecasts"]) == {"400", "800"}
    assert value["forecasts"]["400"]["low"] <= value["forecasts"]["400"]["value"] <= value["forecasts"]["400"]["high"]
    f1 = as_json(fitted_curve(curve, "real-only", "macro-F1"))
    assert f1["values"] == pytest.approx([section.rows[0].metrics["macro_f1"].mean for section in curve.sections])


def test_the_command_prints_and_writes_the_curves(tmp_path, monkeypatch):
    manifest = grid(tmp_path / "runs")
    folders = []
    monkeypatch.setattr(
        labels, "run", lambda _, options, *__: folders.append(options.reports) or Result(manifest, tmp_path / "runs")
    )
    lines = []
    leaderboard = tmp_path / "reports" / "figures" / "labels.png"  # of another grid
    leaderboard.parent.mkdir(parents=True)
    leaderboard.write_bytes(b"other")
    labels.labels(None, Options(reports=tmp_path / "reports"), lines.append, None)
    assert leaderboard.read_bytes() == b"other"
    own = tmp_path / "reports" / "labels"
    assert any(line.startswith("Tweet polarity, real-only, macro-F1 by labelled rows: 25: ") for line in lines)
    assert sum("one point more takes" in line for line in lines) == 2
    written = json.loads((own / "labels.json").read_text())
    assert [one["metric"] for one in written] == ["accuracy", "macro-F1"]
    assert (own / "figures" / "labels.png").read_bytes().startswith(b"\x89PNG")
    assert b"<svg" in (own / "figures" / "labels.svg").read_bytes()
    assert folders == [own], "its leaderboard of all sizes"
    assert lines[-1].startswith("written: ")
    assert lines[-1].endswith("labels.png")


def test_curves_of_two_encoders_are_told_apart(tmp_path):
    """The lines named no encoder, and the figure had the last encoder alone."""
    own, other = grid(tmp_path / "a"), grid(tmp_path / "b")
    for name, manifest in (("a", own), ("b", other)):
        for section in manifest["sections"]:
            section |= {"encoder": name, "encoder_hash": name}
            for entry in section["methods"]:
                entry["cells"] = {seed: f"{name}/{path}" for seed, path in entry["cells"].items()}
    result = Result({**own, "sections": own["sections"] + other["sections"]}, tmp_path)
    found = list(labels.fitted_curves(result, Rules()))
    values = [as_json(one) for one in found]
    assert [(one["encoder"], one["metric"]) for one in values] == [(n, m) for n in "ab" for m in labels.METRICS]
    assert values[2]["lines"][0].startswith("Tweet polarity (b), real-only, accuracy by labelled rows: 25: ")
    svg, _ = labels.drawing(found)
    assert [f"real-only, {name}".encode() in svg for name in "ab"] == [True, True]


def test_the_figure_along_an_axis_without_a_baseline_has_one_panel(tmp_path):
    (curve,) = curves(build(grid(tmp_path), tmp_path).sections)
    assert len(stress(curve, "ce").axes) == 1
    assert len(stress(curve, "real-only").axes) == 2


def test_rows_that_a_seed_does_not_test_do_not_count(monkeypatch):
    """In a cross-validation. The accuracy is that of tested rows, and there is no macro-F1."""
    rng, sizes, folds = np.random.default_rng(0), (25, 50, 100, 200), 5
    truth = rng.integers(2, size=100)
    test = Examples(np.arange(100), truth, 2)
    sections = []
    for place in range(len(sizes)):
        wrong = rng.random((folds, 100)) < 0.4 - 0.08 * place
        seen = np.arange(100) % folds == np.arange(folds)[:, None]
        predictions = np.where(seen, np.where(wrong, 1 - truth, truth), -1)
        row = SimpleNamespace(label="ce", cells={s: SimpleNamespace(predictions=predictions[s]) for s in range(folds)})
        spec = {"task": "mine", "title": "mine", "cross_validation": {"folds": folds}}
        sections.append(
            SimpleNamespace(spec=spec, axes=(), test=test, rows=[row], right=(predictions == truth).sum() / 100)
        )
    curve = Curve("real", sizes, tuple(sections))
    monkeypatch.setattr(labels, "build", lambda *_: SimpleNamespace(sections=()))
    monkeypatch.setattr(labels, "curves", lambda _: [curve])
    (only,) = labels.fitted_curves(SimpleNamespace(manifest=None, store=None), None)
    found = as_json(only)
    assert found["metric"] == "accuracy"
    assert found["values"] == pytest.approx([section.right for section in sections])


def test_too_few_sizes(tmp_path):
    (curve,) = curves(build(grid(tmp_path, sizes=(25, 50, 100)), tmp_path).sections)
    assert "no curve, as it needs 4 sizes" in as_json(fitted_curve(curve, "real-only", "accuracy"))["lines"][0]


def test_a_rare_class_limits_the_sizes(tmp_path):
    rows = [{"text": f"text {i} of many", "label": "rare" if i % 40 == 0 else "ab"[i % 2]} for i in range(800)]
    for name, part in {"generated": rows[:200], "real": rows[200:600], "test": rows[600:]}.items():
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in part))
    files = {name: str(tmp_path / f"{name}.jsonl") for name in ("generated", "real", "test")}
    request = make_request(methods="real-only", **files)
    data = request.load(request.tasks[0])
    sizes, notes = default_sizes(data, (0, 1))
    assert sizes[-1] == 400
    assert len(sizes) >= 4
    (note,) = notes
    assert "too small for 2 rows of each class" in note
    drawn = [data.real(0, size) for size in sizes]
    assert all(np.bincount(one.labels).min() >= 2 for one in drawn)
    assert all(set(a.keys) <= set(b.keys) for a, b in itertools.pairwise(drawn)), "nested"


def test_own_files_that_are_cross_validated(tmp_path, tiny_encoder, capsys):
    rows = [{"text": f"text {i} of many", "label": "ab"[i % 2]} for i in range(180)]
    words = []
    for name, part in {"generated": rows[:80], "real": rows[80:]}.items():
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in part))
        words += [f"--{name}", str(tmp_path / f"{name}.jsonl")]
    words += ["--encoder", str(tiny_encoder), "--preset", "smoke", "--name", "mine", "--out", str(tmp_path / "runs")]
    with pytest.raises(SystemExit) as stop:
        main(["labels", "--seeds", "2", *words, "--dry-run"])
    printed = capsys.readouterr()
    assert stop.value.code == 0, printed.err
    assert "10 cells: 10 not trained yet" in printed.out, (
        "five sizes, of which the largest are the 80 rows outside of a fold"
    )


def test_a_pool_that_is_too_small_for_a_curve():
    class Data:
        pool, folds = range(6), 0

        def real(self, seed, size):
            if size < 6:
                raise labels.DataError("too small for 2 rows of each class")

    with pytest.raises(UserError, match=r"needs 4 sizes .* name them by --sizes"):
        default_sizes(Data(), (0,))


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        (Forecast(550.2, 380, 700), "about 551 rows in all [95 %: 380 to 700]"),
        (Forecast(550, 380, np.inf), "about 550 rows in all [95 %: 380 to more than 800]"),
        (Forecast(np.inf, 900, np.inf), "more than 800 rows in all [95 %: more than 800 to more than 800]"),
    ],
)
def test_nothing_is_said_beyond_four_times_the_largest_size(rows, text):
    assert rows_text(rows, 200) == text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--sizes", "5,10"), "--sizes 5,10: a learning curve needs 4 different sizes"),
        (("--sizes", "a,b"), "is no list of numbers"),
        (("--tasks", "twitter"), "labels takes one --task, not --tasks"),
        (("--task", "twitter,financial"), "labels takes one --task"),
        (("--until-decided",), "labels trains all seeds of its sizes; --until-decided and --max-seeds are for run"),
        (("--task", "twitter", "--sizes", "10,20,30,9999"), "more than the 1,499 real rows"),
    ],
)
def test_bad_requests(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        main(["labels", *arguments])
    assert stop.value.code == 2
    assert message in capsys.readouterr().err
