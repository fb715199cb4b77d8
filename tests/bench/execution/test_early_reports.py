"""After each whole seed there is a leaderboard of the seeds so far, and an interrupted run keeps one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench import leaderboard
from bench.config.request import make_request
from bench.execution.early_reports import EarlyReports
from bench.execution.prepare import make_queue
from bench.leaderboard.build import build
from bench.planning.describe import describe
from bench.planning.planner import make_plan
from bench.processes import pool
from bench.store.files import write_json
from bench.store.layout import DONE
from bench.store.manifest import first_seeds
from tests.bench.leaderboard.fake_store import FakeStore
from tests.helpers.background import start, wait_for

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def store(tmp_path: Path) -> FakeStore:
    return FakeStore(tmp_path, seeds=(0, 1, 2, 3)).method("ce").method("dimp", skill=0.3)


def test_the_first_seeds_are_those_of_a_grid_that_has_no_others(store: FakeStore) -> None:
    """From two seeds on, an early report says what a report of a grid of so many seeds says."""
    early = build(first_seeds(store.manifest(), 2), store.root).sections[0]
    whole = FakeStore(store.root, seeds=(0, 1))
    whole.section["methods"] = [
        {**entry, "cells": {seed: entry["cells"][seed] for seed in ("0", "1")}} for entry in store.section["methods"]
    ]
    other = build(whole.manifest(), store.root).sections[0]
    for row, same in zip(early.rows, other.rows, strict=True):
        assert row.metrics == same.metrics
        assert row.paired is not None
        assert same.paired is not None
        assert row.paired.verdict == same.paired.verdict
    assert early.spec["title"].endswith("(2 of 4 seeds so far)")
    assert early.spec["notes"][0].startswith("2 of 4 seeds so far")


def test_one_seed_of_several_has_differences_and_no_verdict(store: FakeStore) -> None:
    section = build(first_seeds(store.manifest(), 1), store.root).sections[0]
    assert section.pairs is None
    (paired,) = [row.paired for row in section.rows if row.label == "dimp"]
    assert paired is not None
    assert paired.accuracy is not None
    assert (paired.verdict.word, paired.verdict.text) == ("", "1 of 4 seeds so far")
    assert first_seeds(store.manifest(), 4) == store.manifest(), "nothing is marked when all seeds are there"


def early_reports(tmp_path: Path, tiny_encoder: Path, said: list[str], **changed: Any) -> EarlyReports:
    options: dict[str, Any] = {"methods": "ce,focal,gce", "encoder": str(tiny_encoder), "preset": "smoke"}
    options |= changed or {"seeds": 3}
    plan = make_plan(make_request(**options), tmp_path / "runs")
    rules = leaderboard.USUAL
    return EarlyReports(plan, make_queue(plan), describe(plan, ""), tmp_path / "reports", rules, said.append)


def test_a_seed_is_whole_when_all_before_it_are(tmp_path: Path, tiny_encoder: Path) -> None:
    early = early_reports(tmp_path, tiny_encoder, [])
    queue = early.queue
    cells = [[queue.jobs[i] for i, number in early.seed_of.items() if number == seed] for seed in range(3)]
    for seed in (1, 0):
        for job in cells[seed]:
            assert early.whole == 0
            queue.done(job)
    assert early.whole == 2
    manifest, name = early.covered(stopped=True)
    assert name == "leaderboard of 2 of 3 seeds so far"
    assert manifest["sections"][0]["seeds"] == [0, 1]
    assert early.covered(stopped=False)[1] == "leaderboard"
    queue.failed(cells[2][0], "a cause")
    for job in cells[2][1:]:
        queue.done(job)
    assert early.whole == 3, "a failed cell is settled too"
    assert early.covered(stopped=True)[0] == early.manifest


def test_the_seeds_that_are_whole_are_those_of_the_report(tmp_path: Path, tiny_encoder: Path) -> None:
    """With `--seed 7,3` seed 7 was trained first, and the report was about seed 3, which had no cell."""
    early = early_reports(tmp_path, tiny_encoder, [], seed="7,3,5")
    first = [early.queue.jobs[identity] for identity, number in early.seed_of.items() if number == 0]
    for job in first:
        early.queue.done(job)
    (section,) = early.covered(stopped=True)[0]["sections"]
    assert section["seeds"] == [3]
    shown = {early.plan.root / path for entry in section["methods"] for path in entry["cells"].values()}
    assert shown == {job.folder for job in first}


def test_the_ranking_names_the_best_and_the_baseline_without_failed_ones(tmp_path: Path, tiny_encoder: Path) -> None:
    early = early_reports(tmp_path, tiny_encoder, [])
    accuracies = {"ce": [0.5, 0.6], "a": [0.9, 0.9], "b": [1.0], "c": [0.7, 0.9], "d": [0.7, 0.8]}
    assert early.ranking(accuracies) == "1 a 90.0, 2 c 80.0, 3 d 75.0, 4 ce 55.0"
    more = {**accuracies, "e": [0.6, 0.6], "f": [0.6, 0.61], "g": [0.1, 0.1]}
    assert early.ranking(more) == "1 a 90.0, 2 c 80.0, 3 d 75.0, 4 f 60.5, 5 e 60.0, 6 ce 55.0 (of 7 methods)"


def test_after_the_last_cell_nothing_is_so_far(
    tmp_path: Path, tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last cells may end while the report of the seeds before is written."""
    monkeypatch.setattr(EarlyReports, "rankings", lambda self: ["a ranking"])
    for last, lines in ((2, ["a ranking", f"2 of 3 seeds so far: {tmp_path / 'reports' / 'leaderboard.md'}"]), (3, [])):
        said: list[str] = []
        early = early_reports(tmp_path, tiny_encoder, said)
        early.process, early.written = Ended(), 2  # type: ignore[assignment]
        for identity, number in early.seed_of.items():
            if number < last:
                early.queue.done(early.queue.jobs[identity])
        early.finish()
        assert said == lines


