"""Extra tables: they appear in every format of a report."""

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text

from bench.leaderboard.build import build
from bench.leaderboard.extra_tables import report_tables, section_tables
from bench.leaderboard.extra_tables.stress import curves
from bench.leaderboard.figures import draw
from bench.leaderboard.figures.findings import verdicts
from bench.leaderboard.figures.stress import stress as stress_figure
from bench.leaderboard.formats import FORMS
from bench.stats.crossed import compare
from bench.stats.multiple import CORRECTIONS
from tests.bench.leaderboard.fake_store import FakeStore


@pytest.fixture
def table(tmp_path):
    store = FakeStore(tmp_path / "runs").method("ce").method("dimp").method("focal").weights("dimp", "focal")
    return build(store.manifest(), store.root)


def test_the_weights_of_a_section_recomputed(table):
    (extra,) = section_tables(table.sections[0])
    row = next(row for row in extra.rows if row.label == "dimp")
    cells = next(entry for entry in table.sections[0].rows if entry.label == "dimp").cells
    frames = [pd.read_parquet(cell.folder / "weights.parquet") for cell in cells.values()]
    assert row.n == 3
    assert row.mean == pytest.approx(np.mean([frame["weight"].mean() for frame in frames]))
    assert row.largest == pytest.approx(max(frame["weight"].max() for frame in frames))
    assert row.median == pytest.approx(np.mean([frame["weight"].median() for frame in frames]))
    by_hand = []
    for frame in frames:
        mean = frame.groupby("id")["weight"].mean()
        wrong = mean.index % 3 == 0
        by_hand.append(np.mean([(a < b) + (a == b) / 2 for a in mean[wrong] for b in mean[~wrong]]))
    assert row.wrong.mean == pytest.approx(np.mean(by_hand))
    assert math.isnan(row.repeated.mean)
    assert "weight_repeated" not in {column.key for column in extra.columns}, "nothing is repeated here"


def test_a_section_without_stored_weights_has_no_table(tmp_path):
    store = FakeStore(tmp_path / "runs").method("ce")
    assert section_tables(build(store.manifest(), store.root).sections[0]) == []


def test_extra_tables_appear_in_every_format_that_has_room(table):
    forms = {name: form(table, ()) for name, form in FORMS.items()}
    assert "### Weights" in forms["md"]
    assert "<h3>Weights</h3>" in forms["html"]
    rows = json.loads(forms["json"])["sections"][0]["parts"]["weights"]
    assert {row["label"] for row in rows} == {"dimp", "focal"}


def section(root, name, noise, methods):
    """A section under noise (0: none), with the options of each method by label; its cells lie below `name`."""
    ref = f"twitter[noise={noise}]" if noise else "twitter"
    store = FakeStore(root / name, task_ref=ref, stress={"noise": noise} if noise else {}, rows=120)
    for label, options in methods.items():
        store.method(label, **options)
    for entry in store.section["methods"]:
        entry["cells"] = {seed: f"{name}/{path}" for seed, path in entry["cells"].items()}
    return store


def along(root, **by_value):
    """Sections at values of noise, with a skill for each of two methods."""
    stores = [
        section(root, value, float(value[1:]) / 10, {"ce": {"skill": ce}, "dimp": {"skill": dimp}})
        for value, (ce, dimp) in by_value.items()
    ]
    return build(stores[0].manifest(*stores[1:]), root)


def test_a_curve_recomputed(tmp_path):
    table = along(tmp_path, n4=(0.3, 2.5), n0=(2.0, 2.2), n2=(1.0, 2.4))
    (curve,) = curves(table.sections)
    assert (curve.axis, curve.values) == ("noise", (0.0, 0.2, 0.4))
    (extra,) = report_tables(table)
    rows = {row.label: row for row in extra.rows}
    right = {}
    for label in ("ce", "dimp"):
        first, last = (
            next(row for row in section.rows if row.label == label)
            for section in (curve.sections[0], curve.sections[-1])
        )
        labels = curve.sections[0].test.labels
        hits = [
            np.stack([row.cells[s].predictions == labels for s in row.seeds]).astype(float) for row in (last, first)
        ]
        right[label] = hits[0] - hits[1]
        assert rows[label].change.difference == pytest.approx(last.accuracy.mean - first.accuracy.mean)
        assert [i.mean for i in rows[label].accuracy][::2] == [first.accuracy.mean, last.accuracy.mean]
    expected = compare(right["dimp"], right["ce"])
    assert rows["dimp"].against.difference == pytest.approx(expected.difference)
    assert rows["dimp"].against.p == pytest.approx(expected.p)
    assert rows["dimp"].verdict == "better", "it holds up"
    assert rows["ce"].against is None
    assert "stress-noise-1" in {figure.name for figure in draw(table)}


