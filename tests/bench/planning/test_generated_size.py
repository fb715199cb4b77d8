"""The number of generated rows that a run trains on is never silent, and `[generated=N]` means N."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bench.commands.data.validate import validate
from bench.config.request import make_request
from bench.config.settings import Settings
from bench.errors import UserError
from bench.execution.dry_run import summary
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
    assert f"twitter: {size}" in lines
    request = make_request(methods="ce", encoder=str(tiny_encoder), preset="smoke")
    assert f"  a run trains on {size}" in list(validate(request))
    request = make_request(methods="ce", encoder=str(tiny_encoder), settings={"generated_rows": "all"})
    assert not any("trains on" in line for line in validate(request))
