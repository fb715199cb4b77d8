"""The numbers of generated, real and test rows that a run takes are never silent, and `[generated=N]` means N."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from bench.commands.data.validate import validate
from bench.config.request import make_request
from bench.config.settings import Settings
from bench.errors import UserError
from bench.execution.dry_run import data_lines, summary
from bench.jobs import CellJob
from bench.planning.plan import Plan
from bench.planning.planner import make_plan

TOTAL = 1000  # generated rows of the bundled task


def planned(encoder: Path, root: Path, **changes: Any) -> Plan:
    return make_plan(
        make_request(**{"methods": "ce", "encoder": str(encoder), "preset": "smoke", "seeds": 1, **changes}), root
    )


def cell(plan: Plan) -> CellJob:
    job = plan.jobs[next(iter(plan.cells))]
    assert isinstance(job, CellJob)
    return job


@pytest.mark.parametrize(
    ("changes", "used", "cause"),
    [
        ({}, 64, "preset smoke; --generated-rows all"),
        ({"settings": {"generated_rows": "500"}}, 500, "--generated-rows 500"),
        ({"settings": {"generated_rows": "all"}}, TOTAL, ""),
        ({"settings": {"generated_rows": "auto"}}, TOTAL, "--generated-rows auto: at most 10,000, 8 updates"),
        ({"tasks": "twitter[generated=40]"}, 40, "[generated=40]"),
        ({"tasks": "twitter[generated=600]"}, 600, "[generated=600]"),
        ({"tasks": f"twitter[generated={TOTAL}]"}, TOTAL, f"[generated={TOTAL}]"),
        ({"tasks": "twitter[generated=64]"}, 64, "preset smoke; --generated-rows all"),  # as without the option
        ({"limit": 24}, 24, "--limit 24"),
    ],
)
def test_the_rows_trained_on_and_why(
    tiny_encoder: Path, tmp_path: Path, changes: dict[str, Any], used: int, cause: str
) -> None:
    plan = planned(tiny_encoder, tmp_path, **changes)
    total = changes.get("limit", TOTAL)
    expected = {"used": used, "of": total, "cause": cause}
    assert len(cell(plan).generated.ids) == used
    assert cell(plan).spec_json["generated_size"] == expected
    assert plan.sections[0]["generated_size"] == expected


@pytest.mark.parametrize(("rows", "updates"), [(50, 48), (1000, 48), (1001, 49), (2500, 120), (10_000, 480)])
def test_auto_passes_each_row_as_often_as_the_preset(rows: int, updates: int) -> None:
    settings = Settings(generated_rows="auto")
    resolved = settings.resolved(rows)
    assert (resolved.updates, resolved.generated_rows, settings.most_generated) == (updates, 10_000, 10_000)
    by_epochs = Settings(generated_rows="auto", updates=None, epochs=2, batch_size=10).resolved(rows)
    assert (by_epochs.updates, by_epochs.generated_rows) == (2 * -(-rows // 10), 10_000)
    assert Settings(generated_rows=10_000, updates=updates) == resolved, "a cell is the same as with the numbers"


def test_more_rows_than_there_are(tiny_encoder: Path, tmp_path: Path) -> None:
    message = rf"generated=1001 is more than the 1,000 rows of the generated set; \[generated={TOTAL}\] takes them all"
    for changes in ({}, {"limit": 20}):
        with pytest.raises(UserError, match=message):
            planned(tiny_encoder, tmp_path, tasks="twitter[generated=1001]", **changes)


def test_validate_and_the_dry_run_say_it(tiny_encoder: Path, tmp_path: Path) -> None:
    size = "64 of 1,000 generated rows (preset smoke; --generated-rows all)"
    lines: list[str] = []
    summary(planned(tiny_encoder, tmp_path), 1, lines.append)
    real = '300 of 1,499 real rows a seed (--tasks "twitter[real=1499]")'
    assert f"twitter: {size}, {real}, 1,374 test rows" in lines
    request = make_request(methods="ce", encoder=str(tiny_encoder), preset="smoke")
    assert f"  a run trains on {size}" in list(validate(request))
    request = make_request(methods="ce", encoder=str(tiny_encoder), settings={"generated_rows": "all"})
    assert not any("trains on" in line for line in validate(request))


def own_files(folder: Path, **counts: int) -> dict[str, str]:
    """A file of each role, with so many rows."""
    places = {role: str(folder / f"{role}.csv") for role in counts}
    for role, count in counts.items():
        rows = [(f"{role} {row} {row * row}", "ab"[row % 2]) for row in range(count)]
        pd.DataFrame(rows, columns=["text", "label"]).to_csv(places[role], index=False)
    return places


@pytest.mark.parametrize(
    ("changes", "real", "test"),
    [
        (
            {"tasks": "files"},
            '300 of 320 real rows a seed (--tasks "files[real=320]")',
            "2,000 of 2,100 test rows (--test-size all)",
        ),
        ({"tasks": "files[real=320]", "test_size": "all"}, "320 real rows a seed", "2,100 test rows"),
        (
            {"tasks": "files[real=50]", "test_size": 70},
            "50 of 320 real rows a seed ([real=50])",
            "70 of 2,100 test rows (--test-size 70)",
        ),
        ({"limit": 64}, "64 of 320 real rows a seed (--limit 64)", "64 of 2,100 test rows (--limit 64)"),
    ],
)
def test_all_that_is_left_out_of_own_files_is_said(
    tiny_encoder: Path, tmp_path: Path, changes: dict[str, Any], real: str, test: str
) -> None:
    """A test file was cut to 2,000 rows without a word. What the line names takes all rows."""
    plan = planned(tiny_encoder, tmp_path / "runs", **own_files(tmp_path, generated=64, real=320, test=2100), **changes)
    label = plan.sections[0]["task_ref"]
    assert data_lines(plan)[-1] == f"{label}: 64 generated rows{' (--limit 64)' * ('limit' in changes)}, {real}, {test}"
    noted = [note for note in plan.sections[0]["notes"] if "2,100" in note]
    if changes.get("test_size") == "all":
        assert not noted
    else:
        drawn = f"{changes.get('test_size', 2000):,} of the 2,100 test rows were drawn"
        assert noted == [f"{drawn}, stratified by label; --test-size all takes all"]


def test_real_rows_without_a_test_file(tiny_encoder: Path, tmp_path: Path) -> None:
    few = planned(tiny_encoder, tmp_path / "few", **own_files(tmp_path, generated=64, real=50))
    assert data_lines(few)[-1].endswith(", 40 of 50 real rows a seed, cross-validated in 5 folds")
    half = own_files(tmp_path, generated=64, real=420)
    every = planned(tiny_encoder, tmp_path / "half", **half)
    assert data_lines(every)[-1].endswith(", 210 real rows a seed, 210 test rows")
    some = planned(tiny_encoder, tmp_path / "half", test_size=100, **half)
    assert data_lines(some)[-1].endswith(", 210 real rows a seed, 100 of 210 test rows (--test-size 100)")
    assert not any("were drawn" in note for note in some.sections[0]["notes"]), "another note counts them"
