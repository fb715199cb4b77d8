"""A method compared with itself on other seeds: the rate of false verdicts."""

from types import SimpleNamespace

import numpy as np
import pytest

from bench.cli import main
from bench.commands.reports import calibrate_aa
from bench.errors import UserError
from bench.stats.crossed import compare
from bench.stats.verdict import verdict
from bench.store.files import write_json
from tests.bench.leaderboard.fake_store import FakeStore


def saved(store):
    write_json(store.root / ".grids" / "a.json", store.manifest())
    return store.root


def test_verdicts_are_those_of_compare():
    rng = np.random.default_rng(0)
    words = set()
    for _ in range(60):
        scores = rng.integers(-1, 2, size=(3, 300)) + 0.12 * rng.normal()
        words.add(word_of(scores))
    for _ in range(60):  # few rows differ: the interval is within the margin before equivalence is shown
        words.add(word_of((rng.random((5, 1374)) < 0.006).astype(float)))
    assert words == {"better", "worse", "undecided", "equivalent"}


def word_of(scores):
    """The verdict on a difference (S, N), which must agree with the two answers of the calibration."""
    expected = compare(scores, np.zeros_like(scores))
    word = verdict(expected, expected.p).word
    significant, matters = calibrate_aa.verdict_on(scores)
    assert (significant and matters) == (word in ("better", "worse"))
    assert matters == (word != "equivalent")
    return word


def test_nulls_are_kept_and_differences_between_seeds_are_seen(tmp_path, monkeypatch):
    monkeypatch.setattr(calibrate_aa, "SPLITS", 60)
    store = FakeStore(tmp_path / "runs", rows=200, seeds=tuple(range(8)))
    for place in range(6):
        store.method(f"m{place}", real_use="train" if place % 2 else "none")
    lines = []
    text = calibrate_aa.calibrate_aa(saved(store), tmp_path, lines.append).read_text()
    table = [line.strip("| ").split(" | ") for line in lines[2:]]
    assert [(row[0] == calibrate_aa.DATA[True], int(row[1]), int(row[2])) for row in table] == [
        (real, k, 3) for real in (False, True) for k in (2, 3, 4)
    ]
    assert all(float(row[3].split(" ± ")[0]) <= 12 for row in table)
    assert all(line in text for line in lines)


def test_a_false_verdict_is_counted():
    right = np.zeros((4, 100))
    right[:2] = 1.0  # two seeds that get all right, two that get none: groups of them differ for certain

    (unit,) = calibrate_aa.of_method(SimpleNamespace(spec={"real_use": "none"}), right)
    assert unit.rejected == unit.verdict
    assert 0.2 < unit.rejected < 0.5  # a third of the splits put like to like


def test_twins_and_few_seeds_count_for_nothing(tmp_path):
    store = FakeStore(tmp_path / "runs", seeds=(0, 1, 2, 3)).method("ce").method("twin")
    store.section["methods"][1]["cells"] = store.section["methods"][0]["cells"]
    lines = []
    calibrate_aa.calibrate_aa(saved(store), tmp_path, lines.append)
    assert lines[2].split(" | ")[2] == "1"
    few = FakeStore(tmp_path / "few", seeds=(0, 1, 2)).method("ce")
    with pytest.raises(UserError, match="no method with 4 or more seeds"):
        calibrate_aa.calibrate_aa(saved(few), tmp_path, lines.append)


def test_the_command(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(calibrate_aa, "SPLITS", 5)
    store = saved(FakeStore(tmp_path / "runs", seeds=(0, 1, 2, 3)).method("ce"))
    for arguments, code in ((["--from", str(store)], 0), ([], 2)):
        with pytest.raises(SystemExit) as stop:
            main(["calibrate", "--aa", "--reports", str(tmp_path), *arguments])
        assert stop.value.code == code
    assert "needs the cells of a store" in capsys.readouterr().err
    assert (tmp_path / "calibration-aa.md").exists()
