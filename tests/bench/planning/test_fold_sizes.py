"""Folds of unequal size: tables have one number of real rows, whatever the seeds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from bench.config.request import make_request
from bench.jobs import CellJob
from bench.leaderboard.build import build
from bench.planning.describe import describe
from bench.planning.plan import Plan
from bench.planning.planner import make_plan
from bench.store.manifest import joined, section_key

Make = Callable[..., Plan]


@pytest.fixture
def plan(tiny_encoder: Path, tmp_path: Path) -> Make:
    """`plan(seeds=[2], same=15)`: a plan on 60 real rows, of which so many have one text."""

    def make(seeds: list[int], same: int = 15, **options: Any) -> Plan:
        labels = ["bad", "good"] * 64
        texts = ["the same text" if i % 2 == 0 and i < 2 * same else f"real {i}" for i in range(60)]
        for role, rows in (("real", texts), ("generated", [f"generated {i}" for i in range(128)])):
            pd.DataFrame({"text": rows, "label": labels[: len(rows)]}).to_csv(tmp_path / f"{role}.csv", index=False)
        files = {role: str(tmp_path / f"{role}.csv") for role in ("real", "generated")}
        given = {"methods": "ce,real-only", "encoder": str(tiny_encoder), "preset": "smoke", **files, **options}
        return make_plan(make_request(seeds=seeds, **given), tmp_path / "runs")

    return make


def taught(plan: Plan) -> dict[int, int]:
    """The number of real rows by seed."""
    jobs = (job for name in plan.cells if isinstance(job := plan.jobs[name], CellJob))
    return {job.spec.seed: len(job.real.ids) for job in jobs}


@pytest.mark.parametrize("protocol", ["fixed", "held-out"])
def test_a_table_is_continued_at_any_seed(plan: Make, protocol: str) -> None:
    """A table had the number of real rows of its first seed, so that other seeds made a second table."""
    parts = [plan([seed], protocol=protocol) for seed in range(5)]
    sections = [section for part in parts for section in part.sections]
    numbers = {seed: number for part in parts for seed, number in taught(part).items()}
    least, most = min(numbers.values()), max(numbers.values())
    assert least < most
    assert len({section_key(section) for section in sections}) == 1
    assert {section["sizes"]["real"] for section in sections} == {most}
    assert {method["real_rows"] for section in sections for method in section["methods"]} == {0, most}
    for section in sections:
        assert any(f"the folds leave {least} to {most} real rows to train on" in note for note in section["notes"])


def test_equal_folds_have_the_number_of_each_seed(plan: Make) -> None:
    made = plan([3], same=1)
    (section,) = made.sections
    assert section["sizes"]["real"] == taught(made)[3] == 48
    assert not any("the folds leave" in note for note in section["notes"])


def test_the_note_on_seeds_is_that_of_the_table(plan: Make) -> None:
    """Continued with the other folds, a table still said that its last grid tests some rows less often."""
    parts = [describe(plan(seeds, same=1), "c") for seeds in ([0, 1], [2, 3, 4])]
    root = plan([0], same=1).root

    def said(*grids: dict[str, Any]) -> bool:
        (section,) = build(joined(grids, "c"), root).sections
        return any("no whole repeats of the 5 folds" in note for note in section.spec["notes"])

    assert all(said(part) for part in parts)
    assert not said(*parts)
