"""The committed reports that are made from bundles show the numbers of their bundles, and no report quotes a row."""

import zipfile
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from bench.commands.reports.report import report
from bench.commands.stores.import_ import import_bundles
from bench.leaderboard import Rules
from tasks import load

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


def written() -> Iterator[tuple[str, str]]:
    """The name and content of every file of the committed reports and bundles that people can read as text."""
    suffixes = {".json", ".jsonl", ".md", ".html", ".csv", ".tex", ".txt"}
    for path in sorted(REPORTS.rglob("*")):
        if path.suffix in suffixes:
            yield path.name, path.read_text("utf-8")
    for bundle in BUNDLES:
        with zipfile.ZipFile(bundle) as archive:
            for name in archive.namelist():
                if Path(name).suffix in suffixes:
                    yield f"{bundle.name}/{name}", archive.read(name).decode("utf-8")


def runs_of_words(text: str) -> set[tuple[str, ...]]:
    """Every five words of a text that follow each other, from the second word on: quotation marks touch the first."""
    words = text.split()
    return set(zip(*(words[k:] for k in range(1, 6)), strict=False))


def test_no_report_and_no_bundle_quotes_a_human_row() -> None:
    """twitter-probe quoted two tweets in a warning, in its bundle too, of which pages say that it has no texts."""
    rows = [rows for name in ("twitter", "financial") for rows in (load(name).pool, load(name).test)]
    human = {run for part in rows for text in part.texts for run in runs_of_words(text)}
    assert len(human) > 50_000
    quoted = {name: found for name, content in written() if (found := runs_of_words(content) & human)}
    assert not quoted
