"""The committed reports that are made from bundles show the numbers of their bundles."""

from pathlib import Path

import pandas as pd
import pytest

from bench.commands.reports.report import report
from bench.commands.stores.import_ import import_bundles
from bench.leaderboard import Rules

REPORTS = Path(__file__).parents[2] / "reports"
BUNDLES = sorted((REPORTS / "bundles").glob("*.zip"))


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda path: path.stem)
def test_a_report_has_the_numbers_of_its_bundle(bundle: Path, tmp_path: Path) -> None:
    lines, sound = import_bundles([bundle], tmp_path / "runs")
    assert sound, lines
    report([tmp_path / "runs"], tmp_path, Rules(), command="", figures=False, formats=["csv"])
    committed, made = (pd.read_csv(place / "leaderboard.csv") for place in (REPORTS / bundle.stem, tmp_path))
    columns = ["task_ref", "label", "n_seeds", "accuracy_mean", "difference_accuracy", "difference_word"]
    pd.testing.assert_frame_equal(committed[columns], made[columns], rtol=1e-6)


def test_bundles_are_small() -> None:
    assert BUNDLES
    assert all(bundle.stat().st_size <= 8_000_000 for bundle in BUNDLES)