class Ended:
    """A process that wrote its report."""

    exitcode = 0

    def join(self) -> None:
        """It has ended."""


def test_a_report_that_cannot_be_written_does_not_stop_the_run(tmp_path: Path, tiny_encoder: Path) -> None:
    said: list[str] = []
    early = early_reports(tmp_path, tiny_encoder, said)
    early.reports.write_text("a file in the place of the folder")
    for identity, number in early.seed_of.items():
        if number == 0:
            write_json(early.queue.jobs[identity].folder / DONE, {"accuracy": 0.5})
            early.queue.done(early.queue.jobs[identity])
    early.pulse()
    early.finish()
    assert "could not be written; the run goes on" in said[-1]


def test_many_cells_of_a_seed_are_read_in_a_pool(
    tmp_path: Path, tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process of an early report could start no others: with 200 new cells of weights it was not written."""
    monkeypatch.setattr("bench.execution.early_reports.write", write_in_a_pool)
    early = early_reports(tmp_path, tiny_encoder, [])
    for identity, number in early.seed_of.items():
        if number == 0:
            early.queue.failed(early.queue.jobs[identity], "a cause")
    early.pulse()
    early.finish()
    assert (early.reports / "leaderboard.md").read_text() == "[1, 2]"


def write_in_a_pool(manifest: object, store: Path, reports: Path, rules: object) -> None:
    """Write what a pool has computed."""
    with pool(1) as processes:
        reports.mkdir()
        (reports / "leaderboard.md").write_text(str(list(processes.map(abs, [-1, -2]))))


def test_reports_pause_three_times_as_long_as_the_last_one_took(
    tmp_path: Path, tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A grid of 5,000 seeds of 0.1 s would else do nothing but report: one after the other, each of more cells."""
    early = early_reports(tmp_path, tiny_encoder, [])
    early.reports.write_text("a file in the place of the folder: each report ends at once")
    now = 100.0
    monkeypatch.setattr("bench.execution.early_reports.time.monotonic", lambda: now)

    def settle(seed: int) -> None:
        for identity, number in early.seed_of.items():
            if number == seed:
                early.queue.failed(early.queue.jobs[identity], "a cause")

    settle(0)
    early.pulse()
    now = 102.0
    early.finish()
    settle(1)
    now = 107.9
    early.pulse()
    assert early.process is None
    now = 108.0
    early.pulse()
    assert early.process is not None
    assert early.written == 2
    early.finish()


def test_a_run_reports_each_whole_seed_and_an_interrupted_one_keeps_a_leaderboard(
    bench: Command, tmp_path: Path, tiny_encoder: Path
) -> None:
    grid = ("run", "--methods", "ce,dimp", "--seeds", "60")
    process = start(tmp_path, tiny_encoder, *grid, "--workers", "1")
    assert process.stdout is not None
    lines = iter(process.stdout.readline, b"")
    assert any(line.startswith(b"1 of 60 seeds so far: ") for line in lines)
    assert wait_for(lambda: len(list(tmp_path.glob("runs/twitter/*/*/metrics.json"))) >= 5)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, out + err
    report = json.loads((tmp_path / "reports" / "leaderboard.json").read_text())
    assert b"leaderboard of" in out
    counts = {(row["n_seeds"], row["n_planned"]) for row in report["rows"]}
    assert len(counts) == 1, "each method has each of the whole seeds, and the other ones are not planned"
    assert "seeds so far" in (tmp_path / "reports" / "leaderboard.md").read_text()
