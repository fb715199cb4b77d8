"""The work of a grid: what workers did is the least that its plan needs, and a second helping shows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from bench.execution.work import Work, done, least
from bench.jobs import CellJob, StatesJob, TokensJob
from bench.planning.plan import Plan

Run = Callable[..., Plan]


@pytest.mark.parametrize(
    "asked",
    [
        {"methods": "core", "seeds": 2},
        {"methods": "ce,dimp", "protocol": "held-out"},
        {"methods": "ce,focal", "protocol": "tuned(2)"},
        {"methods": "sungen(rounds=2),fusegen(rounds=1),real-finetune,co-teaching,imp(oof=True),kmm"},
        {"methods": "ce,ce-mix", "settings": {"train_layers": "all"}},
        {"methods": "cartography,aum,ce"},
    ],
    ids=lambda asked: f"{asked['methods'].partition('(')[0]} {asked.get('protocol', '')}".strip(),
)
def test_nothing_is_computed_twice(run_here: Run, asked: dict[str, object]) -> None:
    jobs = run_here(**asked).jobs.values()
    spent = sum(map(done, jobs), Work())
    assert spent == least(jobs, jobs)
    assert spent.updates >= 4 * spent.trainings, "a tuned training may have half of the preset's 8 updates"


def test_the_least_is_what_one_counts_by_hand(run_here: Run) -> None:
    made = run_here(methods="ce,dimp", seeds=1)
    (texts,) = {tuple(job.texts) for job in made.jobs.values() if isinstance(job, TokensJob) and len(job.texts) == 400}
    cells = [job for job in made.jobs.values() if isinstance(job, CellJob)]
    kept = {text for job in made.jobs.values() if isinstance(job, TokensJob) for text in job.texts}
    assert len(cells) == 3, "ce, dimp and the quality checker; the diversity checker is ce itself"
    rows = sum(len(texts) + len(job.scored.ids) for job in cells)
    expected = Work(trainings=3, updates=24, scored=rows, encoded=len(kept))
    assert least(made.jobs.values(), made.jobs.values()) == expected


def test_a_training_or_a_text_that_was_done_twice_shows(run_here: Run) -> None:
    jobs = list(run_here(methods="dimp", seeds=1).jobs.values())
    again = [replace(job, id=f"{job.id} again") for job in jobs if isinstance(job, StatesJob | CellJob)]
    once, twice = (sum(map(done, some), Work()) for some in (jobs, [*jobs, *again]))
    told = least([*jobs, *again], jobs)
    assert told.encoded == once.encoded < twice.encoded
    assert told.trainings == once.trainings == twice.trainings / 2
