"""Further tables: they stand in every form of a report."""

import json
import math

import numpy as np
import pandas as pd
import pytest
from fake_store import FakeStore

from bench.leaderboard.parts import section_parts
from bench.leaderboard.render import FORMS
from bench.leaderboard.table import build


@pytest.fixture
def table(tmp_path):
    store = FakeStore(tmp_path / "runs").method("ce").method("dimp").method("focal").weights("dimp", "focal")
    return build(store.manifest(), store.root)


def test_the_weights_of_a_section_recomputed(table):
    (part,) = section_parts(table.sections[0])
    row = next(row for row in part.rows if row.label == "dimp")
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
    assert "weight_repeated" not in {column.key for column in part.columns}, "nothing is repeated here"


def test_a_section_without_stored_weights_has_no_table(tmp_path):
    store = FakeStore(tmp_path / "runs").method("ce")
    assert section_parts(build(store.manifest(), store.root).sections[0]) == []


def test_parts_stand_in_every_form_that_has_room(table):
    forms = {name: form(table, ()) for name, form in FORMS.items()}
    assert "### Weights" in forms["leaderboard.md"]
    assert "<h3>Weights</h3>" in forms["leaderboard.html"]
    rows = json.loads(forms["leaderboard.json"])["sections"][0]["parts"]["weights"]
    assert {row["label"] for row in rows} == {"dimp", "focal"}