def test_exploratory_methods_are_marked_where_verdicts_are_signs(tmp_path):
    methods = {"ce": {}, "dimp": {"skill": 4.0}, "mine": {"skill": 4.0, "core": False}}
    stores = [section(tmp_path, name, noise, methods) for name, noise in (("n0", 0), ("n2", 0.2))]
    table = build(stores[0].manifest(stores[1]), tmp_path)
    (extra,) = report_tables(table)
    label, at_first = extra.columns[0].render, extra.columns[1].render
    assert {label(row) for row in extra.rows if "▲" in at_first(row)} == {"dimp", "mine †"}
    assert "†: exploratory" in extra.after[0]
    assert "(dimp, mine †)" in verdicts(table.sections[0]).replace("mine †, dimp", "dimp, mine †")


def test_sections_with_other_stress_are_not_points_of_a_curve(tmp_path):
    table = along(tmp_path, n0=(1.0, 1.0), n2=(1.0, 1.0))
    table.sections[1].spec["stress"]["duplicates"] = 0.5
    assert curves(table.sections) == [], "they differ in two axes"
    table.sections[0].spec["stress"]["duplicates"] = 0.5
    table.sections[1].spec["stress"]["noise_kind"] = "pair"
    (curve,) = curves(table.sections)
    assert curve.values == (0.0, 0.2), "without noise every kind of noise is the same"


@pytest.mark.parametrize("entry", [{"checker_encoder_hash": "b"}, {"hashes": {"generated": "b", "test": "7e57"}}])
def test_sections_with_other_checkers_or_rows_have_curves_of_their_own(tmp_path, entry):
    table = along(tmp_path, n0=(1.0, 1.0), n2=(1.0, 1.0), n3=(1.0, 1.0), n4=(1.0, 1.0))
    for place, value in ((2, 0.0), (3, 0.2)):
        table.sections[place].spec.update(stress={"noise": value} if value else {}, **entry)
    assert [[section.spec["stress"] for section in curve.sections] for curve in curves(table.sections)] == [
        [{}, {"noise": 0.2}]
    ] * 2


def test_sections_with_other_test_rows_are_not_points_of_a_curve(tmp_path):
    """Unless the axis acts on the test rows."""
    table = along(tmp_path, n0=(1.0, 1.0), n2=(1.0, 1.0))
    table.sections[1].spec["hashes"] = {**table.sections[0].spec["hashes"], "test": "others"}
    assert curves(table.sections) == []
    table.sections[1].spec["stress"] = {"shift": 4.0}
    (curve,) = curves(table.sections)
    assert (curve.axis, curve.values) == ("shift", (1.0, 4.0))


def test_an_encoder_that_was_moved_is_no_other_curve(tmp_path):
    table = along(tmp_path, n0=(1.0, 1.0), n2=(1.0, 1.0))
    table.sections[1].spec["encoder"] = "/mnt/minilm"
    (curve,) = curves(table.sections)
    assert curve.values == (0.0, 0.2)


def test_curves_of_one_task_have_titles_of_their_own(tmp_path):
    stores = []
    for place, (encoder, noise, more) in enumerate(
        (encoder, noise, more) for more in (1, 3) for encoder in ("small", "large") for noise in (0.0, 0.2)
    ):
        store = section(tmp_path, f"s{place}", noise, {"ce": {"skill": 2 - noise}, "dimp": {"skill": 2.0}})
        store.section |= {"encoder": encoder, "encoder_hash": encoder}
        if more > 1:
            store.section["stress"] |= {"imbalance": more}
            store.section["task_ref"] = store.section["task_ref"].replace("]", ",") + f"[imbalance={more}]"
        stores.append(store)
    table = build(stores[0].manifest(*stores[1:]), tmp_path)
    titles = [curve.title for curve in curves(table.sections) if curve.axis == "noise"]
    assert titles == [f"Tweet polarity ({more}{one})" for more in ("", "imbalance=3, ") for one in ("small", "large")]
    assert {f"Stress: {title} along noise" for title in titles} <= {extra.title for extra in report_tables(table)}
    curve = next(curve for curve in curves(table.sections) if curve.axis == "noise")
    drawn = stress_figure(curve, "ce")
    assert any(text.get_text().startswith("Tweet polarity (small) along noise") for text in drawn.findobj(Text))


def ends(root, labels=("ce", "dimp"), *, noisy=None, **both):
    """Two sections, without and with noise: options of both by label, and more for the noisy one."""
    plain = {label: {"skill": 2.0, **both.get(label, {})} for label in labels}
    lower = {"ce": {"skill": 1.0}, **(noisy or {})}
    return [
        section(root, "plain", 0, plain),
        section(root, "noisy", 0.2, {label: {**options, **lower.get(label, {})} for label, options in plain.items()}),
    ]


def stress_rows(root, stores):
    (extra,) = report_tables(build(stores[0].manifest(*stores[1:]), root))
    return {row.label: row for row in extra.rows}


