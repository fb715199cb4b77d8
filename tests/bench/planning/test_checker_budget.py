"""The quality checker's own number of updates: what it changes, and what it leaves as it is."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from bench.config.request import make_request
from bench.config.settings import Settings
from bench.jobs import CellJob
from bench.planning.plan import Plan
from bench.planning.planner import make_plan

BUDGETS = {"checker_updates": 3, "checker_epochs": 1.5}
UPDATES, BATCH = 8, 8  # of preset smoke


def plan_of(methods: str, settings: dict[str, float], encoder: Path, store: Path) -> Plan:
    """A plan of one seed in preset smoke."""
    return make_plan(
        make_request(methods=methods, encoder=str(encoder), preset="smoke", seeds=1, settings=settings), store
    )


def trainings(plan: Plan) -> list[CellJob]:
    """All cells and checkers."""
    return [job for job in plan.jobs.values() if isinstance(job, CellJob)]


@pytest.mark.parametrize(("name", "value"), BUDGETS.items())
def test_only_what_reads_the_quality_checker_gets_another_id(
    name: str, value: float, tiny_encoder: Path, tmp_path: Path
) -> None:
    """Cells of other methods keep their ids, and all cells their number of updates."""
    found = []
    for settings in ({}, {name: value}):
        plan = plan_of("ce,real-only,imp,dimp(calibrate=True)", settings, tiny_encoder, tmp_path)
        found.append({plan.cells[job.id]: job for job in trainings(plan) if job.id in plan.cells})
    default, other = found
    assert {label for label in default if default[label].id != other[label].id} == {"imp", "dimp(calibrate=True)"}
    assert {job.spec.settings["updates"] for job in other.values()} == {UPDATES}
    assert not set(BUDGETS) & set(other["imp"].spec.settings)
    assert not set(BUDGETS) & set(default["imp"].spec.settings)


@pytest.mark.parametrize("name", ["", *BUDGETS])
def test_updates_of_quality_checkers(name: str, tiny_encoder: Path, tmp_path: Path) -> None:
    """Epochs are whole batches of the rows that a checker is trained on: a fold's checker has fewer."""
    plan = plan_of("dimp(calibrate=True)", {name: BUDGETS[name]} if name else {}, tiny_encoder, tmp_path)
    checkers = [job for job in trainings(plan) if job.id not in plan.cells]
    assert len(checkers) == 6, "one of all real rows and five of four fifths of them"
    for job in checkers:
        by_epochs = math.ceil(1.5 * math.ceil(len(job.real.ids) / BATCH))
        expected = {"": UPDATES, "checker_updates": 3, "checker_epochs": by_epochs}[name]
        assert job.spec.settings["updates"] == expected


def test_a_section_states_the_checkers_budget(tiny_encoder: Path, tmp_path: Path) -> None:
    """Where it is set; sections of other budgets are other sections."""
    plain = plan_of("dimp", {}, tiny_encoder, tmp_path).sections[0]["settings"]
    (section,) = plan_of("dimp", {"checker_epochs": 1.5}, tiny_encoder, tmp_path).sections
    assert section["settings"] == {**plain, "checker_epochs": 1.5}


def test_two_budgets_and_none_are_refused() -> None:
    """One line that names the setting."""
    with pytest.raises(ValueError, match="checker_updates or checker_epochs, not both"):
        Settings(checker_updates=1, checker_epochs=1)
    with pytest.raises(ValueError, match="checker_epochs must be above 0"):
        Settings(checker_epochs=0)
