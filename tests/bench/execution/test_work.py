"""The work of a grid: workers do the least that its plan needs, and the count notices work that is done twice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from bench.jobs import CellJob, StatesJob, TokensJob
from bench.planning.plan import Plan
from tests.bench.execution.work import Work, done, least

Run = Callable[..., Plan]


@pytest.mark.parametrize(
    "options",
    [
        {"methods": "ce,focal,imp,dimp", "seeds": 2},
        {"methods": "ce,dimp", "protocol": "held-out"},
        {"methods": "ce,focal", "protocol": "tuned(2)"},
        {"methods": "sungen(rounds=2),fusegen(rounds=1),real-finetune,co-teaching,imp(oof=True),kmm"},
        {"methods": "ce,ce-mix", "settings": {"train_layers": "all"}},
        {"methods": "cartography,aum,ce"},
        {"methods": "kmm,dimp,ce", "settings": {"train_layers": 0}},
    ],
    ids=lambda options: f"{options['methods'].partition('(')[0]} {options.get('protocol', '')}".strip(),
)
def test_nothing_is_computed_twice(run_here: Run, options: dict[str, object]) -> None:
    jobs = run_here(**options).jobs.values()
    work = sum(map(done, jobs), Work())
    assert work == least(jobs, jobs)
    assert work.updates >= 4 * work.trainings, "a tuned training may have half of the preset's 8 updates"


def test_no_lease_stays(run_here: Run) -> None:
    """Snapshots that a cell saves on its way have a folder, and a lease, of their own."""
    plan = run_here(methods="cartography,ce", seeds=1)
    assert list(plan.root.rglob("dynamics.npy"))
    assert list(plan.root.rglob("lease")) == []


def test_the_least_work_agrees_with_a_count_by_hand(run_here: Run) -> None:
    plan = run_here(methods="ce,dimp", seeds=1)
    cells = [job for job in plan.jobs.values() if isinstance(job, CellJob)]
    tokenised = {text for job in plan.jobs.values() if isinstance(job, TokensJob) for text in job.texts}
    assert len(cells) == 3, "ce, dimp and the quality checker; the diversity checker is ce itself"
    rows = sum(len(job.test.ids) + len(job.scored.ids) for job in cells)
    expected = Work(trainings=3, updates=24, scored=rows, encoded=len(tokenised))
    assert least(plan.jobs.values(), plan.jobs.values()) == expected


def test_a_repeated_training_and_a_repeated_text_are_counted(run_here: Run) -> None:
    jobs = list(run_here(methods="dimp", seeds=1).jobs.values())
    again = [replace(job, id=f"{job.id} again") for job in jobs if isinstance(job, StatesJob | CellJob)]
    once, twice = (sum(map(done, some), Work()) for some in (jobs, [*jobs, *again]))
    needed = least([*jobs, *again], jobs)
    assert needed.encoded == once.encoded < twice.encoded
    assert needed.trainings == once.trainings == twice.trainings / 2