def test_a_curve_without_any_difference_is_drawn(tmp_path):
    stores = ends(tmp_path, ("imp", "dimp"))
    table = build(stores[0].manifest(*stores[1:]), tmp_path)
    assert "stress-noise-1" in {figure.name for figure in draw(table)}


def test_changes_with_different_seeds_or_environments_are_not_compared(tmp_path):
    alike = stress_rows(tmp_path / "a", ends(tmp_path / "a"))
    assert alike["dimp"].against is not None
    elsewhere = ends(tmp_path / "b", dimp={"env": {"torch": "9.9"}})
    mixed = stress_rows(tmp_path / "b", elsewhere)["dimp"]
    assert mixed.change is not None
    assert (mixed.against, mixed.verdict) == (None, "–")
    other = ends(tmp_path / "c")
    for store in other:
        store.section["seeds"] = [0, 1, 2, 5, 6, 7]
        cells = store.section["methods"][1]["cells"]
        store.section["methods"][1]["cells"] = {str(int(seed) + 5): path for seed, path in cells.items()}
    row = stress_rows(tmp_path / "c", other)["dimp"]
    assert (row.against, row.verdict) == (None, "–")


@pytest.mark.parametrize(("seeds", "word"), [(2, "first look at 3 seeds"), (3, "undecided"), (4, "undecided")])
def test_changes_are_judged_over_the_planned_looks(tmp_path, seeds, word):
    """After 3 of 10 seeds, each verdict had the whole 5 %."""
    without = stress_rows(tmp_path / "a", looked_ends(tmp_path / "a", min(seeds, 3)))["dimp"]
    row = stress_rows(tmp_path / "b", looked_ends(tmp_path / "b", seeds, looks=[3, 5, 7, 10]))["dimp"]
    assert row.against == without.against, "seeds after the last look do not count yet"
    assert row.verdict.startswith(word)
    if seeds > 2:
        assert without.verdict == "better"
        assert row.match.p == pytest.approx(without.against.p / 0.027)


def looked_ends(root, seeds, **both):
    stores = []
    for noise in (0.0, 0.2):
        ref, stress = ("twitter[noise=0.2]", {"noise": noise}) if noise else ("twitter", {})
        store = FakeStore(root / f"{noise}", rows=400, seeds=range(seeds), task_ref=ref, stress=stress, **both)
        store.method("ce", skill=2 - 4 * noise).method("dimp", skill=2 - 2 * noise)
        for entry in store.section["methods"]:
            entry["cells"] = {seed: f"{noise}/{path}" for seed, path in entry["cells"].items()}
        stores.append(store)
    return stores


def test_a_failed_method_counts_in_the_correction_of_changes(tmp_path, monkeypatch):
    labels = ("ce", "dimp", "focal", "imp")
    stores = ends(tmp_path, labels, noisy={name: {"failed": (1,)} for name in labels[2:]})
    values = []
    holm = CORRECTIONS["holm"]
    monkeypatch.setitem(CORRECTIONS, "holm", lambda p: values.append(list(p)) or holm(p))
    row = stress_rows(tmp_path, stores)["dimp"]
    (family,) = (p for p in values if row.against.p in p)
    assert len(family) == 3
    assert sum(map(math.isnan, family)) == 2


def test_the_checkers_of_merged_stores_are_found(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store = FakeStore(tmp_path / "a").method("ce").method("dimp").weights("ce", "dimp")
    quality = store.section["methods"][0]["cells"]
    store.section["checkers"] = {"quality": quality}
    alone = build(store.manifest(), store.root)
    moved = FakeStore(tmp_path / "a")
    moved.section = {
        **store.section,
        "checkers": {"quality": {seed: f"a/{path}" for seed, path in quality.items()}},
        "methods": [
            {**entry, "cells": {seed: f"a/{path}" for seed, path in entry["cells"].items()}}
            for entry in store.section["methods"]
        ],
    }
    merged = build(moved.manifest(), Path())
    result = [
        {row.label: row.quality for row in section_tables(table.sections[0])[0].rows} for table in (alone, merged)
    ]
    assert result[0] == result[1]
    assert not math.isnan(result[1]["dimp"])


def test_sections_without_verdicts_give_none_along_an_axis(tmp_path):
    stores = [
        section(tmp_path, name, noise, {"ce": {"skill": 1.0 - noise}, "dimp": {"skill": 2.5}})
        for name, noise in (("n0", 0.0), ("n4", 0.4))
    ]
    for store in stores:
        store.section.update(preset="smoke", settings={**store.section["settings"], "updates": 8})
    table = build(stores[0].manifest(*stores[1:]), tmp_path)
    assert all(one.uninformative for one in table.sections)
    (extra,) = report_tables(table)
    assert {row.verdict for row in extra.rows} == {"–"}
