"""Extra columns of the generated file: kept with the rows, and read by methods that declare them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import methods
from bench.config.method_choice import choose
from bench.config.request import make_request
from bench.jobs import CellJob
from bench.planning.plan import Plan
from bench.planning.planner import make_plan
from methods import plugins
from tasks import DataError

Run = Callable[..., Plan]
Seen = list[np.ndarray]
CODE = '''
"""Weights from a column."""

from dataclasses import dataclass

from methods.base import StaticWeights, WeightConfig, column, setting
from methods.registry import register


@dataclass(frozen=True)
class ByColumnConfig(WeightConfig):
    of: str = setting("score", note="a column")


@register("by-column")
class ByColumn(StaticWeights):
    """The weights are a column."""

    Config = ByColumnConfig
    requires = (column("score"),)
    seen = []

    @classmethod
    def requires_of(cls, config):
        return (column(config.of),)

    def table(self, context):
        self.seen.append(context.tables[column(self.config.of)])
        return self.seen[-1] + 1
'''


@pytest.fixture
def seen(tmp_path: Path) -> Iterator[Seen]:
    """Registers a method whose weights are a column of the generated file; the columns that it has read."""
    before, files = dict(methods.discover()), dict(plugins._files)
    path = tmp_path / "by_column.py"
    path.write_text(CODE)
    plugins.load_file(path)
    yield methods.METHODS["by-column"].seen  # type: ignore[attr-defined]
    for registry, saved in ((methods.METHODS, before), (plugins._files, files)):
        registry.clear()
        registry.update(saved)  # type: ignore[arg-type]


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """Generated rows with a number and a name each, and real rows; 60 and 120 rows of two classes."""

    def write(role: str, count: int, **columns: list[object]) -> str:
        labels = ["bad", "good"] * (count // 2)
        frame = pd.DataFrame({"text": [f"{role} text {i}" for i in range(count)], "label": labels, **columns})
        frame.to_csv(tmp_path / f"{role}.csv", index=False)
        return str(tmp_path / f"{role}.csv")

    names = [("news", "art", "sport")[i % 3] for i in range(60)]
    return {
        "generated": write("generated", 60, score=[i / 10 for i in range(60)], topic=names),
        "real": write("real", 120),
    }


def cells(plan: Plan) -> dict[str, CellJob]:
    jobs = {plan.cells[identity]: plan.jobs[identity] for identity in plan.cells}
    return {label: job for label, job in jobs.items() if isinstance(job, CellJob)}


def test_a_method_reads_the_column_that_it_declares(seen: Seen, run_here: Run, files: dict[str, str]) -> None:
    """Numbers as they are, names as their places in the sorted names; rows in the order of the cell."""
    plan = run_here(methods="by-column,by-column(of=topic)", **files)
    rows = cells(plan)["by-column"].generated.ids
    assert seen[0] == pytest.approx(rows / 10)
    assert [("art", "news", "sport")[int(value)] for value in seen[1]] == [
        ("news", "art", "sport")[i % 3] for i in rows
    ]


def test_stress_keeps_the_values_with_their_rows(seen: Seen, run_here: Run, files: dict[str, str]) -> None:
    """A copied row has the value of its original; a subset keeps the values of its rows."""
    plan = run_here(methods="by-column", tasks="files[duplicates=0.5,generated=40]", **files)
    role = cells(plan)["by-column"].generated
    assert len(role.ids) == 60
    assert seen[0] == pytest.approx(cells(plan)["by-column"].scored.ids[role.index] / 10)


def test_a_column_is_in_the_ids_of_its_readers_alone(
    seen: Seen, tiny_encoder: Path, tmp_path: Path, files: dict[str, str]
) -> None:
    def ids() -> dict[str, str]:
        request = make_request(
            methods="ce,by-column,by-column(of=topic)", encoder=str(tiny_encoder), preset="smoke", seeds=1, **files
        )
        return {label: job.spec.id for label, job in cells(make_plan(request, tmp_path / "runs")).items()}

    before = ids()
    frame = pd.read_csv(files["generated"])
    frame.loc[frame.index[-1], "score"] = 0.5
    frame.assign(other=1).to_csv(files["generated"], index=False)
    after = ids()
    assert {label for label in before if before[label] != after[label]} == {"by-column"}
    frame.drop(columns=["score", "topic"]).to_csv(files["generated"], index=False)
    with pytest.raises(DataError, match=r"generated.csv.*no column 'score' besides text and label; columns: none"):
        ids()


@pytest.mark.parametrize(
    ("cells_of", "problem"),
    [
        (["0.5", ""], "row 2: score is missing"),
        (["0.5", "0.25", "high"], "row 3: score is 'high', not a finite number"),
        (["0.5", "0.25", "inf"], "row 3: score is 'inf', not a finite number"),
    ],
)
def test_bad_cells_are_one_line(
    seen: Seen, tiny_encoder: Path, tmp_path: Path, files: dict[str, str], cells_of: list[str], problem: str
) -> None:
    frame = pd.read_csv(files["generated"], dtype=str)
    frame.loc[: len(cells_of) - 1, "score"] = cells_of
    frame.to_csv(files["generated"], index=False)
    request = make_request(methods="by-column", encoder=str(tiny_encoder), preset="smoke", seeds=1, **files)
    with pytest.raises(DataError, match=problem):
        make_plan(request, tmp_path / "runs")


def test_groups_leave_it_out(seen: Seen) -> None:
    """Most files have no such column, so a method that needs one is named."""
    chosen, left_out = choose("all", {})
    assert "by-column" not in {choice.cls.name for choice in chosen}
    assert left_out["by-column"] == "it reads score from a column of the generated rows; name it to run it"
